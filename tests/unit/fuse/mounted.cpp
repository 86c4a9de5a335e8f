#include "tests/unit/fuse/mounted.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace vcfs::fuse::test {

void Mounted::SetUp() {
  if (::access("/dev/fuse", R_OK | W_OK) != 0 || ::getuid() != 0) GTEST_SKIP() << "needs /dev/fuse and root";
  char pattern[] = "/tmp/vcfs-fuse-test-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern), nullptr);
  point_ = pattern;
  store_ = std::make_shared<FakeStore>(clock_);
  cluster_ = std::make_shared<FakeCluster>(runtime_, store_);
  prepare(*store_);
  settings_.mountPoint = point_;
  settings_.source = "fake:/";
  configure(settings_);
  mount_ = std::make_unique<Mount>(runtime_, cluster_, settings_);
  mount_->onEnded([this] { ended_ = true; });
  work_.emplace(io_.get_executor());
  loop_ = std::thread([this] { io_.run(); });
  std::promise<std::string> started;
  asio::co_spawn(io_, mount_->start(), [&](std::exception_ptr error) {
    std::string why;
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::exception& e) {
      why = e.what();
    }
    started.set_value(why);
  });
  ASSERT_EQ(started.get_future().get(), "");
}

void Mounted::TearDown() {
  if (!mount_) return;
  std::promise<void> stopped;
  asio::co_spawn(io_, mount_->stop(std::chrono::milliseconds(2000)), [&](std::exception_ptr) { stopped.set_value(); });
  stopped.get_future().get();
  onLoop([this] { mount_.reset(); });
  work_.reset();
  io_.stop();
  loop_.join();
  EXPECT_EQ(::rmdir(point_.c_str()), 0) << point_;
}

void Mounted::unmountFromOutside() { ASSERT_EQ(::umount2(point_.c_str(), 0), 0); }

InodeId Mounted::inodeOf(const std::string& name) {
  struct stat info = {};
  EXPECT_EQ(::lstat(path(name).c_str(), &info), 0) << name;
  return info.st_ino;
}

void Mounted::write(const std::string& name, const std::string& bytes) {
  int fd = ::open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ASSERT_GE(fd, 0) << name;
  ASSERT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ASSERT_EQ(::close(fd), 0);
}

std::string Mounted::read(const std::string& name) {
  std::ifstream in(path(name), std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Mounted::eventually(const std::function<bool()>& condition, const char* what) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << what;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace vcfs::fuse::test
