/* For LD_PRELOAD: the process's wall clock is VCFS_TEST_CLOCK_AHEAD_MS ahead (behind, if that is negative), its steady
   clock is right. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long ahead_ms;

__attribute__((constructor)) static void read_environment(void) {
  const char *text = getenv("VCFS_TEST_CLOCK_AHEAD_MS");
  if (text) ahead_ms = atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  const int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) {
    const long ns = now->tv_nsec + (ahead_ms % 1000 + 1000) * 1000000;
    now->tv_sec += ahead_ms / 1000 - 1 + ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
  }
  return result;
}
