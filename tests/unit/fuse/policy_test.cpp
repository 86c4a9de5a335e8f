// The decisions of the mount, without a kernel.
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>

#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/policy/fatal_signal.h"
#include "fuse/policy/io_mode.h"
#include "fuse/policy/questions.h"
#include "fuse/policy/size_gate.h"
#include "fuse/session/notifier.h"
#include "fuse/session/wire.h"
#include "fuse/tables/change_log.h"
#include "fuse/tables/directory_names.h"
#include "fuse/tables/inode_table.h"

namespace vcfs::fuse {
namespace {

OpenRequest reading() { return {.read = true}; }
OpenRequest writing() { return {.write = true}; }
OpenRequest both() { return {.read = true, .write = true}; }

TEST(IoMode, a_growing_file_is_read_past_the_cache) {
  EXPECT_TRUE(chooseIoMode(reading(), {.state = FileState::open}).direct);
  EXPECT_FALSE(chooseIoMode(reading(), {.state = FileState::closed}).direct);
  EXPECT_FALSE(chooseIoMode(reading(), {.state = FileState::recovered}).direct);
}

TEST(IoMode, a_recorder_writes_past_the_cache) {
  EXPECT_TRUE(chooseIoMode(writing(), {.state = FileState::open}).direct);
}

TEST(IoMode, a_writer_joins_readers_that_use_the_cache) {
  EXPECT_FALSE(chooseIoMode(writing(), {.state = FileState::closed, .cachedHandles = 1}).direct);
  EXPECT_FALSE(chooseIoMode(both(), {.cachedHandles = 1, .kernelMapsDirect = true}).direct);
}

TEST(IoMode, a_reader_joins_writers_that_go_past_the_cache) {
  EXPECT_TRUE(chooseIoMode(reading(), {.state = FileState::closed, .directWriters = 1}).direct);
  EXPECT_TRUE(chooseIoMode(both(), {.directWriters = 1}).direct);
}

TEST(IoMode, a_file_that_is_read_and_written_can_be_mapped) {
  EXPECT_FALSE(chooseIoMode(both(), {.kernelMapsDirect = false}).direct);
  EXPECT_TRUE(chooseIoMode(both(), {.kernelMapsDirect = true}).direct);
}

TEST(IoMode, appends_never_go_through_pages) {
  EXPECT_TRUE(chooseIoMode({.read = true, .write = true, .append = true}, {.cachedHandles = 1}).direct);
}

TEST(IoMode, pages_are_kept_only_if_they_are_of_this_version) {
  EXPECT_TRUE(chooseIoMode(reading(), {.state = FileState::closed, .pagesAreCurrent = true}).keepPages);
  EXPECT_FALSE(chooseIoMode(reading(), {.state = FileState::closed, .pagesAreCurrent = false}).keepPages);
  EXPECT_FALSE(chooseIoMode(reading(), {.state = FileState::open, .pagesAreCurrent = true}).keepPages);
}

TEST(IoMode, only_writers_need_to_tell_their_close) {
  EXPECT_TRUE(chooseIoMode(reading(), {}).skipFlush);
  EXPECT_FALSE(chooseIoMode(writing(), {}).skipFlush);
}

TEST(ErrnoMap, every_code_has_an_errno) {
  for (unsigned i = 1; i <= static_cast<unsigned>(Errc::cancelled); ++i)
    EXPECT_GT(toErrno(static_cast<Errc>(i)), 0) << i;
  EXPECT_EQ(toErrno(Errc::ok), 0);
  EXPECT_EQ(toErrno(Errc::unavailable), EIO);
  EXPECT_EQ(toErrno(Errc::tooLarge), EFBIG);
  EXPECT_EQ(toXattrErrno(Errc::tooLarge), E2BIG);
}

TEST(Convert, times_before_1970_keep_their_nanoseconds) {
  Attr attr;
  attr.mtimeNs = -1;
  auto info = toStat(attr);
  EXPECT_EQ(info.st_mtim.tv_sec, -1);
  EXPECT_EQ(info.st_mtim.tv_nsec, 999'999'999);
  EXPECT_EQ(toNs(info.st_mtim), -1);
}

TEST(Convert, types_survive_both_ways) {
  for (auto type : {FileType::regular, FileType::directory, FileType::symlink, FileType::fifo, FileType::socket,
                    FileType::blockDevice, FileType::charDevice}) {
    EXPECT_EQ(fileTypeOf(modeBits(type)), type);
  }
}

TEST(Convert, privileges_are_dropped_as_linux_does) {
  EXPECT_EQ(withoutPrivileges(06755, true), 0755u);
  EXPECT_EQ(withoutPrivileges(02745, true), 02745u);
  EXPECT_EQ(withoutPrivileges(02745, false), 0745u);
  EXPECT_EQ(withoutPrivileges(04644, true), 0644u);
  EXPECT_TRUE(privilegesDependOnGroup(02745));
  EXPECT_FALSE(privilegesDependOnGroup(02755));
  EXPECT_FALSE(privilegesDependOnGroup(04745));
}

TEST(Convert, times_beyond_what_can_be_kept_become_the_nearest) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  EXPECT_EQ(toNs({9'223'372'035, 7}), 9'223'372'035 * kSecond + 7);
  EXPECT_EQ(toNs({std::int64_t{1} << 40, 0}), 9'223'372'036 * kSecond);
  EXPECT_EQ(toNs({-(std::int64_t{1} << 40), 999'999'999}), -9'223'372'036 * kSecond);
}

TEST(DirectoryNames, are_taken_once_and_bounded) {
  DirectoryNames names(2);
  names.add(1, "a", 7);
  names.add(1, "b", 8);
  EXPECT_EQ(names.take(1, "b"), 8u);
  EXPECT_FALSE(names.take(1, "b"));
  EXPECT_FALSE(names.take(2, "a"));
  names.add(1, "c", 9);
  names.add(1, "d", 10);  // no room: all others are forgotten
  EXPECT_FALSE(names.take(1, "a"));
  EXPECT_EQ(names.take(1, "d"), 10u);
}

TEST(FatalSignal, a_pending_kill_is_seen) {
  EXPECT_EQ(callerStateFromStatus("Name:\tx\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"),
            CallerState::dying);
  EXPECT_EQ(callerStateFromStatus("Name:\tx\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n"),
            CallerState::dying);
  EXPECT_EQ(callerStateFromStatus("Name:\tx\nSigPnd:\t0000000000002000\nShdPnd:\t0000000000000000\n"),
            CallerState::alive);
  EXPECT_EQ(callerStateFromStatus(""), CallerState::unknown);
  EXPECT_EQ(callerState(0), CallerState::unknown);
  EXPECT_EQ(callerState(::getpid()), CallerState::alive);
}

TEST(FatalSignal, threads_belong_to_their_process) {
  EXPECT_TRUE(isThreadOf(::getpid(), ::getpid()));
  EXPECT_FALSE(isThreadOf(::getppid(), ::getpid()));
  EXPECT_FALSE(isThreadOf(0, ::getpid()));
}

TEST(ChangeLog, tells_what_changed_since) {
  ChangeLog log(4);
  auto start = log.now();
  log.note(5);
  EXPECT_TRUE(log.changedSince(5, start));
  EXPECT_FALSE(log.changedSince(6, start));
  EXPECT_FALSE(log.changedSince(5, log.now()));
}

TEST(ChangeLog, what_it_forgot_counts_as_changed) {
  ChangeLog log(4);
  auto start = log.now();
  for (InodeId i = 100; i < 110; ++i) log.note(i);
  EXPECT_TRUE(log.changedSince(7, start));
  EXPECT_FALSE(log.changedSince(7, log.now()));
  log.noteEverything();
  EXPECT_TRUE(log.changedSince(7, log.now() - 1));
}

TEST(InodeTable, forgets_the_least_recently_used_but_never_what_is_held) {
  asio::io_context io;
  InodeTable table(io, 3);
  auto held = table.get(1);
  for (InodeId i = 2; i < 100; ++i) table.get(i);
  EXPECT_LE(table.size(), 4u);
  EXPECT_EQ(table.find(1), held);
  EXPECT_NE(table.find(99), nullptr);
  EXPECT_EQ(table.find(2), nullptr);
  table.forget(1);
  EXPECT_EQ(table.find(1), held);
}

// Runs coroutines step by step.
class Gate : public ::testing::Test {
 protected:
  void start(Task<void> task, bool& done) {
    asio::co_spawn(io_, std::move(task), [&done](std::exception_ptr) { done = true; });
    settle();
  }
  void settle() {
    io_.restart();
    io_.poll();
  }
  asio::io_context io_{1};
  SizeGate gate_{io_};
};

TEST_F(Gate, a_larger_size_waits_for_reads_under_way) {
  bool began = false, told = false;
  start(gate_.beginRead(), began);
  start(gate_.beforeTelling(100), told);
  EXPECT_TRUE(began);
  EXPECT_FALSE(told);
  gate_.endRead();
  settle();
  EXPECT_TRUE(told);
}

TEST_F(Gate, reads_that_come_later_wait_until_it_was_told) {
  bool first = false, told = false, second = false;
  start(gate_.beginRead(), first);
  start(gate_.beforeTelling(100), told);
  start(gate_.beginRead(), second);
  EXPECT_FALSE(second);
  gate_.endRead();
  settle();
  EXPECT_TRUE(told);
  EXPECT_TRUE(second);
}

TEST_F(Gate, the_same_or_a_smaller_size_is_told_at_once) {
  bool done = false, began = false, again = false;
  start(gate_.beforeTelling(100), done);
  start(gate_.beginRead(), began);
  start(gate_.beforeTelling(50), again);
  EXPECT_TRUE(again);
}

// A notifier whose kernel can be held up, and the orders that it has carried out.
class Orders : public ::testing::Test {
 protected:
  using Order = Notifier::Order;
  using Kind = Order::Kind;

  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Carried out so far: the first `count`, waited for.
  std::vector<std::string> done(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return done_.size() >= count; });
    return done_;
  }
  // The thread has taken what was queued and is held up with it.
  void busyWith(Notifier& notifier, Order order) {
    notifier.push(std::move(order));
    while (notifier.queued() > 0) std::this_thread::yield();
  }
  void execute(const Order& order) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
    done_.push_back(order.kind == Kind::name ? order.name : std::to_string(order.node));
    changed_.notify_all();
  }
  static Order name(std::string name) { return Order{Kind::name, 1, std::move(name)}; }
  static Order attributes(InodeId node) { return Order{Kind::attributes, node, {}}; }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> done_;
  bool open_ = false;
};

TEST_F(Orders, are_carried_out_once_and_in_order) {
  Notifier notifier([this](const Order& order) { execute(order); }, 3);
  busyWith(notifier, name("first"));
  for (auto one : {"a", "a", "b", "c", "d"}) notifier.push(name(one));
  EXPECT_EQ(notifier.dropped(), 1u);
  open();
  EXPECT_EQ(done(4), (std::vector<std::string>{"first", "a", "b", "c"}));
}

TEST_F(Orders, about_attributes_can_be_taken_back_while_they_wait) {
  Notifier notifier([this](const Order& order) { execute(order); }, 10);
  busyWith(notifier, name("first"));
  notifier.push(attributes(7));
  notifier.push(attributes(8), std::chrono::hours(1));
  notifier.push(Order{Kind::pages, 9, {}});
  EXPECT_TRUE(notifier.withdrawAttributes(7));
  EXPECT_FALSE(notifier.withdrawAttributes(7));
  EXPECT_FALSE(notifier.underWay(7));
  EXPECT_TRUE(notifier.withdrawAttributes(8));
  EXPECT_FALSE(notifier.withdrawAttributes(9)) << "pages must be dropped whoever asks";
  notifier.push(attributes(7));
  open();
  EXPECT_EQ(done(3), (std::vector<std::string>{"first", "9", "7"}));
}

TEST_F(Orders, for_later_let_others_pass_and_can_be_hurried) {
  open();
  Notifier notifier([this](const Order& order) { execute(order); }, 10);
  notifier.push(attributes(7), std::chrono::hours(1));
  notifier.push(attributes(8), std::chrono::milliseconds(1));
  notifier.push(attributes(9));
  EXPECT_EQ(done(2), (std::vector<std::string>{"9", "8"}));
  EXPECT_TRUE(notifier.underWay(7));
  notifier.hurry(7);
  EXPECT_EQ(done(3).back(), "7");
}

TEST_F(Orders, about_attributes_wait_until_what_the_kernel_asked_was_read) {
  open();
  std::atomic<bool> unread = true;
  std::atomic<std::uint64_t> read = 0;
  std::atomic<int> looks = 0;
  Notifier::Requests requests{[&] { return ++looks, unread.load(); }, [&] { return read.load(); }};
  Notifier notifier([this](const Order& order) { execute(order); }, 10, requests);
  notifier.push(name("other"));
  EXPECT_EQ(done(1).size(), 1u) << "names do not wait";
  notifier.push(attributes(7));
  while (looks < 2) std::this_thread::yield();
  notifier.withdrawAttributes(7);  // it was for this one
  EXPECT_EQ(notifier.queued(), 0u);
  notifier.push(attributes(8));
  read = 1000;  // whatever was waiting then has been read; there always is something
  EXPECT_EQ(done(2).back(), "8");
}

TEST(Questions, are_under_way_until_each_was_answered) {
  Questions questions;
  questions.asked(7);
  questions.asked(7);
  questions.answered(7, TimePoint{1});
  EXPECT_TRUE(questions.underWay(7));
  questions.answered(7, TimePoint{1});
  EXPECT_FALSE(questions.underWay(7));
}

TEST(Questions, are_pending_until_the_answer_must_have_been_taken_up) {
  Questions questions(2);
  const TimePoint start{1'000'000'000};
  auto answer = [&](InodeId inode, TimePoint when) {
    questions.asked(inode);
    questions.answered(inode, when);
  };
  answer(7, start);
  EXPECT_EQ(questions.pending(7, start), Questions::kTakenUp);
  EXPECT_EQ(questions.pending(8, start), Duration(0));
  const auto half = Questions::kTakenUp / 2;
  answer(7, start + half);
  EXPECT_EQ(questions.pending(7, start + Questions::kTakenUp), half);
  EXPECT_EQ(questions.pending(7, start + Questions::kTakenUp * 2), Duration(0));
  answer(8, start + half);
  answer(9, start + half);
  EXPECT_EQ(questions.pending(7, start + half), Duration(0)) << "it remembers a bounded number";
  EXPECT_EQ(questions.pending(9, start + half), Questions::kTakenUp);
}

struct Message {
  fuse_in_header header = {};
  union Body {
    fuse_init_in init;
    fuse_write_in write;
    fuse_setattr_in setattr;
  } body = {};
};

TEST(Wire, sees_who_must_drop_privileges) {
  Message message;
  message.header.opcode = FUSE_WRITE;
  EXPECT_FALSE(wire::asksToDropPrivileges(&message, sizeof message));
  message.body.write.write_flags = FUSE_WRITE_KILL_SUIDGID;
  EXPECT_TRUE(wire::asksToDropPrivileges(&message, sizeof message));
  EXPECT_FALSE(wire::asksToDropPrivileges(&message, sizeof message.header));
}

TEST(Wire, adds_features_to_the_answer_of_init_and_to_no_other) {
  Message message;
  message.header.opcode = FUSE_INIT;
  message.body.init.flags = FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;
  message.body.init.flags2 = 1u << 4;
  auto features = wire::offeredFeatures(&message, sizeof message);
  EXPECT_TRUE(features.dropPrivileges);
  EXPECT_TRUE(features.mapDirect);

  fuse_out_header head = {};
  head.unique = 77;
  fuse_init_out out = {};
  iovec answer[2] = {{&head, sizeof head}, {&out, sizeof out}};
  EXPECT_FALSE(wire::addFeatures(answer, 2, 78, features));
  EXPECT_EQ(out.flags, 0u);
  EXPECT_TRUE(wire::addFeatures(answer, 2, 77, features));
  EXPECT_TRUE((out.flags & FUSE_HANDLE_KILLPRIV_V2) != 0);
  EXPECT_EQ(out.flags2, 1u << 4);
}

TEST(Wire, garbage_is_no_header) {
  EXPECT_FALSE(wire::headerOf("short", 5));
  EXPECT_EQ(wire::interruptedRequest("short", 5), 0u);
}

}  // namespace
}  // namespace vcfs::fuse
