#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

void bench_fail(const char *call, const char *path) {
  printf("{\"error\": \"%s %s: %s\"}\n", call, path, strerror(errno));
  fflush(stdout);
  _exit(1);
}

char *bench_buffer(size_t size) {
  uint64_t *words = aligned_buffer((size + 7) & ~(size_t)7);
  uint64_t x = 88172645463325252ULL;
  for (size_t i = 0; i < size / 8; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    words[i] = x;
  }
  return (char *)words;
}

size_t bench_option(int argc, char **argv, const char *key, size_t fallback) {
  return (size_t)option_number(argc, argv, key, (double)fallback);
}

void bench_note_error(Worker *worker) {
  if (worker->errors++ == 0) worker->first_errno = errno;
}

typedef struct {
  Worker *worker;
  WorkerRun run;
  pthread_barrier_t *gate;
} Start;

static void *start(void *argument) {
  Start *s = argument;
  pthread_barrier_wait(s->gate);
  s->worker->begin_ns = now_ns();
  s->run(s->worker);
  s->worker->end_ns = now_ns();
  return NULL;
}

Worker *bench_workers(int n, const char *directory, const void *plan, WorkerRun run) {
  Worker *workers = calloc((size_t)n, sizeof *workers);
  Start *starts = calloc((size_t)n, sizeof *starts);
  pthread_t *threads = calloc((size_t)n, sizeof *threads);
  pthread_barrier_t gate;
  pthread_attr_t small_stack;
  pthread_barrier_init(&gate, NULL, (unsigned)n);
  pthread_attr_init(&small_stack);
  pthread_attr_setstacksize(&small_stack, 256 * 1024);
  for (int i = 0; i < n; i++) {
    workers[i] = (Worker){.number = i, .directory = directory, .plan = plan};
    latencies_init(&workers[i].calls, now_ns());
    latencies_init(&workers[i].closes, now_ns());
    starts[i] = (Start){&workers[i], run, &gate};
    if (pthread_create(&threads[i], &small_stack, start, &starts[i])) bench_fail("pthread_create", "");
  }
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  free(threads);
  free(starts);
  return workers;
}

int bench_report(Worker *workers, int n, const char *extra) {
  Latencies calls, closes;
  int64_t begin = workers[0].begin_ns, end = workers[0].end_ns;
  size_t bytes = 0, operations = 0, errors = 0, late = 0;
  int error = 0;
  latencies_init(&calls, begin);
  latencies_init(&closes, begin);
  for (int i = 0; i < n; i++) {
    Worker *w = &workers[i];
    latencies_merge(&calls, &w->calls);
    latencies_merge(&closes, &w->closes);
    bytes += w->bytes, operations += w->operations, errors += w->errors, late += w->late;
    if (w->first_errno) error = w->first_errno;
    if (w->begin_ns < begin) begin = w->begin_ns;
    if (w->end_ns > end) end = w->end_ns;
  }
  double seconds = (double)(end - begin) / 1e9;
  printf("{\"bytes\": %zu, \"operations\": %zu, \"seconds\": %.4f, \"MB_s\": %.2f, \"per_s\": %.1f, \"late\": %zu, \"errors\": %zu, "
         "\"first_error\": \"%s\", ",
         bytes, operations, seconds, (double)bytes / 1e6 / seconds, (double)operations / seconds, late, errors,
         error ? strerror(error) : "");
  latencies_print("call", &calls);
  printf(", ");
  latencies_print("close", &closes);
  printf("%s}\n", extra);
  return errors != 0;
}
