#include "common/runtime/quiet_thread.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>

#include <asio/io_context.hpp>
#include <atomic>
#include <thread>

#include "common/runtime/blocking_pool.h"

namespace vcfs {
namespace {

using namespace std::chrono_literals;

int policyNow() { return ::sched_getscheduler(0); }

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Needs what the servers have as root, or by LimitNICE.
class QuietJobs : public ::testing::Test {
 protected:
  void run(std::function<void()> quiet) {
    pool_->submitQuiet(std::move(quiet), [] {});
  }
  void drain() {
    std::atomic<bool> done = false;
    pool_->submit([&done] { done = true; }, [] {});
    ASSERT_TRUE(eventually([&done] { return done.load(); }));
  }

  asio::io_context io_;
  std::unique_ptr<BlockingPool> pool_ = makeThreadPool(io_, "test");
};

TEST_F(QuietJobs, run_in_the_background_and_others_do_not) {
  std::atomic<int> quiet = -1, other = -1;
  run([&] { quiet = policyNow(); });
  ASSERT_TRUE(eventually([&] { return quiet != -1; }));
  EXPECT_EQ(quiet, SCHED_IDLE);
  pool_->submit([&] { other = policyNow(); }, [] {});
  drain();
  EXPECT_EQ(other, SCHED_OTHER);
}

TEST_F(QuietJobs, leave_the_background_when_another_job_stands_behind_them) {
  std::atomic<bool> begun = false, hurried = false;
  run([&] {
    begun = policyNow() == SCHED_IDLE;
    hurried = eventually([] { return policyNow() == SCHED_OTHER; });
  });
  ASSERT_TRUE(eventually([&] { return begun.load(); }));
  drain();
  EXPECT_TRUE(hurried);
}

TEST_F(QuietJobs, behind_which_another_one_stands_already_do_not_go_there) {
  std::atomic<bool> go = false;
  std::atomic<int> policy = -1;
  pool_->submit([&] { eventually([&] { return go.load(); }); }, [] {});
  run([&] { policy = policyNow(); });
  std::atomic<bool> last = false;
  pool_->submit([&] { last = true; }, [] {});
  go = true;
  ASSERT_TRUE(eventually([&] { return last.load(); }));
  EXPECT_EQ(policy, SCHED_OTHER);
}

TEST_F(QuietJobs, keep_their_place_in_the_order) {
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) {
    auto job = [&order, i] { order.push_back(i); };
    if (i % 3 == 0) {
      pool_->submit(job, [] {});
    } else {
      run(job);
    }
  }
  drain();
  ASSERT_EQ(order.size(), 50u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(QuietJobs, leave_the_background_when_they_last) {
  std::atomic<bool> hurried = false;
  auto job = [&hurried] {
    hurried = policyNow() == SCHED_IDLE && eventually([] { return policyNow() == SCHED_OTHER; });
  };
  pool_->submitQuiet(job, [this] { io_.stop(); });
  io_.run_for(10s);
  EXPECT_TRUE(hurried);
}

// How long this thread has waited for a processor since this was made, if it did not sleep.
class Waited {
 public:
  Duration now() const { return (std::chrono::steady_clock::now() - begun_) - (used() - usedBefore_); }

 private:
  static Duration used() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1s + now.tv_nsec * 1ns;
  }
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  Duration usedBefore_ = used();
};

// In the background the kernel would have the disk answer it last, which nobody could hurry.
TEST_F(QuietJobs, keep_their_place_at_the_disk) {
  std::atomic<int> level = -1;
  constexpr int process = 1, classShift = 13, bestEffort = 2;  // of linux/ioprio.h
  run([&] { level = static_cast<int>(::syscall(SYS_ioprio_get, process, 0)); });
  ASSERT_TRUE(eventually([&] { return level != -1; }));
  EXPECT_EQ(level >> classShift, bestEffort);
}

// A processor that is always taken would never let the background run.
TEST_F(QuietJobs, that_waited_long_for_a_processor_get_their_share) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  std::atomic<bool> busyThere = false, stop = false;
  std::thread busy([&] {
    busyThere = ::sched_setaffinity(0, sizeof one, &one) == 0;
    while (!stop) {
    }
  });
  EXPECT_TRUE(eventually([&] { return busyThere.load(); }));
  std::atomic<int> first = -1, next = -1;
  std::atomic<bool> waited = false;
  run([&] {
    first = policyNow();
    ::sched_setaffinity(0, sizeof one, &one);
    const Waited here;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (here.now() < 40ms && std::chrono::steady_clock::now() < deadline) {
    }
    waited = here.now() >= 40ms;
  });
  run([&] { next = policyNow(); });
  EXPECT_TRUE(eventually([&] { return next != -1; }));
  stop = true;
  busy.join();
  EXPECT_TRUE(waited);
  EXPECT_EQ(first, SCHED_IDLE);
  EXPECT_EQ(next, SCHED_OTHER);
}

}  // namespace
}  // namespace vcfs
