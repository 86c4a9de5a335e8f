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

TEST(Notifier, does_what_it_is_told_once_and_in_order) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> done;
  bool open = false;
  Notifier notifier(
      [&](const Notifier::Order& order) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return open; });
        done.push_back(order.name);
        changed.notify_all();
      },
      3);
  auto order = [](std::string name) { return Notifier::Order{Notifier::Order::Kind::name, 1, std::move(name)}; };
  notifier.push(order("first"));
  while (notifier.queued() > 0) std::this_thread::yield();
  for (auto name : {"a", "a", "b", "c", "d"}) notifier.push(order(name));
  EXPECT_EQ(notifier.dropped(), 1u);
  std::unique_lock lock(mutex);
  open = true;
  changed.notify_all();
  changed.wait(lock, [&] { return done.size() == 4; });
  EXPECT_EQ(done, (std::vector<std::string>{"first", "a", "b", "c"}));
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
