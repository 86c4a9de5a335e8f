#include "httpd/core/http_date.h"

#include <gtest/gtest.h>

#include <random>

namespace vcfs::httpd {
namespace {

TEST(HttpDate, writes_the_preferred_form) {
  EXPECT_EQ(formatHttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(formatPlainDate(784111777), "1994-11-06 08:49:37");
  EXPECT_EQ(formatIsoDate(784111777), "1994-11-06T08:49:37Z");
}

TEST(HttpDate, reads_the_three_forms) {
  EXPECT_EQ(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parseHttpDate("Sun Nov  6 08:49:37 1994"), 784111777);
}

TEST(HttpDate, refuses_anything_else) {
  for (const char* text :
       {"", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Xyz 1994 08:49:37 GMT", "0", "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT and more", "Sun, 99 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parseHttpDate(text), std::nullopt) << text;
  }
}

TEST(HttpDate, what_it_writes_it_reads) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    auto t = static_cast<std::int64_t>(random() % 8'000'000'000);
    ASSERT_EQ(parseHttpDate(formatHttpDate(t)), t);
  }
}

TEST(HttpDate, times_out_of_range_are_clamped) {
  EXPECT_EQ(formatHttpDate(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(formatHttpDate(INT64_MIN).substr(8, 9), "Jan 0000 ");
}

TEST(HttpDate, whole_seconds_round_down) {
  EXPECT_EQ(wholeSeconds(1'999'999'999), 1);
  EXPECT_EQ(wholeSeconds(-1), -1);
}

}  // namespace
}  // namespace vcfs::httpd
