/* A follower: reads a growing file record by record, checks every byte, and measures how old each record is when it
 * can be read. From "-" it reads standard input (an HTTP stream) until its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "pattern.h"
#include "timing.h"

typedef struct {
  const char *path;
  int fd, reopen;
  size_t block, have; /* bytes of the present record that were read */
  uint64_t stream, records;
  size_t zeros, wrong, shrinks, errors;
  uint64_t first_bad_offset;
  int first_errno;
  off_t largest_size;
  Latencies ages, stalls;
  int64_t last_progress_ns;
} Follower;

static void note_error(Follower *f, int error) {
  if (f->errors++ == 0) f->first_errno = error;
}

static void finish_record(Follower *f, uint64_t *record) {
  size_t at;
  RecordVerdict verdict = record_check(record, f->block, f->stream, f->records, &at);
  if (verdict == RECORD_GOOD)
    latencies_add(&f->ages, record_time_ns(record), now_ns());
  else if (f->zeros + f->wrong == 0)
    f->first_bad_offset = f->records * f->block + at;
  f->zeros += verdict == RECORD_ZEROS;
  f->wrong += verdict == RECORD_WRONG;
  f->records++;
  f->have = 0;
}

/* The size must never go back, and never be ahead of bytes that can be read. */
static void check_size(Follower *f) {
  struct stat st;
  if (f->fd < 0) return;
  if (fstat(f->fd, &st)) {
    note_error(f, errno);
    return;
  }
  if (st.st_size < f->largest_size) f->shrinks++;
  f->largest_size = st.st_size;
}

/* Returns whether anything came. */
static int read_some(Follower *f, char *record) {
  if (f->fd < 0) f->fd = open(f->path, O_RDONLY);
  if (f->fd < 0) {
    if (errno != ENOENT) note_error(f, errno);
    return 0;
  }
  off_t offset = (off_t)(f->records * f->block + f->have);
  ssize_t n = pread(f->fd, record + f->have, f->block - f->have, offset);
  if (n < 0) note_error(f, errno);
  if (n > 0) f->have += (size_t)n;
  if (f->have == f->block) finish_record(f, (uint64_t *)record);
  return n > 0;
}

static void follow_file(Follower *f, double poll_ms, double idle_s, const char *done_file) {
  char *record = aligned_buffer(f->block);
  f->last_progress_ns = now_ns();
  for (unsigned round = 0;; round++) {
    int done = done_file && access(done_file, F_OK) == 0; /* asked before the read: the bytes are all there then */
    int64_t before = now_ns();
    if (read_some(f, record)) {
      latencies_add(&f->stalls, f->last_progress_ns, now_ns());
      f->last_progress_ns = now_ns();
      if (round % 16 == 0) check_size(f);
      continue;
    }
    check_size(f);
    if (done || before - f->last_progress_ns > (int64_t)(idle_s * 1e9) || f->errors > 1000) break;
    if (f->reopen && f->fd >= 0) close(f->fd), f->fd = -1;
    sleep_until_ns(before + (int64_t)(poll_ms * 1e6));
  }
  free(record);
}

static void follow_stdin(Follower *f) {
  char *record = aligned_buffer(f->block);
  f->last_progress_ns = now_ns();
  for (;;) {
    ssize_t n = read(0, record + f->have, f->block - f->have);
    if (n < 0) note_error(f, errno);
    if (n <= 0) break;
    latencies_add(&f->stalls, f->last_progress_ns, now_ns());
    f->last_progress_ns = now_ns();
    f->have += (size_t)n;
    if (f->have == f->block) finish_record(f, (uint64_t *)record);
  }
  free(record);
}

int command_follow(int argc, char **argv) {
  Follower f = {.path = argv[0],
                .fd = -1,
                .reopen = option_text(argc, argv, "reopen") != NULL,
                .block = (size_t)option_number(argc, argv, "block", 32768),
                .stream = (uint64_t)option_number(argc, argv, "stream", 1)};
  latencies_init(&f.ages, now_ns());
  latencies_init(&f.stalls, now_ns());
  if (strcmp(argv[0], "-") == 0)
    follow_stdin(&f);
  else
    follow_file(&f, option_number(argc, argv, "poll", 5), option_number(argc, argv, "idle", 20),
                option_text(argc, argv, "done-file"));
  printf("{\"records\": %lu, \"partial\": %zu, \"zeros\": %zu, \"wrong\": %zu, \"first_bad_offset\": %lu, \"shrinks\": %zu, "
         "\"errors\": %zu, \"first_error\": \"%s\", ",
         f.records, f.have, f.zeros, f.wrong, f.first_bad_offset, f.shrinks, f.errors, f.errors ? strerror(f.first_errno) : "");
  latencies_print("age", &f.ages);
  printf(", ");
  latencies_print("gap", &f.stalls);
  printf("}\n");
  latencies_free(&f.ages);
  latencies_free(&f.stalls);
  return f.zeros || f.wrong || f.shrinks || f.errors || f.have ? 1 : 0;
}
