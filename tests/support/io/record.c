/* A recorder: paced writes of self-checking records, fsync now and then, every call timed.
 * A call that fails is noted and repeated (a recorder goes on); acknowledged bytes are those of successful calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "pattern.h"
#include "timing.h"

typedef struct {
  int fd;
  size_t block;
  uint64_t stream, written, synced;
  uint64_t safe;      /* records that an fsync before the first error acknowledged */
  uint64_t sure_from; /* records from this one on were written after the last error */
  int64_t start_ns;
  Latencies writes, fsyncs, closes;
  size_t errors;
  int first_errno;
  const char *first_call;
} Recorder;

static void note_error(Recorder *r, const char *call, int error) {
  if (r->errors++ == 0) r->first_errno = error, r->first_call = call, r->safe = r->synced;
  r->sure_from = r->written;
}

static int write_record(Recorder *r, uint64_t *buffer) {
  record_fill(buffer, r->block, r->stream, r->written);
  record_stamp(buffer);
  int64_t begin = now_ns();
  ssize_t n = write(r->fd, buffer, r->block);
  latencies_add(&r->writes, begin, now_ns());
  if (n == (ssize_t)r->block) {
    r->written++;
    return 1;
  }
  note_error(r, "write", n < 0 ? errno : EIO);
  if (n > 0 && lseek(r->fd, -n, SEEK_CUR) < 0) note_error(r, "lseek", errno);
  return 0;
}

static void sync_file(Recorder *r) {
  int64_t begin = now_ns();
  int failed = fsync(r->fd);
  latencies_add(&r->fsyncs, begin, now_ns());
  if (failed)
    note_error(r, "fsync", errno);
  else
    r->synced = r->written;
}

static void run(Recorder *r, double rate, double seconds, double fsync_ms, const char *stop_file) {
  uint64_t *buffer = aligned_buffer(r->block);
  int64_t period = rate > 0 ? (int64_t)((double)r->block / rate * 1e9) : 0;
  int64_t end = r->start_ns + (int64_t)(seconds * 1e9), next_sync = r->start_ns + (int64_t)(fsync_ms * 1e6);
  for (int64_t due = r->start_ns; due < end && r->errors < 1000; due += period) {
    if (period) sleep_until_ns(due);
    if (!period && now_ns() >= end) break;
    if (stop_file && access(stop_file, F_OK) == 0) break;
    if (!write_record(r, buffer)) sleep_until_ns(now_ns() + 10000000);
    if (fsync_ms > 0 && now_ns() >= next_sync) {
      sync_file(r);
      next_sync += (int64_t)(fsync_ms * 1e6);
      if (next_sync < now_ns()) next_sync = now_ns();
    }
    /* After a stall the missed writes come at once, like those of a live encoder; one long over is given up. */
    if (now_ns() > end + 60000000000LL) break;
  }
  free(buffer);
}

static int report(Recorder *r) {
  printf("{\"records\": %lu, \"synced\": %lu, \"safe\": %lu, \"sure_from\": %lu, \"block\": %zu, \"bytes\": %lu, \"errors\": %zu, "
         "\"first_error\": \"%s%s%s\", \"seconds\": %.3f, ",
         r->written, r->synced, r->errors ? r->safe : r->synced, r->sure_from, r->block, r->written * r->block, r->errors, r->errors ? r->first_call : "",
         r->errors ? ": " : "", r->errors ? strerror(r->first_errno) : "", (double)(now_ns() - r->start_ns) / 1e9);
  latencies_print("write", &r->writes);
  printf(", ");
  latencies_print("fsync", &r->fsyncs);
  printf(", ");
  latencies_print("close", &r->closes);
  printf("}\n");
  latencies_free(&r->writes);
  latencies_free(&r->fsyncs);
  latencies_free(&r->closes);
  return r->errors ? 1 : 0;
}

int command_record(int argc, char **argv) {
  Recorder r = {.block = (size_t)option_number(argc, argv, "block", 32768),
                .stream = (uint64_t)option_number(argc, argv, "stream", 1),
                .start_ns = now_ns()};
  latencies_init(&r.writes, r.start_ns);
  latencies_init(&r.fsyncs, r.start_ns);
  latencies_init(&r.closes, r.start_ns);
  int flags = O_WRONLY | O_CREAT | (option_text(argc, argv, "append") ? O_APPEND : O_TRUNC);
  r.fd = open(argv[0], flags, 0644);
  if (r.fd < 0) {
    note_error(&r, "open", errno);
    return report(&r);
  }
  printf("{\"opened\": true}\n");
  fflush(stdout);
  run(&r, option_number(argc, argv, "rate", 500000), option_number(argc, argv, "seconds", 10),
      option_number(argc, argv, "fsync", 0), option_text(argc, argv, "stop-file"));
  sleep_until_ns(now_ns() + (int64_t)(option_number(argc, argv, "keep-open", 0) * 1e9));
  int64_t begin = now_ns();
  if (close(r.fd)) note_error(&r, "close", errno);
  latencies_add(&r.closes, begin, now_ns());
  return report(&r);
}
