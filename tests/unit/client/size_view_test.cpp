#include "client/src/core/size_view.h"

#include <gtest/gtest.h>

namespace vcfs::client {
namespace {

FileInfo sized(std::uint64_t size) {
  FileInfo info;
  info.size = size;
  info.state = FileState::open;
  return info;
}

TEST(SizeView, an_answer_says_how_it_is) {
  SizeView view;
  view.observed(view.sending(), sized(100));
  EXPECT_EQ(view.size(), 100u);
  view.observed(view.sending(), sized(40));
  EXPECT_EQ(view.size(), 40u) << "somebody else cut it";
}

TEST(SizeView, an_overtaken_answer_does_not_undo_a_newer_one) {
  SizeView view;
  const auto early = view.sending();
  const auto late = view.sending();
  view.observed(late, sized(200));
  view.observed(early, sized(100));
  EXPECT_EQ(view.size(), 200u);
}

TEST(SizeView, acknowledged_bytes_count_although_the_primary_has_not_published_them_yet) {
  SizeView view;
  view.wrote(view.sending(), sized(0), 1000);  // an earlier write is still on its way
  EXPECT_EQ(view.size(), 1000u);
}

TEST(SizeView, an_answer_from_before_our_last_write_does_not_shrink_the_file) {
  SizeView view;
  const auto asked = view.sending();
  view.wrote(view.sending(), sized(500), 500);
  view.observed(asked, sized(0));
  EXPECT_EQ(view.size(), 500u);
}

TEST(SizeView, an_answer_from_before_our_truncate_does_not_bring_the_old_size_back) {
  SizeView view;
  view.observed(view.sending(), sized(1000));
  const auto asked = view.sending();
  view.truncated(sized(10), 10);
  view.observed(asked, sized(1000));
  EXPECT_EQ(view.size(), 10u);
}

TEST(SizeView, an_answer_from_before_it_was_opened_again_does_not_close_the_file) {
  SizeView view;
  FileInfo closed = sized(1000);
  closed.state = FileState::closed;
  const auto asked = view.sending();
  view.setState(FileState::open);
  view.observed(asked, closed);
  EXPECT_EQ(view.state(), FileState::open);
  view.observed(view.sending(), closed);
  EXPECT_EQ(view.state(), FileState::closed);
}

TEST(SizeView, a_write_after_the_truncate_counts_again) {
  SizeView view;
  view.truncated(sized(10), 10);
  view.wrote(view.sending(), sized(50), 50);
  EXPECT_EQ(view.size(), 50u);
}

TEST(SizeView, the_answer_to_a_close_says_how_it_is) {
  SizeView view;
  view.wrote(view.sending(), sized(500), 500);
  FileInfo closed = sized(200);
  closed.state = FileState::closed;
  view.settled(view.sending(), closed);
  EXPECT_EQ(view.size(), 200u) << "another host cut it";
  EXPECT_EQ(view.state(), FileState::closed);
}

}  // namespace
}  // namespace vcfs::client
