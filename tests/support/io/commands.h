/* The commands of vcfs-test-io. argv[0] is the file, the rest are key=value options. */
#pragma once

#include <stddef.h>

int command_record(int argc, char** argv);
int command_follow(int argc, char** argv);
int command_verify(int argc, char** argv);

/* Value of `key=…` in argv[1…], or the default; a bare `key` counts as 1. */
double option_number(int argc, char** argv, const char* key, double fallback);
const char* option_text(int argc, char** argv, const char* key);
void* aligned_buffer(size_t size);
