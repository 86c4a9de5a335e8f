// Bytes, caching and waiting on a mount, against a cluster in memory.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/unit/fuse/mounted.h"
#include "vcfs/file_capability.h"

namespace vcfs::fuse::test {
namespace {

class Data : public Mounted {
 protected:
  std::string bytesOf(const std::string& name) { return bytesOf(inodeOf(name)); }
  std::string bytesOf(InodeId id) {
    return onLoop([&] { return store_->node(id).bytes; });
  }
  static std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
    return text;
  }
  void setCapabilityElsewhere(InodeId id) {
    onLoop([&] {
      store_->node(id).attr.acl = kHasCapability;
      store_->touch(store_->node(id), false);
      Change change;
      change.inode = id;
      cluster_->push(change);
    });
  }
};

TEST_F(Data, large_writes_arrive_whole_and_without_a_copy) {
  auto text = pattern(3'000'000);
  write("a", text);
  EXPECT_EQ(bytesOf("a"), text);
  EXPECT_GE(calls("write-owned"), 2);
  EXPECT_EQ(read("a"), text);
}

TEST_F(Data, small_writes_arrive_in_order) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    auto text = std::to_string(i) + ";";
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    expected += text;
  }
  ::close(fd);
  EXPECT_EQ(bytesOf("a"), expected);
}

TEST_F(Data, waiting_writes_of_many_programs_keep_their_own_bytes) {
  hold("write");
  constexpr int kPrograms = 40;
  std::vector<std::thread> programs;
  for (int i = 0; i < kPrograms; ++i) {
    programs.emplace_back([this, i] { write("f" + std::to_string(i), std::string(1000, static_cast<char>('A' + i))); });
  }
  eventually([&] { return calls("write") == kPrograms; }, "all to wait");
  release("write");
  for (auto& program : programs) program.join();
  for (int i = 0; i < kPrograms; ++i)
    EXPECT_EQ(read("f" + std::to_string(i)), std::string(1000, static_cast<char>('A' + i)));
}

TEST_F(Data, append_goes_to_the_end_wherever_it_is) {
  write("a", "one");
  int fd = ::open(path("a").c_str(), O_WRONLY | O_APPEND);
  auto id = inodeOf("a");
  onLoop([&] { store_->node(id).bytes += "two"; });  // by another host
  ASSERT_EQ(::write(fd, "three", 5), 5);
  ::close(fd);
  EXPECT_EQ(bytesOf("a"), "onetwothree");
}

TEST_F(Data, truncate_changes_the_size_both_ways) {
  write("a", "abcdef");
  ASSERT_EQ(::truncate(path("a").c_str(), 3), 0);
  EXPECT_EQ(read("a"), "abc");
  ASSERT_EQ(::truncate(path("a").c_str(), 5), 0);
  EXPECT_EQ(read("a"), std::string("abc\0\0", 5));
  write("a", "z");
  EXPECT_EQ(read("a"), "z");
}

TEST_F(Data, a_shared_map_reads_and_writes_the_file) {
  write("a", pattern(10'000));
  int fd = ::open(path("a").c_str(), O_RDWR);
  auto* map = static_cast<char*>(::mmap(nullptr, 10'000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  ASSERT_NE(map, MAP_FAILED);
  EXPECT_EQ(std::string(map, 10'000), pattern(10'000));
  std::memcpy(map + 5000, "HELLO", 5);
  ASSERT_EQ(::msync(map, 10'000, MS_SYNC), 0);
  EXPECT_EQ(bytesOf("a").substr(5000, 5), "HELLO");
  char text[5];
  ASSERT_EQ(::pread(fd, text, 5, 5000), 5);
  EXPECT_EQ(std::string(text, 5), "HELLO");
  ASSERT_EQ(::pwrite(fd, "WORLD", 5, 5000), 5);
  EXPECT_EQ(std::string(map + 5000, 5), "WORLD");
  ::munmap(map, 10'000);
  ::close(fd);
}

TEST_F(Data, mapped_pages_go_where_they_belong_also_when_the_file_was_opened_for_appending) {
  write("a", pattern(8192));
  int fd = ::open(path("a").c_str(), O_RDWR | O_APPEND);
  auto* map = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  ASSERT_NE(map, MAP_FAILED);
  std::memcpy(map + 100, "HELLO", 5);
  ASSERT_EQ(::msync(map, 8192, MS_SYNC), 0);
  ::munmap(map, 8192);
  ASSERT_EQ(::write(fd, "end", 3), 3);
  ::close(fd);
  auto expected = pattern(8192) + "end";
  expected.replace(100, 5, "HELLO");
  EXPECT_EQ(bytesOf("a"), expected);
}

TEST_F(Data, two_descriptors_see_each_others_writes_at_once) {
  int writer = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  int reader = ::open(path("a").c_str(), O_RDONLY);
  std::string expected, seen;
  for (int i = 0; i < 200; ++i) {
    auto text = std::to_string(i) + ",";
    ASSERT_EQ(::write(writer, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    char part[64];
    auto n = ::read(reader, part, sizeof part);
    ASSERT_EQ(std::string(part, static_cast<std::size_t>(n)), text);
  }
  ::close(writer);
  ::close(reader);
}

TEST_F(Data, a_file_that_another_host_writes_is_followed_without_zeros) {
  InodeId id = onLoop([&] { return store_->make(kRootInode, "live", FileType::regular, 0644, 0, 0); });
  int fd = ::open(path("live").c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  std::string seen;
  for (int i = 0; i < 100; ++i) {
    onLoop([&] { store_->node(id).bytes += std::string(300, 'x'); });
    struct stat info = {};
    ASSERT_EQ(::fstat(fd, &info), 0);
    ASSERT_EQ(info.st_size, (i + 1) * 300);
    char part[4096];
    auto n = ::read(fd, part, sizeof part);
    ASSERT_EQ(n, 300);
    seen.append(part, 300);
  }
  EXPECT_EQ(seen, std::string(30'000, 'x'));
  ::close(fd);
}

TEST_F(Data, a_sealed_file_that_grows_again_shows_no_zeros_to_a_cached_reader) {
  write("a", std::string(1000, 'x'));
  auto id = inodeOf("a");
  eventually([&] { return onLoop([&] { return store_->node(id).attr.state == FileState::closed; }); }, "sealed");
  int fd = ::open(path("a").c_str(), O_RDONLY);
  char part[4096];
  ASSERT_EQ(::pread(fd, part, sizeof part, 0), 1000);
  onLoop([&] {
    auto& node = store_->node(id);
    node.bytes += std::string(1000, 'y');
    store_->touch(node, true);
    Change change;
    change.inode = id;
    cluster_->push(change);
  });
  eventually([&] { return ::pread(fd, part, sizeof part, 0) == 2000; }, "the new size");
  EXPECT_EQ(std::string(part, 2000), std::string(1000, 'x') + std::string(1000, 'y'));
  ::close(fd);
}

TEST_F(Data, sealed_files_are_read_from_the_cache_the_second_time) {
  write("a", pattern(100'000));
  auto id = inodeOf("a");
  eventually([&] { return onLoop([&] { return store_->node(id).attr.state == FileState::closed; }); }, "sealed");
  read("a");
  auto before = calls("read");
  EXPECT_EQ(read("a"), pattern(100'000));
  EXPECT_EQ(calls("read"), before);
}

TEST_F(Data, a_write_asks_once_after_somebody_else_changed_the_file) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  setCapabilityElsewhere(inodeOf("a"));
  for (int i = 0; i < 5; ++i) ASSERT_EQ(::write(fd, "x", 1), 1);
  EXPECT_EQ(calls("catalogAttr"), 1);
  EXPECT_EQ(calls("removeXattr"), 1);
  ::close(fd);
}

TEST_F(Data, a_write_does_not_wait_for_a_primary_to_hear_what_the_file_may_do) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  auto id = inodeOf("a");
  hold("getAttr");  // both ask it
  hold("refresh");
  setCapabilityElsewhere(id);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  EXPECT_EQ(calls("removeXattr"), 1);
  release("getAttr");
  release("refresh");
  ::close(fd);
}

TEST_F(Data, a_write_asks_nobody_after_a_failover) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  auto id = inodeOf("a");
  const int asked = calls("getAttr");
  onLoop([&] {
    Change change;
    change.inode = id;
    change.layout = true;
    cluster_->push(change);
  });
  ASSERT_EQ(::write(fd, "x", 1), 1);
  EXPECT_EQ(calls("catalogAttr"), 0);
  EXPECT_EQ(calls("getAttr"), asked);
  ::close(fd);
}

TEST_F(Data, a_write_does_not_wait_for_trackers_that_do_not_answer) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  auto id = inodeOf("a");
  hold("catalogAttr");
  onLoop([&] {
    Change change;
    change.inode = id;
    cluster_->push(change);
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(::write(fd, "x", 1), 1);
  EXPECT_EQ(bytesOf(id), "xxxxx");
  EXPECT_EQ(calls("catalogAttr"), 1) << "the first one asked";
  release("catalogAttr");
  ::close(fd);
}

// That it does not wait is measured with a database that is away (tests/fault/test_database_away.py).
TEST_F(Data, after_the_trackers_were_lost_a_later_write_hears_of_what_was_missed) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  auto id = inodeOf("a");
  hold("catalogAttr");
  for (int i = 0; i < 5; ++i) {
    onLoop([&] {
      Change change;
      change.everything = true;
      cluster_->push(change);
    });
    ASSERT_EQ(::write(fd, "x", 1), 1);
  }
  EXPECT_EQ(calls("catalogAttr"), 1) << "one at a time";
  onLoop([&] {
    store_->node(id).attr.acl = kHasCapability;
    store_->touch(store_->node(id), false);
  });
  release("catalogAttr");
  eventually([&] { return ::write(fd, "x", 1) == 1 && calls("removeXattr") >= 1; }, "taken away");
  EXPECT_GT(calls("catalogAttr"), 1) << "what was asked before the last loss may have been answered before it";
  ::close(fd);
}

TEST_F(Data, an_overwrite_elsewhere_is_seen_by_the_next_open) {
  write("a", "old");
  auto id = inodeOf("a");
  eventually([&] { return onLoop([&] { return store_->node(id).attr.state == FileState::closed; }); }, "sealed");
  EXPECT_EQ(read("a"), "old");
  onLoop([&] {
    auto& node = store_->node(id);
    node.bytes = "new";
    store_->touch(node, true);
    Change change;
    change.inode = id;
    change.data = true;
    cluster_->push(change);
  });
  eventually([&] { return read("a") == "new"; }, "the new bytes");
}

TEST_F(Data, close_tells_what_went_wrong_with_the_bytes) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  onLoop([&] { store_->failing["flush"] = Errc::noSpace; });
  EXPECT_EQ(::close(fd), -1);
  EXPECT_EQ(errno, ENOSPC);
  onLoop([&] { store_->failing.clear(); });
}

TEST_F(Data, close_of_a_reader_costs_no_question) {
  write("a", "x");
  read("a");
  auto before = calls("flush");
  read("a");
  EXPECT_EQ(calls("flush"), before);
}

TEST_F(Data, fsync_reaches_the_disks) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  EXPECT_EQ(::fsync(fd), 0);
  EXPECT_EQ(calls("sync"), 1);
  ::close(fd);
  int directory = ::open(point_.c_str(), O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(::fsync(directory), 0);
  EXPECT_EQ(calls("syncNames"), 1);
  ::close(directory);
}

TEST_F(Data, o_sync_writes_are_on_disk_when_write_returns) {
  int fd = ::open(path("a").c_str(), O_WRONLY | O_CREAT | O_DSYNC, 0644);
  ASSERT_EQ(::write(fd, "x", 1), 1);
  EXPECT_GE(calls("sync"), 1);
  ::close(fd);
}

TEST_F(Data, fallocate_reserves_and_punches_and_refuses_what_is_not_offered) {
  write("a", "abcdef");
  int fd = ::open(path("a").c_str(), O_RDWR);
  EXPECT_EQ(::fallocate(fd, 0, 0, 10), 0);
  EXPECT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2), 0);
  EXPECT_EQ(::fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ::close(fd);
  EXPECT_EQ(read("a"), std::string("a\0\0def\0\0\0\0", 10));
}

TEST_F(Data, lseek_finds_data_and_holes) {
  write("a", "abc");
  int fd = ::open(path("a").c_str(), O_RDONLY);
  EXPECT_EQ(::lseek(fd, 0, SEEK_HOLE), 3);
  EXPECT_EQ(::lseek(fd, 1, SEEK_DATA), 1);
  EXPECT_EQ(::lseek(fd, 9, SEEK_DATA), -1);
  EXPECT_EQ(errno, ENXIO);
  ::close(fd);
}

TEST_F(Data, copy_file_range_falls_back_to_copying_through_the_mount) {
  write("a", pattern(100'000));
  int in = ::open(path("a").c_str(), O_RDONLY);
  int out = ::open(path("b").c_str(), O_WRONLY | O_CREAT, 0644);
  ssize_t left = 100'000;
  while (left > 0) {
    auto n = ::copy_file_range(in, nullptr, out, nullptr, static_cast<std::size_t>(left), 0);
    ASSERT_GT(n, 0) << std::strerror(errno);
    left -= n;
  }
  ::close(in);
  ::close(out);
  EXPECT_EQ(read("b"), pattern(100'000));
}

TEST_F(Data, a_killed_writer_lets_go_of_a_blocked_call) {
  write("a", "x");
  hold("write");
  pid_t child = ::fork();
  if (child == 0) {
    int fd = ::open(path("a").c_str(), O_WRONLY);
    [[maybe_unused]] auto n = ::write(fd, "y", 1);
    ::_exit(0);
  }
  eventually([&] { return calls("write") == 2; }, "the write to wait");
  ::kill(child, SIGKILL);
  int status = 0;
  auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_TRUE(WIFSIGNALED(status));
  release("write");
}

TEST_F(Data, a_signal_that_is_handled_does_not_interrupt_a_call) {
  write("a", "x");
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  hold("getAttr");
  hold("lookup");
  std::atomic<int> result = -2;
  std::thread program([&] { result = ::mkdir(path("absent/d").c_str(), 0755) == -1 ? errno : 0; });
  eventually([&] { return calls("lookup") > 0; }, "the lookup to wait");
  ::pthread_kill(program.native_handle(), SIGUSR1);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  release("lookup");
  release("getAttr");
  program.join();
  EXPECT_EQ(result, ENOENT);
}

TEST_F(Data, an_unlinked_open_file_is_read_to_its_end) {
  write("a", "still here");
  int fd = ::open(path("a").c_str(), O_RDONLY);
  ASSERT_EQ(::unlink(path("a").c_str()), 0);
  char text[32];
  EXPECT_EQ(::read(fd, text, sizeof text), 10);
  struct stat info = {};
  ASSERT_EQ(::fstat(fd, &info), 0);
  EXPECT_EQ(info.st_nlink, 0u);
  ::close(fd);
}

TEST_F(Data, what_was_opened_instead_of_a_file_that_another_host_forestalled_is_not_waited_for) {
  hold("create");
  std::thread program([&] {
    const int fd = ::open(path("p").c_str(), O_RDWR | O_CREAT | O_NONBLOCK, 0644);
    EXPECT_GE(fd, 0);
    ::close(fd);
  });
  eventually([&] { return calls("create") == 1; }, "it is being made");
  auto id = onLoop([&] { return store_->make(kRootInode, "p", FileType::fifo, 0644, 0, 0); });
  release("create");
  program.join();
  struct stat info = {};
  ASSERT_EQ(::stat(path("p").c_str(), &info), 0);
  ASSERT_TRUE(S_ISFIFO(info.st_mode));
  onLoop([&] {
    store_->node(id).attr.mode = 0600;
    store_->touch(store_->node(id), false);
    Change change;
    change.inode = id;
    cluster_->push(change);
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  auto told = [&] { return ::stat(path("p").c_str(), &info) == 0 && (info.st_mode & 0777) == 0600; };
  while (!told() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(told());
}

TEST_F(Data, umount_from_outside_ends_it) {
  write("a", "x");
  unmountFromOutside();
  eventually([&] { return ended_.load(); }, "the end");
}

class Impatient : public Data {
  void configure(MountSettings& settings) override { settings.opLimit = std::chrono::milliseconds(500); }
};

TEST_F(Impatient, a_call_that_is_never_answered_ends_with_eio) {
  hold("mkdir");
  EXPECT_EQ(::mkdir(path("d").c_str(), 0755), -1);
  EXPECT_EQ(errno, EIO);
  release("mkdir");
}

class LongCache : public Data {
  void configure(MountSettings& settings) override {
    settings.attrCache = settings.entryCache = settings.negativeCache = std::chrono::seconds(3600);
  }
};

TEST_F(LongCache, a_name_that_appears_elsewhere_is_seen_when_we_are_told) {
  EXPECT_NE(::access(path("new").c_str(), F_OK), 0);
  onLoop([&] {
    store_->make(kRootInode, "new", FileType::directory, 0755, 0, 0);
    Change change;
    change.parent = kRootInode;
    change.name = "new";
    cluster_->push(change);
  });
  eventually([&] { return ::access(path("new").c_str(), F_OK) == 0; }, "the name");
}

TEST_F(LongCache, everything_is_doubted_after_the_trackers_were_away) {
  ::mkdir(path("d").c_str(), 0755);
  struct stat info = {};
  ASSERT_EQ(::stat(path("d").c_str(), &info), 0);
  auto id = inodeOf("d");
  onLoop([&] { store_->node(id).attr.mode = 0711; });
  ASSERT_EQ(::stat(path("d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755u);  // cached
  onLoop([&] {
    Change change;
    change.everything = true;
    cluster_->push(change);
  });
  auto looked = [&] { return ::stat(path("d").c_str(), &info) == 0 && (info.st_mode & 0777) == 0711; };
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!looked() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (!looked()) GTEST_SKIP() << "this kernel cannot forget all names at once (Linux 6.16 can)";
}

}  // namespace
}  // namespace vcfs::fuse::test
