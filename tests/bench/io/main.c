/* vcfs-bench-io: the hot loops of the bench, in C so that the measuring client costs next to nothing.
 * Each command prints one line of JSON; times are of whole calls. See tests/bench/README.md. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *usage;
} kCommands[] = {
    {"write", bench_write, "FILE size=N block=N: sequential, fsync, close"},
    {"read", bench_read, "FILE block=N: sequential to the end"},
    {"random", bench_random, "FILE block=N seconds=S: each block at most once, in random order"},
    {"streams", bench_streams, "DIR n=N size=N block=N: N files written at once, as fast as it goes"},
    {"paced", bench_paced, "DIR n=N rate=BYTES/S block=N seconds=S: N recorders"},
    {"readers", bench_readers, "DIR n=N block=N: the files of `streams`, read at once"},
    {"files", bench_files, "DIR op=create|stat|read|rename|unlink workers=N count=N: small files of 4 KiB"},
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc >= 3 && i < sizeof kCommands / sizeof *kCommands; i++)
    if (strcmp(argv[1], kCommands[i].name) == 0) return kCommands[i].run(argc - 2, argv + 2);
  for (size_t i = 0; i < sizeof kCommands / sizeof *kCommands; i++)
    fprintf(stderr, "vcfs-bench-io %s %s\n", kCommands[i].name, kCommands[i].usage);
  return 2;
}
