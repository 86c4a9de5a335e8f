#include "httpd/core/conditions.h"

#include <gtest/gtest.h>

#include <random>

#include "httpd/core/http_date.h"

namespace vcfs::httpd {
namespace {

const Validators kNow{"\"abc\"", 1'700'000'000, true};
const std::string kSame = formatHttpDate(1'700'000'000);
const std::string kEarlier = formatHttpDate(1'600'000'000);
const std::string kLater = formatHttpDate(1'800'000'000);

TEST(Conditions, without_any_the_request_proceeds) { EXPECT_EQ(evaluate({}, kNow), Condition::proceed); }

TEST(Conditions, if_none_match_finds_the_tag_in_a_list_and_compares_weakly) {
  for (const char* value : {"\"abc\"", "*", "\"x\", \"abc\"", "W/\"abc\"", "\"a,b\",\"abc\""}) {
    ConditionalHeaders h;
    h.ifNoneMatch = value;
    EXPECT_EQ(evaluate(h, kNow), Condition::notModified) << value;
  }
  for (const char* value : {"\"abd\"", "abc", "\"abc", "\"\"", "W/abc"}) {
    ConditionalHeaders h;
    h.ifNoneMatch = value;
    EXPECT_EQ(evaluate(h, kNow), Condition::proceed) << value;
  }
}

TEST(Conditions, if_match_compares_strongly) {
  ConditionalHeaders h;
  h.ifMatch = "\"abc\"";
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
  h.ifMatch = "W/\"abc\"";
  EXPECT_EQ(evaluate(h, kNow), Condition::preconditionFailed);
  h.ifMatch = "\"old\"";
  EXPECT_EQ(evaluate(h, kNow), Condition::preconditionFailed);
  h.ifMatch = "*";
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
}

TEST(Conditions, dates_count) {
  ConditionalHeaders h;
  h.ifModifiedSince = kSame;
  EXPECT_EQ(evaluate(h, kNow), Condition::notModified);
  h.ifModifiedSince = kEarlier;
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
  h = {};
  h.ifUnmodifiedSince = kEarlier;
  EXPECT_EQ(evaluate(h, kNow), Condition::preconditionFailed);
  h.ifUnmodifiedSince = kLater;
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
}

TEST(Conditions, a_tag_outranks_a_date) {
  ConditionalHeaders h;
  h.ifNoneMatch = "\"other\"";
  h.ifModifiedSince = kLater;  // alone it would say not modified
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
  h = {};
  h.ifMatch = "\"abc\"";
  h.ifUnmodifiedSince = kEarlier;  // alone it would fail
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
}

TEST(Conditions, a_failed_precondition_outranks_not_modified) {
  ConditionalHeaders h;
  h.ifMatch = "\"old\"";
  h.ifNoneMatch = "\"abc\"";
  EXPECT_EQ(evaluate(h, kNow), Condition::preconditionFailed);
}

TEST(Conditions, an_unreadable_date_is_ignored) {
  ConditionalHeaders h;
  h.ifModifiedSince = "yesterday";
  EXPECT_EQ(evaluate(h, kNow), Condition::proceed);
}

TEST(Conditions, the_date_of_a_file_being_recorded_proves_nothing) {
  Validators open = kNow;
  open.dateIsStrong = false;
  ConditionalHeaders h;
  h.ifModifiedSince = kSame;
  EXPECT_EQ(evaluate(h, open), Condition::proceed);
  h.ifRange = kSame;
  EXPECT_FALSE(rangeApplies(h, open));
}

TEST(Conditions, if_range_needs_exactly_this_version) {
  ConditionalHeaders h;
  EXPECT_TRUE(rangeApplies(h, kNow));
  h.ifRange = "\"abc\"";
  EXPECT_TRUE(rangeApplies(h, kNow));
  h.ifRange = kSame;
  EXPECT_TRUE(rangeApplies(h, kNow));
  for (const std::string& value :
       {std::string("\"abd\""), std::string("W/\"abc\""), kEarlier, kLater, std::string("?")}) {
    h.ifRange = value;
    EXPECT_FALSE(rangeApplies(h, kNow)) << value;
  }
}

TEST(Conditions, random_tag_lists_never_match_by_accident) {
  std::mt19937_64 random(9);
  const std::string alphabet = "\"W/,x *";
  for (int round = 0; round < 100'000; ++round) {
    std::string list;
    for (int i = static_cast<int>(random() % 20); i > 0; --i) list += alphabet[random() % alphabet.size()];
    bool star = list.find_first_not_of(" ") != std::string::npos && list.find('*') != std::string::npos;
    if (!star) {
      EXPECT_FALSE(etagListMatches(list, "\"abc\"", true)) << list;
    }
  }
}

}  // namespace
}  // namespace vcfs::httpd
