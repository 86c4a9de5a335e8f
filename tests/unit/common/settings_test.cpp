#include "common/base/settings.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace vcfs {
namespace {

using namespace std::chrono_literals;

TEST(Settings, values_are_numbers_as_a_file_has_them_and_never_texts) {
  std::string catalog = "mariadb://u:secret@h/d";
  std::int64_t count = 3;
  std::chrono::milliseconds wait{90'000};
  std::uint64_t bytes = 64 << 10;
  Settings settings("program", "purpose");
  settings.text("catalog", catalog, "");
  settings.integer("count", count, 1, 9, "", "");
  settings.duration("wait", wait, 0ms, 1h, "");
  settings.size("bytes", bytes, 0, 1 << 20, "");
  count = 4;
  EXPECT_EQ(settings.values(), (SettingValues{{"bytes", "64KiB"}, {"count", "4"}, {"wait", "90s"}}));
}

TEST(ParseDuration, accepts_units_and_bare_milliseconds) {
  EXPECT_EQ(parseDuration("250"), 250ms);
  EXPECT_EQ(parseDuration("250ms"), 250ms);
  EXPECT_EQ(parseDuration("3s"), 3s);
  EXPECT_EQ(parseDuration("10m"), 10min);
  EXPECT_EQ(parseDuration("7d"), 168h);
}

TEST(ParseDuration, refuses_what_is_none) {
  for (const char* text : {"", "-1", "s", "3 s", "3x", "99999999999999999999", "9999999999999d"}) {
    EXPECT_THROW(parseDuration(text), Error) << text;
  }
}

TEST(ParseSize, accepts_binary_units) {
  EXPECT_EQ(parseSize("4096"), 4096u);
  EXPECT_EQ(parseSize("64KiB"), 65536u);
  EXPECT_EQ(parseSize("16M"), 16u << 20);
  EXPECT_EQ(parseSize("2GiB"), 2ull << 30);
}

TEST(ParseSize, refuses_what_is_none) {
  for (const char* text : {"", "-5", "5X", "KiB", "99999999999999999999G", "18446744073709551615K"}) {
    EXPECT_THROW(parseSize(text), Error) << text;
  }
}

TEST(ParseAddress, takes_names_literals_and_default_ports) {
  EXPECT_EQ(parseAddress("a:1").port, 1);
  EXPECT_EQ(parseAddress("[::1]:9").host, "::1");
  EXPECT_EQ(parseAddress("host", 21000).port, 21000);
  const auto list = parseAddressList("a:1,b,[::1]", 21000);
  EXPECT_EQ(list, (std::vector<std::string>{"a:1", "b:21000", "[::1]:21000"}));
}

TEST(ParseAddress, refuses_what_is_none) {
  for (const char* text : {"", ":1", "a", "a:", "a:b", "a:99999", "a:123456", "[::1", "[::1]x", "a b:1", "a/b:1"}) {
    EXPECT_THROW(parseAddress(text), Error) << text;
  }
}

}  // namespace
}  // namespace vcfs
