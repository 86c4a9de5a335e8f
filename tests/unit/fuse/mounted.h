#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "fuse/mount.h"
#include "tests/unit/fuse/fake_cluster.h"
#include "tests/unit/fuse/no_transport.h"

namespace vcfs::fuse::test {

// A real mount of a FakeCluster at /tmp/vcfs-fuse-test-…, with its loop on a thread of its own; the test is the program
// that uses it. Skips where there is no /dev/fuse or no right to mount.
class Mounted : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string path(const std::string& name) const { return point_ + "/" + name; }
  // Runs `work` on the loop and waits for it: for looking into the store and for pushing changes.
  template <class F>
  auto onLoop(F work) {
    std::promise<std::invoke_result_t<F&>> done;
    asio::post(io_, [&] {
      if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
        work();
        done.set_value();
      } else {
        done.set_value(work());
      }
    });
    return done.get_future().get();
  }
  int calls(const std::string& name) {
    return onLoop([&] { return store_->calls[name]; });
  }
  void hold(const std::string& call) {
    onLoop([&] { store_->held.insert(call); });
  }
  void release(const std::string& call) {
    onLoop([&] { store_->held.erase(call); });
  }
  InodeId inodeOf(const std::string& name);
  void write(const std::string& name, const std::string& bytes);
  std::string read(const std::string& name);
  // Polls until `condition` holds; fails after ten seconds.
  static void eventually(const std::function<bool()>& condition, const char* what);

  virtual void configure(MountSettings& settings) {}
  virtual void prepare(FakeStore& store) {}
  void unmountFromOutside();

  asio::io_context io_{1};
  std::string point_;
  std::shared_ptr<FakeStore> store_;
  std::shared_ptr<FakeCluster> cluster_;
  std::atomic<bool> ended_ = false;
  MountSettings settings_;

 private:
  SystemClock clock_{io_};
  NoTransport transport_;
  Runtime runtime_{io_, clock_, transport_, std::mt19937_64(1)};
  std::unique_ptr<Mount> mount_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread loop_;
};

}  // namespace vcfs::fuse::test
