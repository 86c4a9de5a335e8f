#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

const char *option_text(int argc, char **argv, const char *key) {
  size_t length = strlen(key);
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], key, length) != 0) continue;
    if (argv[i][length] == '=') return argv[i] + length + 1;
    if (argv[i][length] == 0) return "1";
  }
  return NULL;
}

double option_number(int argc, char **argv, const char *key, double fallback) {
  const char *text = option_text(argc, argv, key);
  if (!text) return fallback;
  char *end;
  double value = strtod(text, &end);
  if (*end) {
    fprintf(stderr, "%s=%s is not a number\n", key, text);
    exit(2);
  }
  return value;
}

void *aligned_buffer(size_t size) {
  void *p;
  if (posix_memalign(&p, 4096, size)) abort();
  memset(p, 0, size);
  return p;
}
