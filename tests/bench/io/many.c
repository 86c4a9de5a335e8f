/* Many files at once, a thread each. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

typedef struct {
  int n;
  size_t size, block;
  double rate, seconds;
} Plan;

static void stream_path(const Worker *w, char *path, size_t room) { snprintf(path, room, "%s/stream-%04d", w->directory, w->number); }

static int open_for_writing(Worker *w) {
  char path[4096];
  stream_path(w, path, sizeof path);
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd < 0) bench_note_error(w);
  return fd;
}

static void timed_write(Worker *w, int fd, char *buffer, size_t block) {
  int64_t begin = now_ns();
  ssize_t n = write(fd, buffer, block);
  latencies_add(&w->calls, begin, now_ns());
  if (n != (ssize_t)block)
    bench_note_error(w);
  else
    w->bytes += block, w->operations++;
}

static void timed_close(Worker *w, int fd) {
  int64_t begin = now_ns();
  if (close(fd)) bench_note_error(w);
  latencies_add(&w->closes, begin, now_ns());
}

static void run_stream(Worker *w) {
  const Plan *plan = w->plan;
  char *buffer = bench_buffer(plan->block);
  int fd = open_for_writing(w);
  for (size_t offset = 0; fd >= 0 && offset < plan->size && !w->errors; offset += plan->block) {
    *(size_t *)buffer = offset + 1;
    timed_write(w, fd, buffer, plan->block);
  }
  if (fd >= 0) timed_close(w, fd);
  free(buffer);
}

/* A write that ends later than one period after it was due counts as late. */
static void run_paced(Worker *w) {
  const Plan *plan = w->plan;
  char *buffer = bench_buffer(plan->block);
  int64_t period = (int64_t)((double)plan->block / plan->rate * 1e9), length = (int64_t)(plan->seconds * 1e9);
  int fd = open_for_writing(w);
  int64_t start = w->begin_ns + 100000000 + period * w->number / plan->n;
  for (int64_t due = start; fd >= 0 && due < start + length && w->errors < 100; due += period) {
    sleep_until_ns(due);
    if (now_ns() > start + 2 * length) break; /* hopelessly behind */
    *(int64_t *)buffer = due;
    timed_write(w, fd, buffer, plan->block);
    w->late += now_ns() > due + period;
  }
  if (fd >= 0) timed_close(w, fd);
  free(buffer);
}

static void run_reader(Worker *w) {
  const Plan *plan = w->plan;
  char *buffer = bench_buffer(plan->block), path[4096];
  stream_path(w, path, sizeof path);
  int fd = open(path, O_RDONLY);
  ssize_t n = -1;
  while (fd >= 0 && (n = read(fd, buffer, plan->block)) > 0) w->bytes += (size_t)n, w->operations++;
  if (n < 0) bench_note_error(w);
  if (fd >= 0) close(fd);
  free(buffer);
}

static Plan plan_of(int argc, char **argv) {
  return (Plan){.n = (int)bench_option(argc, argv, "n", 16),
                .size = bench_option(argc, argv, "size", 64u << 20),
                .block = bench_option(argc, argv, "block", 32768),
                .rate = option_number(argc, argv, "rate", 500000),
                .seconds = option_number(argc, argv, "seconds", 10)};
}

static int run_all(int argc, char **argv, WorkerRun run, double wanted_bytes) {
  Plan plan = plan_of(argc, argv);
  Worker *workers = bench_workers(plan.n, argv[0], &plan, run);
  char extra[64];
  snprintf(extra, sizeof extra, ", \"wanted_bytes\": %.0f", wanted_bytes);
  return bench_report(workers, plan.n, wanted_bytes > 0 ? extra : "");
}

int bench_streams(int argc, char **argv) { return run_all(argc, argv, run_stream, 0); }
int bench_readers(int argc, char **argv) { return run_all(argc, argv, run_reader, 0); }

int bench_paced(int argc, char **argv) {
  Plan plan = plan_of(argc, argv);
  return run_all(argc, argv, run_paced, plan.n * plan.rate * plan.seconds);
}

/* ---- small files */

typedef struct {
  const char *op;
  size_t count;
} FilesPlan;

enum { SMALL_FILE = 4096 };

static void small_name(const Worker *w, const char *prefix, size_t i, char *path, size_t room) {
  snprintf(path, room, "%s/w%d/%s%06zu", w->directory, w->number, prefix, i);
}

static int small_create(const char *path) {
  static const char kData[SMALL_FILE] = "small";
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
  if (fd < 0) return -1;
  int wrong = write(fd, kData, SMALL_FILE) != SMALL_FILE;
  return close(fd) || wrong ? -1 : 0;
}

static int small_read(const char *path) {
  char data[2 * SMALL_FILE];
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  ssize_t n = read(fd, data, sizeof data);
  close(fd);
  if (n != SMALL_FILE) errno = EIO;
  return n == SMALL_FILE ? 0 : -1;
}

/* Like `ls -l`: lists the worker's directory and asks for each entry's attributes. */
static void run_stat(Worker *w) {
  char path[4096];
  snprintf(path, sizeof path, "%s/w%d", w->directory, w->number);
  DIR *directory = opendir(path);
  struct stat st;
  for (struct dirent *e; directory && (e = readdir(directory));) {
    if (e->d_name[0] == '.') continue;
    if (fstatat(dirfd(directory), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_size != SMALL_FILE) bench_note_error(w);
    w->operations++;
  }
  if (directory) closedir(directory);
}

static void run_files(Worker *w) {
  const FilesPlan *plan = w->plan;
  if (plan->op[0] == 's') {
    run_stat(w);
    return;
  }
  for (size_t i = 0; i < plan->count; i++) {
    char path[4096], moved[4096];
    small_name(w, plan->op[0] == 'u' ? "g" : "f", i, path, sizeof path);
    small_name(w, "g", i, moved, sizeof moved);
    int64_t begin = now_ns();
    int failed = 0;
    switch (plan->op[0]) {
      case 'c': failed = small_create(path); break;
      case 'r': failed = plan->op[2] == 'a' ? small_read(path) : rename(path, moved); break;
      case 'u': failed = unlink(path); break;
    }
    latencies_add(&w->calls, begin, now_ns());
    if (failed) bench_note_error(w);
    w->operations++;
  }
}

int bench_files(int argc, char **argv) {
  FilesPlan plan = {.op = option_text(argc, argv, "op"), .count = bench_option(argc, argv, "count", 1000)};
  int workers = (int)bench_option(argc, argv, "workers", 1);
  if (!plan.op) return 2;
  return bench_report(bench_workers(workers, argv[0], &plan, run_files), workers, "");
}
