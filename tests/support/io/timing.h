/* Clock, sleeping until an instant, and percentiles of latencies. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int64_t now_ns(void);              /* CLOCK_MONOTONIC: the same for all processes of the machine */
void sleep_until_ns(int64_t when); /* resumes after signals */

typedef struct {
  double* values; /* milliseconds */
  size_t count, capacity;
  double max_ms;
  double max_at_s; /* when the largest ended, in seconds since `origin_ns` */
  int64_t origin_ns;
} Latencies;

void latencies_init(Latencies* l, int64_t origin_ns);
void latencies_add(Latencies* l, int64_t begin_ns, int64_t end_ns);
void latencies_merge(Latencies* into, const Latencies* from);
/* Prints `"name": {"n": …, "p50_ms": …, "p99_ms": …, "p999_ms": …, "max_ms": …, "max_at_s": …}`. Sorts the values. */
void latencies_print(const char* name, Latencies* l);
void latencies_free(Latencies* l);
