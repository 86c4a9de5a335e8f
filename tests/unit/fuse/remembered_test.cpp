// Open files while trackers do not answer: what is remembered of them does, and is not taken for what is true.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fuse/mounted.h"

namespace vcfs::fuse::test {
namespace {

class Remembered : public Mounted {
 protected:
  void SetUp() override {
    Mounted::SetUp();
    if (IsSkipped()) return;
    write("a", "old");
    inode_ = inodeOf("a");
    fd_ = ::open(path("a").c_str(), O_RDWR);
    ASSERT_GE(fd_, 0);
  }
  void TearDown() override {
    answer();
    if (fd_ >= 0) ::close(fd_);
    Mounted::TearDown();
  }
  // On another host, which seals it again.
  void rewrite(const std::string& bytes) {
    onLoop([&] {
      auto& node = store_->node(inode_);
      node.bytes = bytes;
      node.attr.state = FileState::closed;
      store_->touch(node, true);
      Change change;
      change.inode = inode_;
      cluster_->push(change);
    });
  }
  void silence() {
    hold("getAttr");
    hold("catalogAttr");
  }
  void answer() {
    release("getAttr");
    release("catalogAttr");
  }
  static std::int64_t sizeOf(int fd) {
    struct stat info = {};
    return ::fstat(fd, &info) == 0 ? info.st_size : -1;
  }

  InodeId inode_ = 0;
  int fd_ = -1;
};

TEST_F(Remembered, attributes_are_not_believed_when_trackers_answer_again) {
  ::close(std::exchange(fd_, ::open(path("a").c_str(), O_RDONLY)));
  ASSERT_EQ(sizeOf(fd_), 3);
  silence();
  rewrite("old and new");
  EXPECT_EQ(sizeOf(fd_), 3);
  answer();
  const int again = ::open(path("a").c_str(), O_RDONLY);
  ASSERT_GE(again, 0);
  EXPECT_EQ(sizeOf(again), 11);
  ::close(again);
  eventually([&] { return sizeOf(fd_) == 11; }, "the size in the open descriptor");
}

TEST_F(Remembered, who_may_do_what_is_enough_for_an_ordinary_users_ftruncate) {
  silence();
  rewrite("old and new");
  auto cut = std::async(std::launch::async, [this] {
    ::setfsuid(1000);  // of this thread: the kernel asks for set-id bits to be taken away
    return ::ftruncate(fd_, 5);
  });
  eventually([&] { return cut.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }, "ftruncate");
  EXPECT_EQ(cut.get(), 0);
  EXPECT_EQ(onLoop([&] { return store_->node(inode_).bytes.size(); }), 5u);
}

}  // namespace
}  // namespace vcfs::fuse::test
