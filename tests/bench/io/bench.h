#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../support/io/commands.h"
#include "../../support/io/timing.h"

int bench_write(int argc, char** argv);
int bench_read(int argc, char** argv);
int bench_random(int argc, char** argv);
int bench_streams(int argc, char** argv);
int bench_paced(int argc, char** argv);
int bench_readers(int argc, char** argv);
int bench_files(int argc, char** argv);

/* Prints {"error": …} and ends the process. */
void bench_fail(const char* call, const char* path) __attribute__((noreturn));
/* A buffer whose bytes do not compress and differ from zero. */
char* bench_buffer(size_t size);
size_t bench_option(int argc, char** argv, const char* key, size_t fallback);

/* Worker threads that begin together. `run` gets its worker; errors are counted, not fatal. */
typedef struct Worker {
  int number;
  const char* directory;
  size_t bytes, operations, errors, late;
  int first_errno;
  int64_t begin_ns, end_ns;
  Latencies calls, closes;
  const void* plan;
} Worker;

typedef void (*WorkerRun)(Worker* worker);
/* Runs n workers and returns them; the caller reports. */
Worker* bench_workers(int n, const char* directory, const void* plan, WorkerRun run);
void bench_note_error(Worker* worker);
/* Bytes, seconds, MB/s, errors, latencies of all workers together; `extra` is put at the end (", \"x\": 1" or ""). */
int bench_report(Worker* workers, int n, const char* extra);
