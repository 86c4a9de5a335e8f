#include "storage/core/planted.h"
#include "tests/sim/random_run.h"

// A simulation that finds nothing proves nothing: these bugs, planted in the storage server, are found within so
// many seeds; and one that complains for other reasons neither: the seed that finds one has nothing to say without it.
namespace vcfs::sim {
namespace {

constexpr std::uint64_t kSeeds = 200;

std::string complaintOf(std::uint64_t seed, storage::Bug bug, bool splits) {
  storage::plantedBug = bug;
  std::string complaint;
  RandomRun run(seed, splits);
  try {
    run.run();
    if (!run.complaints().empty()) complaint = run.complaints().front();
  } catch (const std::exception& error) {
    complaint = error.what();
  }
  storage::plantedBug = storage::Bug::none;
  return complaint;
}

void expectFound(storage::Bug bug, bool splits = false) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string complaint = complaintOf(seed, bug, splits);
    if (complaint.empty()) continue;
    std::cout << "seed " << seed << ": " << complaint << "\n";
    EXPECT_EQ(complaintOf(seed, bug, splits), complaint) << "another one when it is played again";
    EXPECT_EQ(complaintOf(seed, storage::Bug::none, splits), "");
    return;
  }
  ADD_FAILURE() << "no seed notices";
}

// With three copies: of two, the other one is the new primary, whose role refuses what the epoch would.
TEST(Planted, requests_of_an_epoch_that_is_over_are_executed) { expectFound(storage::Bug::skipEpochCheck, true); }

TEST(Planted, bytes_are_published_before_the_follower_has_them) { expectFound(storage::Bug::publishEarly); }

TEST(Planted, a_write_that_is_sent_again_after_a_failover_is_dropped) { expectFound(storage::Bug::dropReplayedWrite); }

}  // namespace
}  // namespace vcfs::sim
