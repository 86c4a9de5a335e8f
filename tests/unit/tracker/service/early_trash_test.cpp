// What a coordinator deletes before its time, where there is no room: not before everybody could pin what he has open.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tests/unit/tracker/service/shifted_clock.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

Task<bool> changed(SqlTx& tx, Statement statement) {
  co_await tx.exec(statement);
  co_return true;
}

Task<std::int64_t> countPins(SqlTx& tx) {
  const Rows rows = co_await tx.exec(Statement{"SELECT COUNT(*) FROM pins"});
  co_return rows.integer(0, 0);
}

class EarlyTrashTest : public ::testing::Test {
 protected:
  // A tracker with one server, which has no room left, and a file in the trash that is old enough to go.
  void start(Duration lease) {
    catalog_ = makeCatalog(loop_, "sqlite");
    TrackerOptions options;
    options.listen = "tracker:1";
    options.coordinatorInterval = 10ms;
    options.lease.lengthNs = lease.count();
    options.map.defaultCopies = 1;
    options.map.settleTime = 0s;
    options.map.unreachableAfter = 1h;  // this server sends no heartbeats
    service_ = std::make_unique<TrackerService>(runtime_, *catalog_, options);
    loop_.run(service_->start());
    server_ = std::make_unique<Client>(loop_, "s1", "storage", 11);
    const StorageId full = server_->registerStorage("s1");
    mount_ = std::make_unique<Client>(loop_, "m", "mount", 1);
    file_ = mount_->create("f").getEntry().getAttr().getInode();
    ClusterMap::Heartbeat beat;
    beat.capacityBytes = std::uint64_t{100} << 30;
    beat.freeBytes = 1;
    service_->core().map.heartbeat(full, beat, clock_.now());
    closed();
    unlink();
    ASSERT_TRUE(turnUntil([&] { return service_->coordinates(); }, 5s));
    clock_.wall = 2min;  // of the trash's age; the retention time is longer
    turn(100ms);
  }
  void pass(Duration duration) {
    clock_.steady += duration;
    clock_.wall += duration;
  }
  void TearDown() override {
    mount_.reset();
    server_.reset();
    service_.reset();
    loop_.drain();  // connections and coroutines that end let go of the catalog first
    catalog_.reset();
  }
  void unlink() {
    auto request = mount_->tracker().unlinkRequest();
    request.setParent(kRootInode);
    request.setName(schema::toData("f"));
    request.getRequest().setClient(1);
    request.getRequest().setSequence(mount_->nextSequence());
    mount_->call(std::move(request));
  }
  void change(Statement statement) {
    loop_.run(catalog_->write([statement](SqlTx& tx) { return changed(tx, statement); }));
  }
  // As its recorder does it.
  void closed() { change(Statement{"UPDATE inodes SET state = 2 WHERE inode <> 1"}); }
  void pin() {
    auto request = mount_->tracker().pinRequest();
    request.initInodes(1).set(0, file_);
    request.setClient(1);
    mount_->call(std::move(request));
  }
  bool gone() {
    const InodeId inode = file_;
    auto find = [inode](SqlTx& tx) { return ops::findInode(tx, inode); };
    return !loop_.run(catalog_->read(std::move(find))).has_value();
  }
  bool turnUntil(const std::function<bool()>& done, Duration limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.io.restart();
      loop_.io.run_one_for(10ms);
    }
    return true;
  }
  // Some rounds of the coordinator.
  void turn(Duration duration) {
    turnUntil([] { return false; }, duration);
  }

  Loop loop_;
  ShiftedClock clock_{loop_.io};
  Runtime runtime_{loop_.io, clock_, loop_.transport, std::mt19937_64(42)};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::unique_ptr<Client> server_;
  std::unique_ptr<Client> mount_;
  InodeId file_ = 0;
};

}  // namespace

// It does not know for how long nobody could be reached by those who would have pinned it.
TEST_F(EarlyTrashTest, a_coordinator_deletes_nothing_early_in_its_first_minute) {
  start(1h);
  pass(58s);
  turn(200ms);
  EXPECT_FALSE(gone());
  pass(3s);
  EXPECT_TRUE(turnUntil([&] { return gone(); }, 5s));
}

TEST_F(EarlyTrashTest, a_coordinator_that_lost_its_lease_for_a_while_waits_again) {
  start(400ms);
  const std::int64_t term = service_->core().lease.term;
  pass(61s);  // nobody renewed it for so long: the tracker stood still, or its catalog was away
  ASSERT_TRUE(turnUntil([&] { return service_->core().lease.term > term && service_->coordinates(); }, 5s));
  turn(200ms);
  EXPECT_FALSE(gone());
  EXPECT_GT(service_->core().lease.term, term);
}

TEST_F(EarlyTrashTest, what_is_pinned_in_that_minute_stays_after_it) {
  start(1h);
  pass(30s);
  pin();
  pass(31s);
  turn(200ms);
  EXPECT_FALSE(gone());
  pass(260s);
  turn(200ms);
  EXPECT_FALSE(gone()) << "who cannot reach a tracker for minutes has it still";
  pass(10s);
  EXPECT_TRUE(turnUntil([&] { return gone(); }, 5s)) << "nobody renewed the pin";
}

// Who has the file open repeats the pin in time, but not by that clock.
TEST_F(EarlyTrashTest, a_coordinator_waits_again_when_the_wall_clock_was_set) {
  start(1h);
  pass(30s);
  pin();
  pass(31s);
  turn(100ms);
  clock_.steady += 11s;
  clock_.wall += 311s;
  turn(300ms);
  EXPECT_FALSE(gone());
  pin();
  pass(61s);
  turn(200ms);
  EXPECT_FALSE(gone()) << "it was pinned again";
}

TEST_F(EarlyTrashTest, a_file_that_cannot_be_deleted_early_does_not_hold_up_the_rest_of_the_round) {
  const auto pins = [this] { return loop_.run(catalog_->read(countPins)); };
  start(1h);
  change(Statement{"CREATE TRIGGER broken BEFORE DELETE ON trash BEGIN SELECT RAISE(ABORT, 'broken'); END"});
  pin();
  pass(301s);
  EXPECT_TRUE(turnUntil([&] { return pins() == 0; }, 5s)) << "what is over is forgotten at the end of a round";
  EXPECT_FALSE(gone());
}

}  // namespace vcfs::tracker::test
