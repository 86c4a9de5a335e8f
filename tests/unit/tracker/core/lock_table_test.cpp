#include "tracker/core/lock_table.h"

#include <gtest/gtest.h>

namespace vcfs::tracker {
namespace {

FileLock lock(std::uint64_t owner, LockType type, std::uint64_t start, std::uint64_t end) {
  FileLock made;
  made.type = type;
  made.start = start;
  made.end = end;
  made.client = 1;
  made.owner = owner;
  return made;
}

constexpr auto none = LockType::none;
constexpr auto shared = LockType::shared;
constexpr auto exclusive = LockType::exclusive;

// The table after `wanted`, as "owner:type start-end …".
std::string after(std::vector<FileLock> held, const FileLock& wanted) {
  const LockEdit edit = editFor(held, wanted);
  for (const FileLock& gone : edit.remove) std::erase(held, gone);
  held.insert(held.end(), edit.add.begin(), edit.add.end());
  std::sort(held.begin(), held.end(), [](const FileLock& a, const FileLock& b) {
    return std::pair(a.owner, a.start) < std::pair(b.owner, b.start);
  });
  std::string text;
  for (const FileLock& one : held) {
    text += (text.empty() ? "" : " ") + std::to_string(one.owner) + (one.type == shared ? "s" : "x") +
            std::to_string(one.start) + "-" + (one.end == kLockToEnd ? "" : std::to_string(one.end));
  }
  return text;
}

TEST(LockTable, exclusive_excludes_overlapping_ranges_of_others_only) {
  const std::vector<FileLock> held{lock(1, exclusive, 10, 19)};
  EXPECT_TRUE(conflictOf(held, lock(2, shared, 19, 30)));
  EXPECT_TRUE(conflictOf(held, lock(2, exclusive, 0, kLockToEnd)));
  EXPECT_FALSE(conflictOf(held, lock(2, exclusive, 20, kLockToEnd)));
  EXPECT_FALSE(conflictOf(held, lock(2, exclusive, 0, 9)));
  EXPECT_FALSE(conflictOf(held, lock(1, exclusive, 0, 100)));
  EXPECT_FALSE(conflictOf(held, lock(2, none, 0, 100)));
}

TEST(LockTable, the_same_owner_number_of_another_client_is_somebody_else) {
  const std::vector<FileLock> held{lock(1, exclusive, 10, 19)};
  FileLock other = lock(1, shared, 10, 10);
  other.client = 2;
  EXPECT_TRUE(conflictOf(held, other));
}

TEST(LockTable, shared_locks_go_together_and_the_first_conflict_is_told) {
  const std::vector<FileLock> held{lock(1, shared, 50, 59), lock(2, shared, 10, 19)};
  EXPECT_FALSE(conflictOf(held, lock(3, shared, 0, 100)));
  EXPECT_EQ(conflictOf(held, lock(3, exclusive, 0, 100))->start, 10u);
}

TEST(LockTable, unlocking_splits_cuts_and_removes) {
  const std::vector<FileLock> held{lock(1, exclusive, 10, 29)};
  EXPECT_EQ(after(held, lock(1, none, 15, 19)), "1x10-14 1x20-29");
  EXPECT_EQ(after(held, lock(1, none, 0, 14)), "1x15-29");
  EXPECT_EQ(after(held, lock(1, none, 20, kLockToEnd)), "1x10-19");
  EXPECT_EQ(after(held, lock(1, none, 0, kLockToEnd)), "");
  EXPECT_EQ(after(held, lock(1, none, 40, 50)), "1x10-29");
  EXPECT_EQ(after(held, lock(2, none, 0, kLockToEnd)), "1x10-29");
}

TEST(LockTable, another_type_in_the_middle_splits_and_the_same_type_joins) {
  const std::vector<FileLock> held{lock(1, exclusive, 10, 29)};
  EXPECT_EQ(after(held, lock(1, shared, 15, 19)), "1x10-14 1s15-19 1x20-29");
  EXPECT_EQ(after(held, lock(1, exclusive, 30, 39)), "1x10-39");
  EXPECT_EQ(after(held, lock(1, exclusive, 0, 9)), "1x0-29");
  EXPECT_EQ(after(held, lock(1, exclusive, 31, 39)), "1x10-29 1x31-39");
  EXPECT_EQ(after(held, lock(1, exclusive, 20, kLockToEnd)), "1x10-");
  EXPECT_EQ(after({lock(1, shared, 0, 4), lock(1, shared, 10, 14)}, lock(1, shared, 5, 9)), "1s0-14");
}

TEST(LockTable, the_same_lock_again_changes_nothing) {
  const std::vector<FileLock> held{lock(1, exclusive, 10, kLockToEnd)};
  EXPECT_TRUE(editFor(held, held[0]).empty());
  EXPECT_TRUE(editFor(held, lock(1, exclusive, 20, 30)).empty());
}

TEST(LockTable, giving_up_and_weakening_lets_others_try_again) {
  const std::vector<FileLock> held{lock(1, exclusive, 10, 29)};
  EXPECT_TRUE(editFor(held, lock(1, none, 10, 10)).gaveUp);
  EXPECT_TRUE(editFor(held, lock(1, shared, 0, 100)).gaveUp);
  EXPECT_FALSE(editFor(held, lock(1, exclusive, 0, 100)).gaveUp);
  EXPECT_FALSE(editFor(held, lock(1, none, 30, 100)).gaveUp);
}

}  // namespace
}  // namespace vcfs::tracker
