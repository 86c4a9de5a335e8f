#include "client/src/core/name_index.h"

#include <gtest/gtest.h>

namespace vcfs::client {
namespace {

using namespace std::chrono_literals;

struct NameIndexTest : testing::Test {
  static constexpr InodeId dir = 7;
  NameIndex index{NameIndex::Limits{4, 10, 3, 2s}};
  TimePoint now{1'000'000'000'000};

  std::uint64_t make(const std::string& name) {
    const auto attempt = index.making(dir, name, now);
    index.made(dir, name);
    return attempt;
  }
  std::uint64_t askFor() {
    make("1");
    make("2");
    return make("3");
  }
  void complete(std::initializer_list<const char*> names) {
    const auto attempt = askFor();
    ASSERT_TRUE(index.granted(dir, attempt));
    for (const char* name : names) index.found(dir, attempt, name);
    index.listed(dir, attempt);
  }
};

TEST_F(NameIndexTest, asks_at_the_third_name_within_a_second) {
  EXPECT_EQ(make("a"), 0u);
  EXPECT_EQ(make("b"), 0u);
  now = now + 1100ms;
  EXPECT_EQ(make("c"), 0u) << "too slow";
  EXPECT_EQ(make("d"), 0u);
  EXPECT_NE(make("e"), 0u);
  EXPECT_EQ(make("f"), 0u) << "is asking already";
}

TEST_F(NameIndexTest, denies_only_what_is_neither_listed_nor_made_and_only_when_complete) {
  const auto attempt = askFor();
  EXPECT_FALSE(index.denies(dir, "x"));
  ASSERT_TRUE(index.granted(dir, attempt));
  index.found(dir, attempt, "listed");
  EXPECT_FALSE(index.denies(dir, "x")) << "the listing has not ended";
  make("while listing");
  index.listed(dir, attempt);
  EXPECT_TRUE(index.denies(dir, "x"));
  EXPECT_FALSE(index.denies(dir, "listed"));
  EXPECT_FALSE(index.denies(dir, "3"));
  EXPECT_FALSE(index.denies(dir, "while listing"));
  EXPECT_FALSE(index.denies(dir + 1, "x"));
}

TEST_F(NameIndexTest, a_name_is_known_from_before_it_is_made) {
  complete({});
  index.making(dir, "new", now);
  EXPECT_FALSE(index.denies(dir, "new"));
  index.removed(dir, "new");
  EXPECT_FALSE(index.denies(dir, "new")) << "something is being made: the order of the answers is not known";
  index.made(dir, "new");
  EXPECT_FALSE(index.denies(dir, "new"));
  index.removed(dir, "new");
  EXPECT_TRUE(index.denies(dir, "new"));
}

TEST_F(NameIndexTest, a_recall_before_the_answer_spoils_the_grant) {
  const auto attempt = askFor();
  index.recalled(dir, now);
  EXPECT_FALSE(index.granted(dir, attempt));
  index.refused(dir, attempt, now);
  EXPECT_EQ(askFor(), 0u) << "not again at once";
  now = now + 3s;
  EXPECT_NE(askFor(), 0u);
}

TEST_F(NameIndexTest, a_recall_while_listing_ends_that_attempt_for_ever) {
  const auto first = askFor();
  ASSERT_TRUE(index.granted(dir, first));
  index.recalled(dir, now);
  EXPECT_FALSE(index.found(dir, first, "a"));
  now = now + 3s;
  const auto second = askFor();
  ASSERT_NE(second, 0u);
  ASSERT_TRUE(index.granted(dir, second));
  index.listed(dir, first);
  EXPECT_FALSE(index.denies(dir, "x")) << "the first listing's end is not the second's";
  index.listed(dir, second);
  EXPECT_TRUE(index.denies(dir, "x"));
}

TEST_F(NameIndexTest, a_lost_session_takes_every_lease_along) {
  complete({});
  ASSERT_TRUE(index.denies(dir, "x"));
  index.lost();
  EXPECT_FALSE(index.denies(dir, "x"));
}

TEST_F(NameIndexTest, a_directory_that_grows_too_large_is_given_up) {
  complete({});
  for (int i = 0; i < 12; ++i) make(std::to_string(i));
  EXPECT_FALSE(index.denies(dir, "x"));
}

TEST_F(NameIndexTest, forgets_the_directory_used_longest_ago) {
  complete({});
  for (InodeId other = 100; other < 104; ++other) {
    index.making(other, "n", now);
    index.made(other, "n");
  }
  EXPECT_FALSE(index.denies(dir, "x"));
}

}  // namespace
}  // namespace vcfs::client
