// What a server says of its replica to a tracker that has to choose a primary.
#include "cluster_fixture.h"

namespace vcfs::storage {
namespace {

using schema::Standing;
constexpr auto in = ReplicaState::inSync;

class Standings : public ThreeCopiesTest {
 protected:
  std::vector<Standing> ask(int n, std::vector<InodeId> inodes) {
    auto request = to(n).standingsRequest();
    auto list = request.initInodes(static_cast<unsigned>(inodes.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, inodes[i]);
    auto answer = std::make_shared<std::optional<std::vector<Standing>>>();
    request.send()
        .then([answer](auto&& response) {
          answer->emplace();
          for (auto standing : response.getStandings()) (*answer)->push_back(standing);
        })
        .detach([](kj::Exception&&) {});
    EXPECT_TRUE(eventually([&] { return answer->has_value(); })) << "no answer";
    return answer->value_or(std::vector<Standing>());
  }
  // What is suspect stays so: no tracker is there to be told.
  void restartAlone(int n, bool power) {
    crash(n);
    if (power) stores_[n]->losePower();
    network_.cut("s" + std::to_string(n), "t1");
    startStorage(n, nullptr, false);
  }
};

TEST_F(Standings, a_replica_that_was_there_all_the_time_is_good) {
  EXPECT_EQ(ask(2, {kFile, kFile + 1}), (std::vector<Standing>{Standing::GOOD, Standing::GOOD}));
}

TEST_F(Standings, one_of_a_process_that_was_restarted_says_so) {
  restartAlone(2, false);
  EXPECT_EQ(ask(2, {kFile}), std::vector<Standing>{Standing::RESTARTED});
}

TEST_F(Standings, one_whose_machine_lost_power_is_doubtful) {
  settle(1500ms);  // the list of active files is on the disk
  restartAlone(2, true);
  EXPECT_EQ(ask(2, {kFile}), std::vector<Standing>{Standing::DOUBTFUL});
}

TEST_F(Standings, after_a_loss_of_power_nothing_is_good_before_the_disk_was_looked_through) {
  restartAlone(2, true);
  EXPECT_EQ(ask(2, {kFile + 1}), std::vector<Standing>{Standing::UNKNOWN});
}

TEST_F(Standings, one_whose_sync_failed_is_doubtful) {
  stores_[2]->failSyncs(Errc::io);
  tracker_.chooses = false;
  sync(1, before_, 2);
  settle();
  EXPECT_EQ(ask(2, {kFile}), std::vector<Standing>{Standing::DOUBTFUL});
}

// A tracker that has still to find out who follows changes nothing: that is no leave to go on.
TEST_F(Standings, a_primary_that_was_restarted_waits_while_others_are_in_sync) {
  tracker_.chooses = false;
  crash(1);
  stores_[1]->losePower();
  startStorage(1);
  settle(2s);
  EXPECT_EQ(of(write(1, current(), 2, 3, "def")).code, Errc::unavailable);
  tracker_.chooses = true;
  EXPECT_TRUE(eventually([&] { return current().primary()->storage != 1; }));
}

}  // namespace
}  // namespace vcfs::storage
