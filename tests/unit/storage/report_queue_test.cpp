#include "storage/core/report_queue.h"

#include <gtest/gtest.h>

#include "storage/core/removed_replicas.h"

namespace vcfs::storage {
namespace {

using Inodes = std::vector<InodeId>;

TEST(ReportQueue, closings_are_told_without_the_sizes_of_others) {
  ReportQueue queue;
  queue.noteOpen(1);
  queue.noteOpen(2);
  queue.noteClosing(3);
  EXPECT_EQ(queue.next(false), Inodes{3});
  EXPECT_EQ(queue.next(true), (Inodes{1, 2, 3}));
}

TEST(ReportQueue, closing_is_due_until_it_was_heard) {
  ReportQueue queue;
  queue.noteClosing(3);
  queue.next(false);
  EXPECT_EQ(queue.next(false), Inodes{3});
  queue.forget(3);
  EXPECT_TRUE(queue.next(false).empty());
  EXPECT_TRUE(queue.next(true).empty());
}

TEST(ReportQueue, file_that_was_opened_again_is_told_with_the_sizes) {
  ReportQueue queue;
  queue.noteClosing(3);
  queue.notUrgent(3);
  EXPECT_FALSE(queue.anyUrgent());
  EXPECT_TRUE(queue.waits(3));
  EXPECT_TRUE(queue.next(false).empty());
  EXPECT_EQ(queue.next(true), Inodes{3});
}

TEST(ReportQueue, every_file_has_its_turn_when_one_call_cannot_hold_all) {
  ReportQueue queue;
  constexpr InodeId kFiles = 2 * ReportQueue::kPerCall - 100;
  for (InodeId inode = 1; inode <= kFiles; ++inode) queue.noteOpen(inode);
  const Inodes first = queue.next(true);
  ASSERT_EQ(first.size(), ReportQueue::kPerCall);
  const Inodes second = queue.next(true);
  ASSERT_EQ(second.size(), ReportQueue::kPerCall);
  EXPECT_EQ(second.front(), first.back() + 1);
  EXPECT_EQ(second.back(), 100u) << "round the end, without telling of any file twice";
}

TEST(ReportQueue, closing_that_was_heard_is_kept_until_it_is_stable) {
  ReportQueue queue;
  queue.noteClosing(3);
  queue.heardClosing(3);
  EXPECT_TRUE(queue.next(true).empty());
  EXPECT_TRUE(queue.waits(3));
  ASSERT_TRUE(queue.beginSettling());
  EXPECT_TRUE(queue.waits(3));
  EXPECT_EQ(queue.endSettling(true), Inodes{3});
  EXPECT_FALSE(queue.waits(3));
  EXPECT_FALSE(queue.beginSettling());
}

TEST(ReportQueue, closings_that_could_not_be_settled_are_tried_again) {
  ReportQueue queue;
  queue.heardClosing(3);
  queue.beginSettling();
  queue.heardClosing(4);
  EXPECT_TRUE(queue.endSettling(false).empty());
  EXPECT_TRUE(queue.next(true).empty()) << "the tracker has them";
  ASSERT_TRUE(queue.beginSettling());
  EXPECT_EQ(queue.endSettling(true), (Inodes{3, 4}));
}

TEST(ReportQueue, closing_that_is_heard_while_another_is_settled_waits_for_the_next_time) {
  ReportQueue queue;
  queue.heardClosing(3);
  queue.heardClosing(4);
  queue.beginSettling();
  queue.noteClosing(3);  // opened and closed again
  queue.heardClosing(3);
  EXPECT_EQ(queue.endSettling(true), Inodes{4});
  EXPECT_TRUE(queue.beginSettling());
  EXPECT_EQ(queue.endSettling(true), Inodes{3});
}

TEST(ReportQueue, what_may_be_lost_is_told_again_at_once) {
  ReportQueue queue;
  queue.heardClosing(3);
  queue.beginSettling();
  queue.heardClosing(4);
  queue.tellHeardAgain();
  EXPECT_EQ(queue.next(false), (Inodes{3, 4}));
  EXPECT_TRUE(queue.endSettling(true).empty()) << "that was another tracker's answer";
}

TEST(ReportQueue, keeps_so_many_heard_closings_and_no_more) {
  ReportQueue queue;
  for (InodeId inode = 1; inode <= ReportQueue::kMostHeard; ++inode) ASSERT_TRUE(queue.heardClosing(inode));
  EXPECT_FALSE(queue.heardClosing(ReportQueue::kMostHeard + 1));
  EXPECT_EQ(queue.heard(), ReportQueue::kMostHeard);
  queue.beginSettling();
  queue.endSettling(true);
  EXPECT_TRUE(queue.heardClosing(ReportQueue::kMostHeard + 1));
}

TEST(ReportQueue, removed_file_is_not_told_again) {
  ReportQueue queue;
  queue.heardClosing(3);
  queue.beginSettling();
  queue.heardClosing(4);
  queue.remove(3);
  queue.remove(4);
  queue.tellHeardAgain();
  EXPECT_TRUE(queue.next(true).empty());
}

TEST(ReportQueue, what_is_told_again_is_taken_once) {
  ReportQueue queue;
  queue.noteResend(7);
  EXPECT_TRUE(queue.anyResend());
  EXPECT_EQ(queue.takeResend(), InodeId{7});
  EXPECT_FALSE(queue.takeResend().has_value());
}

TEST(ReportQueue, knows_what_the_call_under_way_tells_of) {
  ReportQueue queue;
  queue.callTells(7);
  EXPECT_TRUE(queue.inCall(7));
  EXPECT_FALSE(queue.inCall(8));
  queue.callEnds();
  EXPECT_FALSE(queue.inCall(7));
}

TEST(RemovedReplicas, who_believes_in_the_epoch_of_the_removal_is_told) {
  RemovedReplicas removed;
  removed.note(7, 3);
  EXPECT_TRUE(removed.removedIn(7, 2));
  EXPECT_TRUE(removed.removedIn(7, 3));
  EXPECT_FALSE(removed.removedIn(7, 4)) << "it came back here";
  EXPECT_FALSE(removed.removedIn(8, 1));
  removed.note(7, 1);
  EXPECT_TRUE(removed.removedIn(7, 3)) << "the newest counts";
}

TEST(RemovedReplicas, forgets_what_was_removed_longest_ago) {
  RemovedReplicas removed(2);
  for (InodeId inode = 1; inode <= 3; ++inode) removed.note(inode, 1);
  EXPECT_FALSE(removed.removedIn(1, 1));
  EXPECT_TRUE(removed.removedIn(2, 1));
  EXPECT_TRUE(removed.removedIn(3, 1));
}

}  // namespace
}  // namespace vcfs::storage
