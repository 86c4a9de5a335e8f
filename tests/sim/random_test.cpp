#include "tests/sim/blackout_run.h"
#include "tests/sim/loss_run.h"
#include "tests/sim/random_run.h"

#include <cstdlib>
#include <filesystem>

// Runs drawn from seeds. VCFS_SIM_SEEDS=N: so many (default 2000; of Loss 500), from VCFS_SIM_FIRST (default 1) on.
// VCFS_SIM_SEED=n: this one only, which replays it exactly; VCFS_SIM_JOURNAL=1 prints what happened in it.
// VCFS_SIM_HARD=1: longer runs in which more fails (another run for every seed).
namespace vcfs::sim {
namespace {

constexpr int kParts = 20;  // tests that share the seeds, so that ctest runs them beside one another

// Half a second each with a sanitizer, and what it looks for is found in few.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 200;
#else
constexpr std::uint64_t kSeeds = 2000;
#endif

std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

template <class Run>
void runSeed(std::uint64_t seed, const char* tests) {
  Run run(seed);
  std::string failure;
  try {
    run.run();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  for (const std::string& complaint : run.complaints()) failure += (failure.empty() ? "" : "; ") + complaint;
  if (failure.empty()) return;
  const std::string hard = number("VCFS_SIM_HARD", 0) != 0 ? "VCFS_SIM_HARD=1 " : "";
  ADD_FAILURE() << "seed " << seed << ": " << failure << "\nreplay it: " << hard << "VCFS_SIM_SEED=" << seed
                << " VCFS_SIM_JOURNAL=1 " << std::filesystem::read_symlink("/proc/self/exe").string()
                << " --gtest_filter=" << tests << "/*/0\nthe last that happened:\n"
                << run.journal().tail(40);
}

template <class Run>
void runPart(int part, const char* tests, std::uint64_t seeds = kSeeds) {
  if (const std::uint64_t only = number("VCFS_SIM_SEED", 0); only != 0) {
    if (part == 0) runSeed<Run>(only, tests);
    return;
  }
  const std::uint64_t first = number("VCFS_SIM_FIRST", 1);
  const std::uint64_t end = first + number("VCFS_SIM_SEEDS", seeds);
  for (std::uint64_t seed = first + static_cast<std::uint64_t>(part); seed < end; seed += kParts) {
    runSeed<Run>(seed, tests);
  }
}

class RandomSim : public ::testing::TestWithParam<int> {};

TEST_P(RandomSim, nothing_acknowledged_is_lost_and_readers_see_what_was_written) {
  runPart<RandomRun>(GetParam(), "Part");
}

INSTANTIATE_TEST_SUITE_P(Part, RandomSim, ::testing::Range(0, kParts));

// Beyond those: each found a fault that the first two thousand do not find.
TEST(Found, seeds_find_nothing_any_more) {
  for (std::uint64_t seed : {2324, 3044, 3204, 3373, 3394, 5836}) runSeed<RandomRun>(seed, "Part");
}

class BlackoutSim : public ::testing::TestWithParam<int> {};

TEST_P(BlackoutSim, a_sync_that_succeeded_covers_what_was_written_though_every_server_lost_power) {
  runPart<BlackoutRun>(GetParam(), "Dark");
}

INSTANTIATE_TEST_SUITE_P(Dark, BlackoutSim, ::testing::Range(0, kParts));

class PairSim : public ::testing::TestWithParam<int> {};

TEST_P(PairSim, of_three_copies_two_lose_power_at_once_and_nothing_is_lost) { runPart<PairRun>(GetParam(), "Pair"); }

INSTANTIATE_TEST_SUITE_P(Pair, PairSim, ::testing::Range(0, kParts));

class LossSim : public ::testing::TestWithParam<int> {};

TEST_P(LossSim, what_only_a_server_had_that_is_gone_for_good_is_given_up_and_nothing_else) {
  runPart<LossRun>(GetParam(), "Loss", kSeeds / 4);  // each takes twice as long
}

INSTANTIATE_TEST_SUITE_P(Loss, LossSim, ::testing::Range(0, kParts));

TEST(Replay, a_seed_replays_exactly) {
  for (std::uint64_t seed : {3, 11}) {
    std::vector<std::string> first;
    {
      RandomRun run(seed);
      run.run();
      first = run.journal().lines();
    }
    RandomRun again(seed);
    again.run();
    const auto& second = again.journal().lines();
    const auto [a, b] = std::mismatch(first.begin(), first.end(), second.begin(), second.end());
    EXPECT_TRUE(first == second) << "seed " << seed << " differs from line " << a - first.begin() << ":\n"
                                 << (a == first.end() ? "(end)" : *a) << "\n"
                                 << (b == second.end() ? "(end)" : *b);
  }
}

}  // namespace
}  // namespace vcfs::sim
