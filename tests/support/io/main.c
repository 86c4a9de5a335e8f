/* vcfs-test-io: writers and readers whose bytes can be checked and whose waits are measured.
 * Each command prints one line of JSON and returns 0 when everything was as it should be. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *usage;
} kCommands[] = {
    {"record", command_record, "FILE [rate=BYTES/S] [block=N] [seconds=S] [stream=N] [fsync=MS] [append] [keep-open=S] [stop-file=F]"},
    {"follow", command_follow, "FILE|- [block=N] [stream=N] [poll=MS] [idle=S] [done-file=F] [reopen]"},
    {"verify", command_verify, "FILE [block=N] [stream=N] [records=N]"},
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc >= 3 && i < sizeof kCommands / sizeof *kCommands; i++)
    if (strcmp(argv[1], kCommands[i].name) == 0) return kCommands[i].run(argc - 2, argv + 2);
  for (size_t i = 0; i < sizeof kCommands / sizeof *kCommands; i++)
    fprintf(stderr, "vcfs-test-io %s %s\n", kCommands[i].name, kCommands[i].usage);
  return 2;
}
