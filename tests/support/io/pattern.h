/* Self-checking records: every byte of a file can be verified from its offset alone.
 *
 * A record is `block` bytes: magic, stream, number, time of writing (CLOCK_MONOTONIC, ns), then words that follow from
 * (stream, number, position). No word is ever zero, so a zero that is read is a byte nobody wrote. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { RECORD_HEADER_WORDS = 4 };

typedef enum { RECORD_GOOD, RECORD_ZEROS, RECORD_WRONG } RecordVerdict;

/* block: a multiple of 8, at least 64. The time is set by the caller just before the write, see record_stamp(). */
void record_fill(uint64_t* record, size_t block, uint64_t stream, uint64_t number);
void record_stamp(uint64_t* record);
int64_t record_time_ns(const uint64_t* record);

/* RECORD_ZEROS: it differs, and a word of it is zero. `wrong_at` (may be null): offset of the first wrong byte's word.
 */
RecordVerdict record_check(const uint64_t* record, size_t block, uint64_t stream, uint64_t number, size_t* wrong_at);

/* Every word is the right one or zero: nothing but holes is wrong with it. */
int record_has_only_holes(const uint64_t* record, size_t block, uint64_t stream, uint64_t number);
