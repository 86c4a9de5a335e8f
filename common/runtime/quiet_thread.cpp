#include "common/runtime/quiet_thread.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

namespace vcfs {

namespace {

// linux/ioprio.h, which not every version of is C++.
constexpr int kProcess = 1;
constexpr int kClassShift = 13;
constexpr int kNoClass = 0;
constexpr int kBestEffort = 2;
constexpr int kUsualLevel = 4;

constexpr Duration kPatience = std::chrono::milliseconds(20);

bool setPolicy(pid_t thread, int policy) {
  const sched_param none{};
  return ::sched_setscheduler(thread, policy, &none) == 0;
}

// Tried once, by a thread that nobody misses.
bool canComeBack() {
  static const bool can = [] {
    bool back = false;
    std::thread([&back] {
      const int before = ::sched_getscheduler(0);
      back = setPolicy(0, SCHED_IDLE) && setPolicy(0, before);
    }).join();
    return back;
  }();
  return can;
}

// A thread that was given no class at the disk takes it from its policy, and in the background would wait there until
// nobody else has any request, for what others may wait for, too. It is given the class that it had all the time.
bool keepPlaceAtDisk() {
  const long given = ::syscall(SYS_ioprio_get, kProcess, 0);
  if (given < 0) return false;
  const long kind = given >> kClassShift;
  // Older kernels say "best effort" of one that was given nothing, too.
  if (kind != kNoClass && kind != kBestEffort) return true;
  const long level = kind == kNoClass ? kUsualLevel : given & 7;
  return ::syscall(SYS_ioprio_set, kProcess, 0, (kBestEffort << kClassShift) | level) == 0;
}

}  // namespace

QuietThread::~QuietThread() {
  if (waits_ >= 0) ::close(waits_);
}

void QuietThread::attach() {
  if (thread_ != 0) return;
  thread_ = ::gettid();
  policy_ = ::sched_getscheduler(0);
  // Of a process that was given a real-time class, or already runs in the background, it stays there.
  const bool usual = policy_ == SCHED_OTHER || policy_ == SCHED_BATCH;
  waits_ = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  ::sched_yield();  // what a new thread has used is counted by then
  possible_ = usual && waitedSoFar() >= Duration{} && canComeBack() && keepPlaceAtDisk();
}

void QuietThread::become(int policy) const { setPolicy(thread_, policy); }

// "time on a processor, time waiting for one, turns", in ns; less than nothing when the kernel does not count.
Duration QuietThread::waitedSoFar() const {
  char text[96];
  const ssize_t length = waits_ < 0 ? -1 : ::pread(waits_, text, sizeof text - 1, 0);
  if (length <= 0) return Duration(-1);
  text[length] = 0;
  char* rest = nullptr;
  const std::int64_t ran = std::strtoll(text, &rest, 10);
  const std::int64_t waited = std::strtoll(rest, nullptr, 10);
  return Duration(ran > 0 ? waited : -1);
}

void QuietThread::begin() {
  attach();
  const auto now = SteadyClock::now();
  if (!possible_ || now < asOthersUntil_) return;
  waitedBefore_ = waitedSoFar();
  begun_ = now;
  hurried_ = false;
  inTurn_ = true;
  become(SCHED_IDLE);
  if (hurried_) become(policy_);
}

// Said again it is done again: the thread may have been on its way into the background, and be stuck there.
void QuietThread::hurry() {
  if (!inTurn_) return;
  hurried_ = true;
  become(policy_);
}

void QuietThread::hurryWhenLong() {
  if (inTurn_ && SteadyClock::now() - begun_.load() >= kLongestTurn) hurry();
}

void QuietThread::end() {
  if (!inTurn_) return;
  become(policy_);
  inTurn_ = false;
  const Duration waited = waitedSoFar() - waitedBefore_;
  if (waited > kPatience) asOthersUntil_ = SteadyClock::now() + waited;
}

}  // namespace vcfs
