#include "common/runtime/idle_spin.h"

#include <gtest/gtest.h>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <thread>

namespace vcfs {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1'000'000'000};

IdleSpin busy() {
  IdleSpin spin(100us);
  for (int i = 0; i < 16; ++i) spin.cameAfter(20us);
  return spin;
}

TEST(IdleSpin, a_loop_that_just_began_sleeps) { EXPECT_FALSE(IdleSpin(100us).worthwhile(kNow)); }

TEST(IdleSpin, stays_awake_while_events_follow_closely) { EXPECT_TRUE(busy().worthwhile(kNow)); }

TEST(IdleSpin, sleeps_when_events_are_rare) {
  IdleSpin spin(100us);
  for (int i = 0; i < 100; ++i) spin.cameAfter(101us);
  EXPECT_FALSE(spin.worthwhile(kNow));
}

TEST(IdleSpin, gives_up_after_a_few_times_in_vain_and_forgives_one) {
  IdleSpin spin = busy();
  spin.inVain();
  EXPECT_TRUE(spin.worthwhile(kNow));
  spin.inVain();
  spin.inVain();
  EXPECT_FALSE(spin.worthwhile(kNow));
}

TEST(IdleSpin, leaves_the_processor_to_others_for_a_while) {
  EXPECT_FALSE(IdleSpin::crowded(5us));
  EXPECT_TRUE(IdleSpin::crowded(1ms));
  IdleSpin spin = busy();
  spin.wasCrowded(kNow);
  for (int i = 0; i < 16; ++i) spin.cameAfter(20us);
  EXPECT_FALSE(spin.worthwhile(kNow + 9ms));
  EXPECT_TRUE(spin.worthwhile(kNow + 10ms));
}

TEST(IdleSpin, leaves_it_for_longer_where_it_is_always_wanted) {
  IdleSpin spin = busy();
  TimePoint now = kNow;
  Duration longest(0);
  for (int round = 0; round < 12; ++round) {
    spin.wasCrowded(now);
    for (int i = 0; i < 16; ++i) spin.cameAfter(20us);
    const TimePoint since = now;
    while (!spin.worthwhile(now)) now = now + 1ms;
    longest = std::max(longest, now - since);
  }
  EXPECT_EQ(longest, 1s);
  spin.wasCrowded(now + 10s);
  for (int i = 0; i < 16; ++i) spin.cameAfter(20us);
  EXPECT_TRUE(spin.worthwhile(now + 10s + 10ms));
}

TEST(IdleSpin, zero_is_never) {
  IdleSpin spin(0us);
  for (int i = 0; i < 16; ++i) spin.cameAfter(0us);
  EXPECT_FALSE(spin.worthwhile(kNow));
}

TEST(RunLoop, runs_what_other_threads_post_and_returns_when_it_is_stopped) {
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) asio::post(io, [&] { ++ran; });
    asio::post(io, [&] { io.stop(); });
  });
  runLoop(io, IdleSpin(100us));
  other.join();
  EXPECT_EQ(ran, 1000);
}

TEST(RunLoop, returns_when_no_work_is_left) {
  asio::io_context io;
  bool ran = false;
  asio::post(io, [&] { ran = true; });
  runLoop(io, IdleSpin(100us));
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace vcfs
