// Requests that wait for servers which are away, on a mount against a cluster in memory: what they hold up and what
// not.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fuse/mounted.h"

namespace vcfs::fuse::test {
namespace {

constexpr std::size_t kMiB = 1 << 20;

class Waiting : public Mounted {
 protected:
  void configure(MountSettings& settings) override {
    settings.inFlightBytes = 2 * kMiB;
    settings.stalledAfter = std::chrono::hours(1);
  }
  void TearDown() override {
    release("read");
    release("write");
    for (auto& program : programs_) program.join();
    Mounted::TearDown();
  }
  void startWriters(int count) {
    for (int i = 0; i < count; ++i) {
      programs_.emplace_back([this, i] { write("w" + std::to_string(i), std::string(kMiB, 'w')); });
    }
  }
  // Past the page cache, each one READ of 1 MiB.
  void startReaders(int count) {
    for (int i = 0; i < count; ++i) {
      programs_.emplace_back([this] {
        int fd = ::open(path("a").c_str(), O_RDONLY | O_DIRECT);
        std::string bytes(kMiB, '\0');
        EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(kMiB));
        ::close(fd);
      });
    }
  }

  std::vector<std::thread> programs_;
};

TEST_F(Waiting, writes_do_not_take_memory_beyond_the_bound) {
  hold("write");
  startWriters(10);
  eventually([&] { return calls("write") >= 3; }, "some to wait");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(calls("write"), 4);
  release("write");
  eventually([&] { return calls("write") >= 10; }, "the others");
}

class WaitingForLong : public Waiting {
  void configure(MountSettings& settings) override {
    Waiting::configure(settings);
    settings.stalledAfter = std::chrono::milliseconds(50);
  }
};

TEST_F(WaitingForLong, writes_do_not_take_memory_beyond_twice_the_bound) {
  hold("write");
  startWriters(10);
  eventually([&] { return calls("write") == 5; }, "two more than the bound");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(calls("write"), 5);
  release("write");
  eventually([&] { return calls("write") >= 10; }, "the others");
}

TEST_F(WaitingForLong, reads_do_not_hold_up_other_requests) {
  write("a", std::string(kMiB, 'a'));
  hold("read");
  startReaders(12);
  eventually([&] { return calls("read") == 12; }, "all to wait");
  auto other = std::async(std::launch::async, [this] { return ::mkdir(path("d").c_str(), 0755); });
  eventually([&] { return other.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }, "another request");
  release("read");
}

}  // namespace
}  // namespace vcfs::fuse::test
