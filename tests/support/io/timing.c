#define _GNU_SOURCE
#include "timing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void sleep_until_ns(int64_t when) {
  struct timespec t = {when / 1000000000, when % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
  }
}

void latencies_init(Latencies *l, int64_t origin_ns) {
  *l = (Latencies){.origin_ns = origin_ns, .max_ms = -1};
}

static void reserve(Latencies *l, size_t count) {
  if (count <= l->capacity) return;
  l->capacity = count > l->capacity * 2 ? count : l->capacity * 2;
  l->values = realloc(l->values, l->capacity * sizeof *l->values);
  if (!l->values) abort();
}

void latencies_add(Latencies *l, int64_t begin_ns, int64_t end_ns) {
  reserve(l, l->count + 1 < 1024 ? 1024 : l->count + 1);
  double ms = (double)(end_ns - begin_ns) / 1e6;
  l->values[l->count++] = ms;
  if (ms > l->max_ms) l->max_ms = ms, l->max_at_s = (double)(end_ns - l->origin_ns) / 1e9;
}

void latencies_merge(Latencies *into, const Latencies *from) {
  if (from->max_ms > into->max_ms) into->max_ms = from->max_ms, into->max_at_s = from->max_at_s;
  reserve(into, into->count + from->count);
  for (size_t i = 0; i < from->count; i++) into->values[into->count++] = from->values[i];
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double quantile(const Latencies *l, double q) { return l->values[(size_t)(q * (double)(l->count - 1))]; }

void latencies_print(const char *name, Latencies *l) {
  if (l->count == 0) {
    printf("\"%s\": {\"n\": 0}", name);
    return;
  }
  qsort(l->values, l->count, sizeof *l->values, ascending);
  printf("\"%s\": {\"n\": %zu, \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"max_ms\": %.4f, "
         "\"max_at_s\": %.3f}",
         name, l->count, quantile(l, .5), quantile(l, .9), quantile(l, .99), quantile(l, .999), quantile(l, 1), l->max_at_s);
}

void latencies_free(Latencies *l) { free(l->values); }
