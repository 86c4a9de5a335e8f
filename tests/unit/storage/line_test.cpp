#include "cluster_fixture.h"

// Requests that stand in line while their replica is looked up on the disk, and what may come in between.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;

class Line : public ClusterTest {
 protected:
  // A replica on the disk that is not in memory.
  void SetUp() override {
    startTracker();
    startStorage(1);
    put(layout(1, {{1, in}}));
    of(write(1, current(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
    settle(5s);
    crash(1);
    diskDelay_ = 20ms;
    startStorage(1);
    settle(1s);
    to(1);
    ASSERT_FALSE(node().find(kFile));
  }
  Node& node() { return storages_.at(1)->node(); }
  Errc reached(kj::Promise<void> promise) {
    std::optional<Errc> code;
    kj::Promise<void> watched = promise.then([&] { code = Errc::ok; }, [&](kj::Exception&&) { code = Errc::internal; })
                                    .eagerlyEvaluate(nullptr);
    EXPECT_TRUE(eventually([&] { return code.has_value(); }));
    return code.value_or(Errc::timeout);
  }
};

TEST_F(Line, who_waits_for_a_replica_that_is_removed_meanwhile_is_sent_to_a_tracker) {
  auto written = write(1, current(), 2, 3, "def");
  auto seen = stat(1, current());
  auto remove = to(1).removeRequest();
  remove.initInodes(1).set(0, kFile);
  auto removed = remove.send();
  EXPECT_EQ(of(written).code, Errc::staleEpoch);
  EXPECT_EQ(of(seen).code, Errc::staleEpoch);
  settle(100ms);
  EXPECT_FALSE(stores_[1]->load(kFile)) << "made again by who came too late";
  // What is there is a new replica, in a later epoch.
  put(layout(2, {{1, in}}));
  EXPECT_EQ(of(write(1, current(), 3, 0, "new")).size, 3u);
  EXPECT_EQ(content(1), "new");
}

TEST_F(Line, a_request_that_throws_concerns_its_sender_alone) {
  kj::Promise<void> malformed =
      node().enter(kFile, [](FilePtr) -> kj::Promise<void> { KJ_FAIL_REQUIRE("a pointer out of bounds"); });
  kj::Promise<void> good = node().enter(kFile, [](FilePtr) -> kj::Promise<void> { return kj::READY_NOW; });
  ASSERT_FALSE(node().find(kFile)->ready);
  EXPECT_EQ(reached(kj::mv(malformed)), Errc::internal);
  EXPECT_EQ(reached(kj::mv(good)), Errc::ok);
  EXPECT_EQ(of(stat(1, current())).size, 3u);
}

}  // namespace
}  // namespace vcfs::storage
