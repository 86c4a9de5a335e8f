#include "tests/unit/tracker/engines.h"

// Advisory locks in the catalog, on both engines: who gets them, who loses them, who waits in a circle.
namespace vcfs::tracker::test {

class LocksTest : public OpsTest {
 protected:
  void SetUp() override {
    OpsTest::SetUp();
    if (IsSkipped()) return;
    file_ = create(kRootInode, "f").entry.attr.inode;
    other_ = create(kRootInode, "g").entry.attr.inode;
  }

  FileLock lock(ClientId client, LockType type, std::uint64_t start = 0, std::uint64_t end = kLockToEnd,
                LockKind kind = LockKind::range) {
    FileLock made;
    made.kind = kind;
    made.type = type;
    made.start = start;
    made.end = end;
    made.client = client;
    made.owner = client * 100;
    made.pid = 4711;
    return made;
  }
  ops::LockRules rules() {
    ops::LockRules rules;
    rules.now = now_;
    rules.leaseNs = 10'000'000'000;
    rules.forgive = forgive_;
    return rules;
  }
  ops::LockOutcome set(FileLock lock, InodeId inode, bool wait = false, std::uint64_t session = 1) {
    const auto r = rules();
    return write([=](SqlTx& tx) { return ops::setLock(tx, inode, lock, session, wait, r); });
  }
  bool taken(FileLock lock) { return !set(lock, file_).conflict; }
  std::optional<FileLock> get(FileLock lock) {
    const auto r = rules();
    const InodeId inode = file_;
    return read([=](SqlTx& tx) { return ops::getLock(tx, inode, lock, r); });
  }
  std::uint64_t renew(ClientId client, std::uint64_t session = 1) {
    const auto r = rules();
    return write([=](SqlTx& tx) { return ops::renewLocks(tx, client, session, r); });
  }
  // Of client 1, behind each other.
  static Task<bool> tenThousandMore(SqlTx& tx, InodeId inode) {
    constexpr Statement kMany{
        "INSERT INTO file_locks (inode, kind, client, owner, start_byte, end_byte, type, pid)"
        " WITH d(i) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL"
        " SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
        " SELECT ?, ?, 1, 100, 10 + 2 * (a.i * 1000 + b.i * 100 + c.i * 10 + e.i),"
        " 10 + 2 * (a.i * 1000 + b.i * 100 + c.i * 10 + e.i), ?, 1 FROM d a, d b, d c, d e"};
    co_await tx.exec(kMany, inode, LockKind::range, LockType::shared);
    co_return true;
  }
  void pass(std::int64_t seconds) { now_ += seconds * 1'000'000'000; }

  static constexpr auto none = LockType::none;
  static constexpr auto shared = LockType::shared;
  static constexpr auto exclusive = LockType::exclusive;
  InodeId file_ = 0;
  InodeId other_ = 0;
  bool forgive_ = false;
};
INSTANTIATE_TEST_SUITE_P(Engines, LocksTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(LocksTest, a_range_excludes_other_clients_until_it_is_given_up) {
  EXPECT_TRUE(taken(lock(1, exclusive, 10, 19)));
  EXPECT_FALSE(taken(lock(2, shared, 15, 15)));
  EXPECT_TRUE(taken(lock(2, exclusive, 20, 29)));
  const auto conflict = get(lock(2, exclusive));
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->client, 1u);
  EXPECT_EQ(conflict->start, 10u);
  EXPECT_EQ(conflict->end, 19u);
  EXPECT_EQ(conflict->pid, 4711u);
  EXPECT_TRUE(set(lock(1, none), file_).gaveUp);
  EXPECT_FALSE(get(lock(2, exclusive)));
  EXPECT_TRUE(taken(lock(2, exclusive)));
}

// So that one of two that are taken at two nodes of a database at once is not committed. SQLite has one writer.
TEST_P(LocksTest, taking_one_writes_the_files_row_where_others_write_too) {
  const int once = catalog_->shared() ? 1 : 0;
  const auto written = [this] { return number(Statement{"SELECT SUM(locks_taken) FROM inodes"}); };
  EXPECT_TRUE(taken(lock(1, exclusive)));
  EXPECT_EQ(written(), once);
  EXPECT_FALSE(taken(lock(2, exclusive)));
  EXPECT_TRUE(taken(lock(1, none)));
  EXPECT_EQ(written(), once);
  EXPECT_TRUE(taken(lock(2, shared, 0, kLockToEnd, LockKind::flock)));
  EXPECT_EQ(written(), 2 * once);
}

TEST_P(LocksTest, the_two_kinds_do_not_see_each_other) {
  EXPECT_TRUE(taken(lock(1, exclusive)));
  EXPECT_TRUE(taken(lock(2, exclusive, 0, kLockToEnd, LockKind::flock)));
  EXPECT_FALSE(taken(lock(3, shared, 0, kLockToEnd, LockKind::flock)));
}

TEST_P(LocksTest, a_client_that_is_silent_for_the_lease_loses_what_others_want) {
  EXPECT_TRUE(taken(lock(1, exclusive)));
  pass(6);
  EXPECT_EQ(renew(1), 1u);
  pass(9);
  EXPECT_FALSE(taken(lock(2, exclusive)));
  pass(2);
  EXPECT_TRUE(taken(lock(2, exclusive)));
  EXPECT_EQ(renew(1), 0u);
}

TEST_P(LocksTest, locks_of_the_dead_do_not_fill_a_file) {
  EXPECT_TRUE(taken(lock(1, shared, 0, 0)));
  const InodeId inode = file_;
  write([inode](SqlTx& tx) { return tenThousandMore(tx, inode); });
  EXPECT_EQ(codeOf([&] { set(lock(2, shared, 2, 2), file_); }), Errc::noSpace) << "of one who lives";
  pass(11);
  EXPECT_EQ(codeOf([&] { set(lock(2, shared, 2, 2), file_); }), Errc::ok);
}

TEST_P(LocksTest, a_silent_client_keeps_what_nobody_wants_and_after_an_outage_everything) {
  EXPECT_TRUE(taken(lock(1, exclusive)));
  pass(100);
  forgive_ = true;
  EXPECT_FALSE(taken(lock(2, exclusive)));
  EXPECT_EQ(renew(1), 1u);
  forgive_ = false;
  EXPECT_FALSE(taken(lock(2, exclusive)));
}

TEST_P(LocksTest, a_late_call_of_an_earlier_session_takes_nothing) {
  set(lock(1, exclusive), file_, false, 1);
  set(lock(1, none), file_, false, 2);
  EXPECT_EQ(codeOf([&] { set(lock(1, exclusive), file_, false, 1); }), Errc::invalid);
  EXPECT_TRUE(taken(lock(2, exclusive)));
}

TEST_P(LocksTest, a_refused_conversion_of_flock_gives_the_old_lock_up) {
  const auto flock = [&](ClientId client, LockType type) { return lock(client, type, 0, kLockToEnd, LockKind::flock); };
  EXPECT_TRUE(taken(flock(1, shared)));
  EXPECT_TRUE(taken(flock(2, shared)));
  const auto refused = set(flock(1, exclusive), file_);
  EXPECT_TRUE(refused.conflict);
  EXPECT_TRUE(refused.gaveUp);
  EXPECT_TRUE(taken(flock(2, exclusive)));
}

TEST_P(LocksTest, waiting_in_a_circle_is_a_deadlock_for_the_last_one) {
  set(lock(1, exclusive), file_);
  set(lock(2, exclusive), other_);
  EXPECT_FALSE(set(lock(1, exclusive), other_, true).deadlock);
  const auto last = set(lock(2, exclusive), file_, true);
  EXPECT_TRUE(last.conflict);
  EXPECT_TRUE(last.deadlock);
  // The other one still waits, and gets it when the circle is broken.
  set(lock(2, none), other_);
  EXPECT_FALSE(set(lock(1, exclusive), other_, true).conflict);
}

TEST_P(LocksTest, a_longer_circle_is_found_and_waiting_in_a_line_is_none) {
  const InodeId third = create(kRootInode, "h").entry.attr.inode;
  set(lock(1, exclusive), file_);
  set(lock(2, exclusive), other_);
  set(lock(3, exclusive), third);
  EXPECT_FALSE(set(lock(1, exclusive), other_, true).deadlock);
  EXPECT_FALSE(set(lock(4, exclusive), file_, true).deadlock);
  EXPECT_FALSE(set(lock(2, exclusive), third, true).deadlock);
  EXPECT_TRUE(set(lock(3, exclusive), file_, true).deadlock);
}

TEST_P(LocksTest, who_gave_up_waiting_is_no_part_of_a_circle) {
  set(lock(1, exclusive), file_);
  set(lock(2, exclusive), other_);
  set(lock(1, exclusive), other_, true);
  const InodeId inode = other_;
  const FileLock wish = lock(1, exclusive);
  write([=](SqlTx& tx) { return ops::cancelLock(tx, inode, wish); });
  EXPECT_FALSE(set(lock(2, exclusive), file_, true).deadlock);
}

TEST_P(LocksTest, what_makes_no_sense_is_refused) {
  EXPECT_EQ(codeOf([&] { set(lock(0, exclusive), file_); }), Errc::invalid);
  EXPECT_EQ(codeOf([&] { set(lock(1, exclusive, 5, 4), file_); }), Errc::invalid);
  EXPECT_EQ(codeOf([&] { set(lock(1, exclusive), 999'999); }), Errc::notFound);
  EXPECT_FALSE(set(lock(1, none), 999'999).conflict);
  EXPECT_EQ(codeOf([&] { renew(77); }), Errc::notFound);
}

TEST_P(LocksTest, many_ranges_of_one_owner_are_bounded) {
  for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(taken(lock(1, exclusive, i * 10, i * 10)));
  EXPECT_EQ(renew(1), 300u);
  EXPECT_TRUE(taken(lock(1, exclusive)));
  EXPECT_EQ(renew(1), 1u);
}

}  // namespace vcfs::tracker::test
