#include "pattern.h"

#include "timing.h"

static const uint64_t kMagic = 0x5643465352454331ULL;
static const uint64_t kStep = 0x9e3779b97f4a7c15ULL;

static uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/* Odd, therefore never zero; the top byte of each word is set for the same reason. */
static uint64_t body_word(uint64_t seed, size_t position) { return (seed + position * kStep) | 0x0101010101010101ULL; }

static uint64_t record_seed(uint64_t stream, uint64_t number) { return mix(mix(stream + 1) ^ (number + 1)); }

void record_fill(uint64_t *record, size_t block, uint64_t stream, uint64_t number) {
  uint64_t seed = record_seed(stream, number);
  record[0] = kMagic;
  record[1] = stream;
  record[2] = number;
  record[3] = 0;
  for (size_t i = RECORD_HEADER_WORDS; i < block / 8; i++) record[i] = body_word(seed, i);
}

void record_stamp(uint64_t *record) { record[3] = (uint64_t)now_ns(); }

int64_t record_time_ns(const uint64_t *record) { return (int64_t)record[3]; }

static RecordVerdict verdict_at(const uint64_t *record, size_t block, size_t word, size_t *wrong_at) {
  if (wrong_at) *wrong_at = word * 8;
  for (size_t i = RECORD_HEADER_WORDS; i < block / 8; i++)
    if (record[i] == 0) return RECORD_ZEROS;
  return record[0] == 0 ? RECORD_ZEROS : RECORD_WRONG;
}

RecordVerdict record_check(const uint64_t *record, size_t block, uint64_t stream, uint64_t number, size_t *wrong_at) {
  uint64_t seed = record_seed(stream, number);
  if (record[0] != kMagic) return verdict_at(record, block, 0, wrong_at);
  if (record[1] != stream) return verdict_at(record, block, 1, wrong_at);
  if (record[2] != number) return verdict_at(record, block, 2, wrong_at);
  if (record[3] == 0) return verdict_at(record, block, 3, wrong_at);
  for (size_t i = RECORD_HEADER_WORDS; i < block / 8; i++)
    if (record[i] != body_word(seed, i)) return verdict_at(record, block, i, wrong_at);
  return RECORD_GOOD;
}

int record_has_only_holes(const uint64_t *record, size_t block, uint64_t stream, uint64_t number) {
  uint64_t seed = record_seed(stream, number);
  const uint64_t header[] = {kMagic, stream, number, record[3]};
  for (size_t i = 0; i < block / 8; i++)
    if (record[i] != 0 && record[i] != (i < RECORD_HEADER_WORDS ? header[i] : body_word(seed, i))) return 0;
  return 1;
}
