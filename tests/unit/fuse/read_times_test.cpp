// When reads move atime, and what is shown until the tracker knows.
#include "fuse/tables/read_times.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "fuse/policy/fatal_signal.h"

namespace vcfs::fuse {
namespace {

constexpr std::int64_t kDay = 86'400'000'000'000;

Attr attrOf(std::int64_t atime, std::int64_t mtime, std::int64_t ctime) {
  Attr attr;
  attr.inode = 7;
  attr.atimeNs = atime;
  attr.mtimeNs = mtime;
  attr.ctimeNs = ctime;
  return attr;
}

TEST(AtimeRule, relatime_moves_what_is_not_later_than_a_change_or_a_day_old) {
  const auto moves = [](const Attr& attr, std::int64_t now) { return movesAtime(AtimeRule::relative, attr, now); };
  EXPECT_TRUE(moves(attrOf(5, 5, 5), 6));
  EXPECT_TRUE(moves(attrOf(5, 4, 6), 7));
  EXPECT_FALSE(moves(attrOf(5, 4, 4), 6));
  EXPECT_FALSE(moves(attrOf(5, 4, 4), 4 + kDay));
  EXPECT_TRUE(moves(attrOf(5, 4, 4), 5 + kDay));
}

TEST(AtimeRule, mount_flags_choose) {
  EXPECT_EQ(atimeRules(0, false).files, AtimeRule::relative);
  EXPECT_EQ(atimeRules(MS_NOATIME, false).files, AtimeRule::never);
  EXPECT_EQ(atimeRules(0, true).directories, AtimeRule::never);
  EXPECT_EQ(atimeRules(MS_STRICTATIME, false).files, AtimeRule::always);
  EXPECT_EQ(atimeRules(MS_NODIRATIME, false).directories, AtimeRule::never);
  EXPECT_EQ(atimeRules(MS_NODIRATIME, false).files, AtimeRule::relative);
}

TEST(ReadTimes, a_read_is_shown_until_the_tracker_tells_it_itself) {
  ReadTimes reads(10);
  reads.note(7, 5, 20);
  EXPECT_EQ(reads.shown(attrOf(5, 5, 5)), 20);
  const auto batch = reads.take(10);
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].oldNs, 5);
  EXPECT_EQ(batch[0].newNs, 20);
  EXPECT_TRUE(reads.beingTold(7));
  reads.told(batch, true);
  EXPECT_TRUE(reads.allTold());
  EXPECT_EQ(reads.shown(attrOf(5, 5, 5)), 20) << "an older answer may still be on its way";
  EXPECT_EQ(reads.shown(attrOf(20, 5, 5)), 20);
}

TEST(ReadTimes, a_time_that_somebody_set_is_shown) {
  ReadTimes reads(10);
  reads.note(7, 5, 20);
  EXPECT_EQ(reads.shown(attrOf(3, 5, 9)), 3);
  reads.forget(7);
  EXPECT_EQ(reads.shown(attrOf(5, 5, 5)), 5);
  EXPECT_TRUE(reads.nothingWaits());
}

TEST(ReadTimes, what_could_not_be_told_is_told_again) {
  ReadTimes reads(10);
  reads.note(7, 5, 20);
  reads.told(reads.take(10), false);
  EXPECT_EQ(reads.take(10).size(), 1u);
}

TEST(ReadTimes, a_read_while_it_is_told_is_told_too) {
  ReadTimes reads(10);
  reads.note(7, 5, 20);
  const auto batch = reads.take(10);
  reads.note(7, 20, 30);
  EXPECT_EQ(reads.shown(attrOf(20, 5, 5)), 30) << "the tracker knows, and we have not heard that it does";
  reads.told(batch, true);
  EXPECT_EQ(reads.shown(attrOf(5, 5, 5)), 30) << "an answer from before";
  const auto next = reads.take(10);
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].oldNs, 20);
  EXPECT_EQ(next[0].newNs, 30);
}

TEST(ReadTimes, what_was_forgotten_while_it_was_told_stays_forgotten) {
  ReadTimes reads(10);
  reads.note(7, 5, 20);
  const auto batch = reads.take(10);
  reads.forget(7);
  reads.told(batch, true);
  EXPECT_EQ(reads.size(), 0u);
}

TEST(ReadTimes, the_tracker_judges_what_is_not_known) {
  ReadTimes reads(10);
  reads.note(7, std::nullopt, 20);
  EXPECT_EQ(reads.shown(attrOf(5, 4, 4)), 5);
  EXPECT_EQ(reads.shown(attrOf(5, 5, 30)), 5) << "changed after it was read";
  EXPECT_FALSE(reads.take(10)[0].oldNs);
  ReadTimes others(10);
  others.note(7, std::nullopt, 20);
  EXPECT_EQ(others.shown(attrOf(5, 5, 5)), 20);
  EXPECT_EQ(others.take(10)[0].oldNs, 5) << "known by now";
}

TEST(ReadTimes, memory_is_bounded) {
  ReadTimes reads(3);
  for (InodeId inode = 1; inode <= 3; ++inode) reads.note(inode, 5, 20);
  reads.note(4, 5, 20);
  EXPECT_FALSE(reads.waits(4)) << "all the others are still to be told";
  reads.told(reads.take(10), true);
  reads.note(4, 5, 20);
  EXPECT_TRUE(reads.waits(4));
  EXPECT_EQ(reads.size(), 3u);
}

TEST(CallerCall, chown_is_told_from_what_changes_bytes) {
  EXPECT_FALSE(isChown("running\n"));
  EXPECT_FALSE(isChown(""));
#ifdef __x86_64__
  EXPECT_TRUE(isChown("92 0x7ffe 0xffffffff 0xffffffff 0x0 0x0 0x0 0x7ffe 0x7f\n"));
  EXPECT_TRUE(isChown("260 0xffffff9c 0x7ffe 0x0\n"));
  EXPECT_FALSE(isChown("285 0x3 0x0 0x0\n"));  // fallocate
#endif
}

}  // namespace
}  // namespace vcfs::fuse
