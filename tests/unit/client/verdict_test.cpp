#include "client/src/core/verdict.h"

#include <gtest/gtest.h>

#include "client/src/core/retry.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;

TEST(Verdict, a_broken_connection_is_a_lost_server_but_an_unavailable_answer_is_not) {
  EXPECT_EQ(judgePrimary(Errc::unavailable, Where::transport), Verdict::lost);
  EXPECT_EQ(judgePrimary(Errc::timeout, Where::transport), Verdict::lost);
  EXPECT_EQ(judgePrimary(Errc::unavailable, Where::status), Verdict::later);
  EXPECT_EQ(judgePrimary(Errc::timeout, Where::status), Verdict::later);
}

TEST(Verdict, wrong_layouts_are_asked_for_again) {
  EXPECT_EQ(judgePrimary(Errc::staleEpoch, Where::status), Verdict::relayout);
  EXPECT_EQ(judgePrimary(Errc::notPrimary, Where::status), Verdict::relayout);
  EXPECT_EQ(judgePrimary(Errc::needLayout, Where::status), Verdict::resendLayout);
}

TEST(Verdict, a_broken_disk_moves_the_file_to_another_replica) {
  EXPECT_EQ(judgePrimary(Errc::io, Where::status), Verdict::lost);
  EXPECT_EQ(judgePrimary(Errc::readOnly, Where::status), Verdict::lost);
}

TEST(Verdict, a_primary_says_no_space_only_when_all_are_full) {
  EXPECT_EQ(judgePrimary(Errc::noSpace, Where::status), Verdict::fail);
}

TEST(Verdict, mistakes_of_the_caller_are_told_to_the_caller) {
  EXPECT_EQ(judgePrimary(Errc::invalid, Where::status), Verdict::fail);
  EXPECT_EQ(judgePrimary(Errc::tooLarge, Where::status), Verdict::fail);
  EXPECT_EQ(judgePrimary(Errc::notSupported, Where::status), Verdict::fail);
}

TEST(Verdict, a_reader_tries_another_replica_when_one_has_bad_bytes) {
  EXPECT_EQ(judgeReplica(Errc::corrupted, Where::status), Verdict::lost);
  EXPECT_EQ(judgeReplica(Errc::notInSync, Where::status), Verdict::relayout);
  EXPECT_EQ(judgeReplica(Errc::notFound, Where::status), Verdict::relayout);
}

TEST(Retry, pauses_double_up_to_the_most_and_end_at_the_deadline) {
  TimePoint now{0};
  Retry retry(now, milliseconds(1000), milliseconds(10), milliseconds(40));
  EXPECT_EQ(retry.pause(now), milliseconds(10));
  EXPECT_EQ(retry.pause(now), milliseconds(20));
  EXPECT_EQ(retry.pause(now), milliseconds(40));
  EXPECT_EQ(retry.pause(now), milliseconds(40));
  retry.progress();
  EXPECT_EQ(retry.pause(now), milliseconds(10));
  now = now + milliseconds(995);
  EXPECT_EQ(retry.pause(now), milliseconds(5));
  EXPECT_FALSE(retry.expired(now));
  EXPECT_TRUE(retry.expired(now + milliseconds(5)));
}

}  // namespace
}  // namespace vcfs::client
