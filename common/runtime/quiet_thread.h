#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>

#include "common/runtime/clock.h"

namespace vcfs {

// A thread's turns in the background: in them it gets a processor that nobody else wants, and gives it back at once to
// whoever wakes up (SCHED_IDLE; a nice value does not do that). Its place at the disk stays what it was: others may
// wait for what it reads and writes there. (The kernel compares threads within one control group or autogroup; between
// groups the group's share decides.)
//
// Where all processors are taken for long such a turn would never come to an end. So it is like everybody's when it
// lasts for longer than kLongestTurn; and a thread that had to wait for a processor for longer than 20 ms in a turn has
// its next turns like everybody, for as long as it waited. Where a thread could not come back from there (neither
// CAP_SYS_NICE nor an RLIMIT_NICE of 20, which the unit in packaging/ gives), or nobody knows how long it waited, all
// its turns are like everybody's.
class QuietThread {
 public:
  static constexpr Duration kLongestTurn = std::chrono::milliseconds(50);

  QuietThread() = default;
  QuietThread(const QuietThread&) = delete;
  QuietThread& operator=(const QuietThread&) = delete;
  ~QuietThread();

  // From the thread itself, around a turn. No lock may be held that anybody else wants: in a turn the thread may have
  // to wait for long.
  void begin();
  void end();

  // From any thread: somebody waits for what is done in this turn, or behind it. What is said before begin() is lost:
  // who has begun looks again whether somebody waits.
  void hurry();
  // The same, when this turn lasts for longer than kLongestTurn already.
  void hurryWhenLong();

 private:
  using SteadyClock = std::chrono::steady_clock;
  void attach();
  void become(int policy) const;
  Duration waitedSoFar() const;

  // Of the thread itself; what hurry() needs of it was written before inTurn_.
  pid_t thread_ = 0;
  int policy_ = 0;         // as the process was started with
  int waits_ = -1;         // /proc/thread-self/schedstat
  bool possible_ = false;  // it may go there, and come back
  Duration waitedBefore_{};
  SteadyClock::time_point asOthersUntil_;

  std::atomic<bool> inTurn_ = false;
  std::atomic<bool> hurried_ = false;
  std::atomic<SteadyClock::time_point> begun_{};
};

}  // namespace vcfs
