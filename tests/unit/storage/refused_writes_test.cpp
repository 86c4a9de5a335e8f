#include "storage/core/refused_writes.h"

#include <gtest/gtest.h>

namespace vcfs::storage {
namespace {

constexpr std::byte kBytes[1000] = {};
const Error kFull(Errc::noSpace, "no room");

Mutation write(std::uint64_t sequence, std::uint64_t first, std::uint64_t offset, std::size_t size = 100) {
  Mutation mutation;
  mutation.client = 7;
  mutation.sequence = sequence;
  mutation.first = first;
  mutation.offset = offset;
  mutation.data = std::span(kBytes, size);
  return mutation;
}

// There was no room for the fifth write, at the end of a file of 400 bytes.
RefusedWrites fullAtTheEnd() {
  RefusedWrites refused;
  refused.note(write(5, 3, 400), 400, kFull);
  return refused;
}

TEST(RefusedWrites, what_was_given_away_before_the_refusal_was_known_is_refused_too) {
  EXPECT_FALSE(RefusedWrites().refuses(write(5, 3, 400)));
  const RefusedWrites refused = fullAtTheEnd();
  ASSERT_TRUE(refused.refuses(write(6, 3, 500)));
  EXPECT_EQ(refused.refuses(write(6, 3, 500))->code(), Errc::noSpace);
  EXPECT_TRUE(refused.refuses(write(7, 5, 600)));
}

TEST(RefusedWrites, a_client_that_was_told_goes_on) {
  RefusedWrites refused = fullAtTheEnd();
  EXPECT_FALSE(refused.refuses(write(6, 6, 400)));
  EXPECT_FALSE(refused.refuses(write(6, 6, 900)));
}

TEST(RefusedWrites, what_stays_in_front_of_the_gap_is_executed) {
  RefusedWrites refused = fullAtTheEnd();
  EXPECT_FALSE(refused.refuses(write(6, 3, 0)));
  EXPECT_FALSE(refused.refuses(write(6, 3, 300)));
  EXPECT_TRUE(refused.refuses(write(6, 3, 301)));
}

TEST(RefusedWrites, one_within_the_file_leaves_no_gap) {
  RefusedWrites refused;
  refused.note(write(5, 3, 200), 400, kFull);
  EXPECT_FALSE(refused.refuses(write(6, 3, 400)));
}

TEST(RefusedWrites, other_clients_are_none_of_its_business) {
  RefusedWrites refused = fullAtTheEnd();
  Mutation other = write(6, 3, 500);
  other.client = 8;
  EXPECT_FALSE(refused.refuses(other));
}

TEST(RefusedWrites, only_what_the_disk_refuses_counts) {
  RefusedWrites refused;
  refused.note(write(5, 3, 400), 400, Error(Errc::io, "broken"));
  EXPECT_FALSE(refused.refuses(write(6, 3, 500)));
}

// At the next primary, which had refused them as well.
TEST(RefusedWrites, repeats_in_order_make_up_for_it) {
  RefusedWrites refused = fullAtTheEnd();
  refused.note(write(6, 3, 500), 500, kFull);
  EXPECT_FALSE(refused.refuses(write(5, 3, 400)));
  refused.executed(write(5, 3, 400));
  EXPECT_FALSE(refused.refuses(write(6, 3, 500)));
  EXPECT_FALSE(refused.refuses(write(7, 3, 600)));
}

TEST(RefusedWrites, what_is_executed_in_front_of_the_gap_makes_up_for_nothing) {
  RefusedWrites refused = fullAtTheEnd();
  refused.executed(write(6, 3, 0));
  EXPECT_TRUE(refused.refuses(write(7, 3, 600)));
}

TEST(RefusedWrites, a_later_refusal_counts_by_itself) {
  RefusedWrites refused = fullAtTheEnd();
  refused.note(write(9, 9, 400), 400, kFull);
  EXPECT_TRUE(refused.refuses(write(10, 9, 500)));
  EXPECT_FALSE(refused.refuses(write(10, 10, 500)));
}

}  // namespace
}  // namespace vcfs::storage
