/* One file, one thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static double seconds_between(int64_t begin, int64_t end) { return (double)(end - begin) / 1e9; }

int bench_write(int argc, char **argv) {
  size_t size = bench_option(argc, argv, "size", 1u << 30), block = bench_option(argc, argv, "block", 1u << 20);
  char *buffer = bench_buffer(block);
  int64_t begin = now_ns();
  int fd = open(argv[0], O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd < 0) bench_fail("open", argv[0]);
  for (size_t offset = 0; offset < size; offset += block) {
    *(size_t *)buffer = offset + 1;
    if (write(fd, buffer, block) != (ssize_t)block) bench_fail("write", argv[0]);
  }
  int64_t written = now_ns();
  if (fsync(fd)) bench_fail("fsync", argv[0]);
  int64_t synced = now_ns();
  if (close(fd)) bench_fail("close", argv[0]);
  int64_t end = now_ns();
  printf("{\"bytes\": %zu, \"seconds\": %.4f, \"MB_s\": %.2f, \"write_s\": %.4f, \"fsync_s\": %.4f, \"close_s\": %.4f}\n", size,
         seconds_between(begin, end), (double)size / 1e6 / seconds_between(begin, end), seconds_between(begin, written),
         seconds_between(written, synced), seconds_between(synced, end));
  return 0;
}

int bench_read(int argc, char **argv) {
  size_t block = bench_option(argc, argv, "block", 1u << 20), total = 0;
  char *buffer = bench_buffer(block);
  int64_t begin = now_ns();
  int fd = open(argv[0], O_RDONLY);
  if (fd < 0) bench_fail("open", argv[0]);
  ssize_t n;
  while ((n = read(fd, buffer, block)) > 0) total += (size_t)n;
  if (n < 0) bench_fail("read", argv[0]);
  close(fd);
  double seconds = seconds_between(begin, now_ns());
  printf("{\"bytes\": %zu, \"seconds\": %.4f, \"MB_s\": %.2f}\n", total, seconds, (double)total / 1e6 / seconds);
  return 0;
}

static uint32_t *shuffled(size_t n) {
  uint32_t *order = malloc(n * sizeof *order);
  uint64_t x = 1181783497276652981ULL;
  for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
  for (size_t i = n - 1; i > 0; i--) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    size_t j = x % (i + 1);
    uint32_t swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  return order;
}

int bench_random(int argc, char **argv) {
  size_t block = bench_option(argc, argv, "block", 4096), done = 0;
  double limit = option_number(argc, argv, "seconds", 5);
  char *buffer = bench_buffer(block);
  int fd = open(argv[0], O_RDONLY);
  struct stat st;
  if (fd < 0 || fstat(fd, &st)) bench_fail("open", argv[0]);
  size_t blocks = (size_t)st.st_size / block;
  if (blocks == 0) errno = EINVAL, bench_fail("size", argv[0]);
  uint32_t *order = shuffled(blocks);
  Latencies calls;
  int64_t begin = now_ns(), end = begin;
  latencies_init(&calls, begin);
  while (done < blocks && seconds_between(begin, end) < limit) {
    int64_t start = now_ns();
    if (pread(fd, buffer, block, (off_t)order[done++] * (off_t)block) != (ssize_t)block) bench_fail("pread", argv[0]);
    end = now_ns();
    latencies_add(&calls, start, end);
  }
  printf("{\"operations\": %zu, \"bytes\": %zu, \"per_s\": %.1f, ", done, done * block, (double)done / seconds_between(begin, end));
  latencies_print("call", &calls);
  printf("}\n");
  return 0;
}
