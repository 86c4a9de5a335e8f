#include "common/runtime/clock.h"

#include <gtest/gtest.h>

#include "common/async/signal.h"
#include "common/runtime/blocking_pool.h"

namespace vcfs {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, runs_callbacks_in_the_order_of_their_time_when_advanced) {
  asio::io_context io;
  ManualClock clock(io);
  std::string order;
  auto late = clock.callAt(clock.now() + 20ms, [&] { order += 'b'; });
  auto early = clock.callAt(clock.now() + 10ms, [&] { order += 'a'; });
  clock.advance(5ms);
  EXPECT_EQ(order, "");
  clock.advance(30ms);
  EXPECT_EQ(order, "ab");
}

TEST(ManualClock, a_dropped_timer_does_not_run) {
  asio::io_context io;
  ManualClock clock(io);
  bool ran = false;
  {
    auto timer = clock.callAt(clock.now() + 1ms, [&] { ran = true; });
  }
  clock.advance(1s);
  EXPECT_FALSE(ran);
}

TEST(ManualClock, sleepers_wake_when_time_is_moved) {
  asio::io_context io;
  ManualClock clock(io);
  bool woke = false;
  auto sleeper = [&]() -> Task<void> {
    co_await clock.sleep(3s);
    woke = true;
  };
  asio::co_spawn(io, sleeper(), asio::detached);
  clock.advance(2s);
  EXPECT_FALSE(woke);
  clock.advance(1s);
  clock.advance(0s);
  EXPECT_TRUE(woke);
}

TEST(SystemClock, many_timers_fire_and_cancelled_ones_do_not) {
  asio::io_context io;
  SystemClock clock(io);
  int fired = 0;
  std::vector<std::unique_ptr<Clock::Timer>> timers;
  for (int i = 0; i < 100; ++i) timers.push_back(clock.callAt(clock.now() + 1ms * (i % 7), [&] { ++fired; }));
  for (int i = 0; i < 100; i += 2) timers[i]->cancel();
  auto last = clock.callAt(clock.now() + 20ms, [&] { io.stop(); });
  io.run();
  EXPECT_EQ(fired, 50);
}

TEST(Signal, wakes_every_waiter_or_times_out) {
  asio::io_context io;
  ManualClock clock(io);
  Signal signal(io);
  int woke = 0;
  std::optional<bool> inTime;
  auto waiter = [&]() -> Task<void> {
    co_await signal.wait();
    ++woke;
  };
  auto limited = [&]() -> Task<void> { inTime = co_await signal.waitFor(clock, 10ms); };
  asio::co_spawn(io, waiter(), asio::detached);
  asio::co_spawn(io, waiter(), asio::detached);
  asio::co_spawn(io, limited(), asio::detached);
  clock.advance(11ms);
  clock.advance(0ms);
  EXPECT_EQ(inTime, false);
  signal.notifyAll();
  clock.advance(0ms);
  EXPECT_EQ(woke, 2);
}

TEST(BlockingPool, runs_jobs_in_order_and_returns_values_and_exceptions) {
  asio::io_context io;
  auto pool = makeThreadPool(io, "test");
  std::string order;
  bool threw = false;
  auto task = [&]() -> Task<void> {
    auto first = pool->run([&] { order += 'a'; });
    auto second = pool->run([&] {
      order += 'b';
      return 42;
    });
    const int value = co_await std::move(second);
    EXPECT_EQ(value, 42);
    co_await std::move(first);
    try {
      co_await pool->run([]() -> int { throw std::runtime_error("no"); });
    } catch (const std::runtime_error&) {
      threw = true;
    }
    io.stop();
  };
  asio::co_spawn(io, task(), asio::detached);
  auto guard = asio::make_work_guard(io);
  io.run();
  EXPECT_EQ(order, "ab");
  EXPECT_TRUE(threw);
}

}  // namespace
}  // namespace vcfs
