#include "storage/core/planted.h"
#include "tests/sim/random_run.h"

// A simulation that finds nothing proves nothing: these bugs, planted in the storage server, are found within so
// many seeds.
namespace vcfs::sim {
namespace {

constexpr std::uint64_t kSeeds = 200;

// The first seed that notices; 0: none does.
std::uint64_t foundBy(storage::Bug bug, bool splits = false) {
  storage::plantedBug = bug;
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds && found == 0; ++seed) {
    RandomRun run(seed, splits);
    std::string complaint;
    try {
      run.run();
      if (!run.complaints().empty()) complaint = run.complaints().front();
    } catch (const std::exception& error) {
      complaint = error.what();
    }
    if (complaint.empty()) continue;
    found = seed;
    std::cout << "seed " << seed << ": " << complaint << "\n";
  }
  storage::plantedBug = storage::Bug::none;
  return found;
}

// With three copies: of two, the other one is the new primary, whose role refuses what the epoch would.
TEST(Planted, requests_of_an_epoch_that_is_over_are_executed) {
  EXPECT_NE(foundBy(storage::Bug::skipEpochCheck, true), 0u);
}

TEST(Planted, bytes_are_published_before_the_follower_has_them) { EXPECT_NE(foundBy(storage::Bug::publishEarly), 0u); }

TEST(Planted, a_write_that_is_sent_again_after_a_failover_is_dropped) {
  EXPECT_NE(foundBy(storage::Bug::dropReplayedWrite), 0u);
}

}  // namespace
}  // namespace vcfs::sim
