/* Checks a finished file of records from beginning to end. Records that a writer was told an error about (holes-from …
 * holes-to - 1) may have holes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "pattern.h"

static ssize_t read_fully(int fd, char *buffer, size_t size) {
  size_t have = 0;
  while (have < size) {
    ssize_t n = read(fd, buffer + have, size - have);
    if (n < 0) return -1;
    if (n == 0) break;
    have += (size_t)n;
  }
  return (ssize_t)have;
}

int command_verify(int argc, char **argv) {
  size_t block = (size_t)option_number(argc, argv, "block", 32768), partial = 0, bad = 0, holes = 0;
  uint64_t stream = (uint64_t)option_number(argc, argv, "stream", 1), records = 0, first_bad = 0;
  uint64_t holes_from = (uint64_t)option_number(argc, argv, "holes-from", 0);
  uint64_t holes_to = (uint64_t)option_number(argc, argv, "holes-to", 0);
  double expected = option_number(argc, argv, "records", -1);
  int fd = open(argv[0], O_RDONLY), error = fd < 0 ? errno : 0;
  char *record = aligned_buffer(block);
  while (!error) {
    ssize_t n = read_fully(fd, record, block);
    if (n < 0) error = errno;
    if (n < (ssize_t)block) {
      partial = n > 0 ? (size_t)n : 0;
      break;
    }
    size_t at;
    if (record_check((uint64_t *)record, block, stream, records, &at) != RECORD_GOOD) {
      int may_have_holes = records >= holes_from && records < holes_to;
      if (may_have_holes && record_has_only_holes((uint64_t *)record, block, stream, records))
        holes++;
      else if (bad++ == 0)
        first_bad = records * block + at;
    }
    records++;
  }
  printf("{\"records\": %lu, \"partial\": %zu, \"bad\": %zu, \"holes\": %zu, \"first_bad_offset\": %lu, \"error\": \"%s\"}\n",
         records, partial, bad, holes, first_bad, error ? strerror(error) : "");
  return error || bad || partial || (expected >= 0 && (double)records != expected) ? 1 : 0;
}
