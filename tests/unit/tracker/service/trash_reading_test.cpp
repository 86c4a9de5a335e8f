// When the trash is read for statFs, and what is told meanwhile. The clock stands still unless a test moves it.
#include "tests/unit/tracker/engines.h"
#include "tests/unit/tracker/service/held_catalog.h"
#include "tracker/service/trash_space.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

constexpr Duration kRetention = 10min;

// Every file of a mebibyte.
Task<bool> sealAll(SqlTx& tx) {
  co_await tx.exec(Statement{"UPDATE inodes SET state = 2, blocks = 2048 WHERE inode <> 1"});
  co_return true;
}

Task<bool> changed(SqlTx& tx, Statement statement) {
  co_await tx.exec(statement);
  co_return true;
}

class TrashReadingTest : public OpsTest {
 protected:
  using Answer = std::shared_ptr<std::optional<TrashSpace::Bytes>>;

  void SetUp() override {
    OpsTest::SetUp();
    clock_ = std::make_unique<ManualClock>(loop_->io);
    runtime_.emplace(Runtime{loop_->io, *clock_, loop_->transport, std::mt19937_64(42)});
    held_ = std::make_unique<HeldCatalog>(loop_->io, *catalog_);
    space_ = std::make_shared<TrashSpace>(*runtime_, *held_, map_, kRetention);
  }
  void TearDown() override {
    space_->stop();
    held_->releaseAll();
    clock_->advance(10s);  // so do pauses
    loop_->drain();
    space_.reset();
    held_.reset();
    OpsTest::TearDown();
  }

  void deleted(const std::string& name, Duration ago = 0s) {
    create(kRootInode, name);
    write(sealAll);
    ops::Occasion when = occasion();
    when.now = clock_->wallNs() - ago.count();
    when.trash.retentionNs = kRetention.count();
    write([name, when](SqlTx& tx) { return ops::unlink(tx, kRootInode, name, when); });
  }
  void change(Statement statement) {
    write([statement](SqlTx& tx) { return changed(tx, statement); });
  }
  void shortOfRoom() {
    StorageServer server;
    server.id = 9;
    server.capacityBytes = 100;
    map_.registered(server, clock_->now());
  }

  static Task<void> store(std::shared_ptr<TrashSpace> space, Answer into) { into->emplace(co_await space->get()); }
  Answer ask() {
    auto answer = std::make_shared<std::optional<TrashSpace::Bytes>>();
    asio::co_spawn(loop_->io, store(space_, answer), asio::detached);
    settle();
    return answer;
  }
  void settle() {
    loop_->io.restart();
    while (loop_->io.poll() > 0) {
    }
  }
  [[nodiscard]] bool turnUntil(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_->io.restart();
      loop_->io.run_one_for(10ms);
    }
    settle();
    return true;
  }
  // Of each two copies lie in the trash. -1: no answer.
  int files(const Answer& answer) {
    if (!turnUntil([&] { return answer->has_value(); })) return -1;
    std::uint64_t sum = 0;
    for (const auto& [storage, bytes] : **answer) sum += bytes;
    return static_cast<int>(sum >> 21);
  }
  int files() { return files(ask()); }

  std::unique_ptr<ManualClock> clock_;
  std::optional<Runtime> runtime_;
  std::unique_ptr<HeldCatalog> held_;
  ClusterMap map_{{}, TimePoint{}};
  std::shared_ptr<TrashSpace> space_;
};
INSTANTIATE_TEST_SUITE_P(Engines, TrashReadingTest, ::testing::Values("sqlite"));

}  // namespace

TEST_P(TrashReadingTest, the_first_question_reads_it_once) {
  deleted("a");
  EXPECT_EQ(files(), 1);
  EXPECT_EQ(held_->begun, 1u);
}

TEST_P(TrashReadingTest, callers_of_one_moment_share_a_reading_that_began_after_their_calls) {
  held_->holds = true;
  const Answer first = ask();
  ASSERT_TRUE(turnUntil([&] { return held_->found == 1; }));
  deleted("a");
  std::vector<Answer> others;
  for (int i = 0; i < 5; ++i) others.push_back(ask());
  held_->releaseAll();
  EXPECT_EQ(files(first), 0);
  for (const Answer& other : others) EXPECT_EQ(files(other), 1);
  EXPECT_EQ(held_->begun, 2u);
}

TEST_P(TrashReadingTest, a_count_that_was_replaced_meanwhile_is_not_the_answer) {
  ASSERT_EQ(files(), 0);
  clock_->advance(11s);
  held_->holds = true;
  const Answer early = ask();  // reads it all (1), and what is new (2)
  ASSERT_TRUE(turnUntil([&] { return held_->found == 3; }));
  deleted("a");
  const Answer late = ask();
  held_->release(2);
  ASSERT_TRUE(turnUntil([&] { return held_->found == 4; })) << "what is new since, behind the count of before";
  held_->release(1);
  settle();
  EXPECT_FALSE(late->has_value());
  held_->releaseAll();
  EXPECT_EQ(files(early), 0);
  EXPECT_EQ(files(late), 1);
}

TEST_P(TrashReadingTest, who_asks_after_a_long_time_gets_a_fresh_count) {
  deleted("a");
  ASSERT_EQ(files(), 1);
  deleted("b", 1min);
  clock_->advance(9s);
  EXPECT_EQ(files(), 1) << "it came into the midst of the trash";
  clock_->advance(1s);
  held_->holds = true;
  const std::size_t next = held_->begun;
  const Answer answer = ask();  // reads it all, and what is new
  ASSERT_TRUE(turnUntil([&] { return held_->found == next + 2; }));
  held_->release(next + 1);
  settle();
  EXPECT_FALSE(answer->has_value()) << "not what is new only";
  held_->releaseAll();
  EXPECT_EQ(files(answer), 2);
}

TEST_P(TrashReadingTest, a_count_that_takes_long_is_not_waited_for) {
  deleted("a");
  ASSERT_EQ(files(), 1);
  deleted("b", 1min);
  clock_->advance(10s);
  held_->holds = true;
  const Answer answer = ask();
  clock_->advance(300ms);
  EXPECT_EQ(files(answer), 1);
}

TEST_P(TrashReadingTest, counts_more_often_while_a_server_is_short_of_room) {
  deleted("a");
  ASSERT_EQ(files(), 1);
  deleted("b", 1min);
  shortOfRoom();
  clock_->advance(1900ms);
  EXPECT_EQ(files(), 1);
  clock_->advance(100ms);
  EXPECT_EQ(files(), 2);
}

TEST_P(TrashReadingTest, a_count_that_took_long_is_repeated_less_often) {
  held_->holds = true;
  const Answer answer = ask();
  ASSERT_TRUE(turnUntil([&] { return held_->found == 1; }));
  clock_->advance(5s);
  EXPECT_EQ(files(answer), 0) << "it was not waited for";
  held_->releaseAll();
  settle();
  deleted("a");
  EXPECT_EQ(files(), 1);
  deleted("b", 1min);
  clock_->advance(49s);
  EXPECT_EQ(files(), 1);
  clock_->advance(1s);
  EXPECT_EQ(files(), 2);
}

TEST_P(TrashReadingTest, what_was_deleted_early_is_told_until_it_is_room_on_the_disk) {
  deleted("a");
  ASSERT_EQ(files(), 1);
  change(Statement{"DELETE FROM trash"});
  clock_->advance(10s);
  EXPECT_EQ(files(), 1);
  clock_->advance(4900ms);
  EXPECT_EQ(files(), 1);
  clock_->advance(100ms);
  EXPECT_EQ(files(), 0);
}

// No tracker empties the trash just then, say, or one server holds that up.
TEST_P(TrashReadingTest, what_is_overdue_is_told_as_long_as_it_lies_there) {
  deleted("a", kRetention + 1min);
  for (int second = 0; second < 30; ++second) {
    EXPECT_EQ(files(), 1) << "after " << second << " s";
    clock_->advance(1s);
  }
}

TEST_P(TrashReadingTest, what_was_overdue_is_told_until_it_is_room_on_the_disk) {
  deleted("a", kRetention + 1min);
  ASSERT_EQ(files(), 1);
  change(Statement{"DELETE FROM trash"});
  clock_->advance(10s);
  EXPECT_EQ(files(), 1) << "it is counted anew, and what was counted before is told for a while";
  clock_->advance(4900ms);
  EXPECT_EQ(files(), 1);
  clock_->advance(100ms);
  EXPECT_EQ(files(), 0);
}

TEST_P(TrashReadingTest, what_is_told_for_longer_is_not_told_for_ever) {
  shortOfRoom();
  deleted("a");
  ASSERT_EQ(files(), 1);
  change(Statement{"DELETE FROM trash"});
  for (int i = 0; i < 3; ++i) {
    clock_->advance(2s);
    map_.heartbeat(9, {100, 0}, clock_->now());
    EXPECT_EQ(files(), 1);
  }
  clock_->advance(1s);
  EXPECT_EQ(files(), 0);
}

TEST_P(TrashReadingTest, a_catalog_that_fails_is_asked_again) {
  deleted("a");
  held_->fails = true;
  EXPECT_EQ(files(), 0);
  held_->fails = false;
  EXPECT_EQ(files(), 1);
  held_->fails = true;
  clock_->advance(11s);
  EXPECT_EQ(files(), 1) << "as far as it is known";
  held_->fails = false;
  deleted("b");
  deleted("c", 1min);
  EXPECT_EQ(files(), 2);
  clock_->advance(11s);
  EXPECT_EQ(files(), 3);
}

TEST_P(TrashReadingTest, a_catalog_that_is_slow_is_given_longer_pauses) {
  change(
      Statement{"INSERT INTO trash (inode, due) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                " WHERE i < 600) SELECT i + 100000, i FROM n"});
  held_->holds = true;
  const Answer answer = ask();
  ASSERT_TRUE(turnUntil([&] { return held_->found == 1; }));
  clock_->advance(400ms);
  held_->releaseAll();
  settle();
  clock_->advance(399ms);
  EXPECT_EQ(held_->begun, 1u);
  clock_->advance(1ms);
  EXPECT_EQ(held_->begun, 2u);
}

}  // namespace vcfs::tracker::test
