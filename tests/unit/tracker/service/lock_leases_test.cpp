// When a lease of locks that has run out by the clock is over, with a whole tracker.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tests/unit/tracker/service/held_catalog.h"
#include "tests/unit/tracker/service/shifted_clock.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

constexpr Duration kLease = 3s;

// Two hosts. The first one took a lock, and cannot renew it.
class LockLeasesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    inner_ = makeCatalog(loop_, "sqlite");
    catalog_ = std::make_unique<HeldCatalog>(loop_.io, *inner_);
    start();
    run(kLease + 1s, true);  // it has not just started
    ASSERT_TRUE(takes(*holder_, 1));
    ASSERT_FALSE(takes(*other_, 2));
  }
  void TearDown() override {
    stop();
    catalog_.reset();
    inner_.reset();
  }
  void start() {
    TrackerOptions options;
    options.listen = "tracker:1";
    options.lockLease = std::chrono::duration_cast<std::chrono::milliseconds>(kLease);
    options.lease.lengthNs = Duration(400ms).count();  // the coordinator's
    service_ = std::make_unique<TrackerService>(runtime_, *catalog_, options);
    loop_.run(service_->start());
    holder_ = std::make_unique<Client>(loop_, "m1", "mount", 1);
    other_ = std::make_unique<Client>(loop_, "m2", "mount", 2);
  }
  void stop() {
    holder_.reset();
    other_.reset();
    service_.reset();
    loop_.drain();  // connections and coroutines that end let go of the catalog first
  }
  // How many locks the holder still has, as its host would ask; nothing: none are known of it.
  std::optional<std::uint64_t> renewed() {
    auto request = holder_->tracker().renewLocksRequest();
    request.setClient(1);
    request.setSession(1);
    try {
      return holder_->call(std::move(request)).getHeld();
    } catch (const Error& error) {
      if (error.code() != Errc::notFound) throw;
      return std::nullopt;
    }
  }
  // The coordinator has looked through what is over when it has forgotten a pin that is.
  void addOldPin() {
    loop_.run(catalog_->write([](SqlTx& tx) { return ops::pin(tx, std::vector<InodeId>(1, 5000), 9, 1); }));
  }
  bool forgetsIt() {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (loop_.run(catalog_->read([](SqlTx& tx) { return countPins(tx); })) > 0) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.io.restart();
      loop_.io.run_one_for(10ms);
    }
    return true;
  }
  static Task<std::int64_t> countPins(SqlTx& tx) {
    const Rows rows = co_await tx.exec(Statement{"SELECT COUNT(*) FROM pins"});
    co_return rows.integer(0, 0);
  }
  bool takes(Client& client, ClientId id) {
    auto request = client.tracker().setLockRequest();
    request.setInode(kRootInode);
    request.setSession(1);
    FileLock lock;
    lock.kind = LockKind::flock;
    lock.type = LockType::exclusive;
    lock.end = kLockToEnd;
    lock.client = id;
    lock.owner = 1;
    schema::fill(request.initLock(), lock);
    try {
      client.call(std::move(request));
    } catch (const Error& error) {
      if (error.code() != Errc::wouldBlock) throw;
      return false;
    }
    return true;
  }
  void ping(Client& client) { loop_.run(rpc::call(client.runtime(), client.tracker().pingRequest().send(), 5s)); }
  void pass(Duration duration) {
    clock_.steady += duration;
    clock_.wall += duration;
  }
  // So long, in which the tracker runs on: it looks at its clock all the time. The other host pings, or it is silent.
  void run(Duration duration, bool pings) {
    constexpr Duration kStep = 500ms;
    const TimePoint end = clock_.now() + duration;
    while (clock_.now() < end) {
      pass(kStep);
      service_->core().lockGrace.tick(clock_.now(), clock_.wallNs());
      if (pings) ping(*other_);
    }
  }

  Loop loop_;
  ShiftedClock clock_{loop_.io};
  Runtime runtime_{loop_.io, clock_, loop_.transport, std::mt19937_64(42)};
  std::unique_ptr<Catalog> inner_;
  std::unique_ptr<HeldCatalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::unique_ptr<Client> holder_;
  std::unique_ptr<Client> other_;
};

}  // namespace

TEST_F(LockLeasesTest, the_locks_of_a_host_that_is_silent_alone_are_taken) {
  run(kLease + 1s, true);
  EXPECT_TRUE(takes(*other_, 2));
}

TEST_F(LockLeasesTest, nobody_takes_locks_that_ran_out_while_the_tracker_stood_still) {
  pass(kLease + 1s);
  EXPECT_FALSE(takes(*other_, 2));
  run(kLease - 1s, true);
  EXPECT_FALSE(takes(*other_, 2)) << "its holder may be on its way back";
  run(1s, true);
  EXPECT_TRUE(takes(*other_, 2)) << "it did not come";
}

TEST_F(LockLeasesTest, nobody_takes_locks_that_ran_out_while_no_host_reached_the_tracker) {
  other_.reset();
  run(kLease + 1s, false);
  // Somebody who takes no locks was there all the time.
  Client cli(loop_, "c", "cli", 3);
  other_ = std::make_unique<Client>(loop_, "m2", "mount", 2);
  EXPECT_FALSE(takes(*other_, 2));
  run(kLease, true);
  EXPECT_TRUE(takes(*other_, 2));
}

TEST_F(LockLeasesTest, the_locks_of_a_host_outlast_a_tracker_that_is_down_for_long) {
  stop();
  addOldPin();
  pass(15min);
  start();
  ASSERT_TRUE(forgetsIt());
  EXPECT_FALSE(takes(*other_, 2));
  EXPECT_EQ(renewed(), 1u);
}

TEST_F(LockLeasesTest, the_locks_of_a_host_outlast_a_network_that_is_down_for_long) {
  other_.reset();
  run(15min, false);
  addOldPin();
  ASSERT_TRUE(forgetsIt());
  other_ = std::make_unique<Client>(loop_, "m2", "mount", 2);
  EXPECT_FALSE(takes(*other_, 2));
  EXPECT_EQ(renewed(), 1u);
}

TEST_F(LockLeasesTest, nobody_takes_locks_that_ran_out_while_the_catalog_was_away) {
  catalog_->refusesWrites = true;
  run(kLease + 1s, true);
  ASSERT_FALSE(service_->coordinates());
  // From now on the only thing that it writes is its own lease; what it was about to write before was one more.
  const std::size_t before = catalog_->refused;
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (catalog_->refused < before + 3) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    loop_.io.restart();
    loop_.io.run_one_for(10ms);
    service_->core().lockGrace.tick(clock_.now(), clock_.wallNs());
    ping(*other_);
  }
  catalog_->refusesWrites = false;
  EXPECT_FALSE(takes(*other_, 2));
}

}  // namespace vcfs::tracker::test
