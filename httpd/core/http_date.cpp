#include "httpd/core/http_date.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace vcfs::httpd {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::int64_t kFirst = -62167219200;  // year 0
constexpr std::int64_t kLast = 253402300799;   // the last second of year 9999

std::tm toTm(std::int64_t seconds) {
  std::time_t t = std::clamp(seconds, kFirst, kLast);
  std::tm tm{};
  gmtime_r(&t, &tm);
  return tm;
}

int monthOf(const char* name) {
  for (std::size_t i = 0; i < kMonths.size(); ++i) {
    if (std::strcmp(kMonths[i], name) == 0) return static_cast<int>(i);
  }
  return -1;
}

std::optional<std::int64_t> toSeconds(int year, int month, int day, int hour, int minute, int second) {
  if (month < 0 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60) {
    return std::nullopt;
  }
  std::tm tm{};
  tm.tm_year = year - 1900;
  tm.tm_mon = month;
  tm.tm_mday = day;
  tm.tm_hour = hour;
  tm.tm_min = minute;
  tm.tm_sec = second;
  return timegm(&tm);
}

}  // namespace

std::string formatHttpDate(std::int64_t seconds) {
  std::tm tm = toTm(seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[static_cast<std::size_t>(tm.tm_wday)],
                tm.tm_mday, kMonths[static_cast<std::size_t>(tm.tm_mon)], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                tm.tm_sec);
  return text;
}

std::string formatPlainDate(std::int64_t seconds) {
  std::tm tm = toTm(seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                tm.tm_hour, tm.tm_min, tm.tm_sec);
  return text;
}

std::string formatIsoDate(std::int64_t seconds) {
  std::string text = formatPlainDate(seconds);
  text[10] = 'T';
  return text + "Z";
}

std::optional<std::int64_t> parseHttpDate(std::string_view input) {
  if (input.size() > 40) return std::nullopt;
  std::string text(input);
  char weekday[16] = {}, month[8] = {};
  int day = 0, year = 0, hour = 0, minute = 0, second = 0, used = 0;
  if (std::sscanf(text.c_str(), "%3s, %2d %3s %4d %2d:%2d:%2d GMT%n", weekday, &day, month, &year, &hour, &minute,
                  &second, &used) == 7 &&
      used == static_cast<int>(text.size())) {
    return toSeconds(year, monthOf(month), day, hour, minute, second);
  }
  used = 0;
  if (std::sscanf(text.c_str(), "%15[A-Za-z], %2d-%3s-%2d %2d:%2d:%2d GMT%n", weekday, &day, month, &year, &hour,
                  &minute, &second, &used) == 7 &&
      used == static_cast<int>(text.size())) {
    return toSeconds(year + (year < 70 ? 2000 : 1900), monthOf(month), day, hour, minute, second);
  }
  used = 0;
  if (std::sscanf(text.c_str(), "%3s %3s %2d %2d:%2d:%2d %4d%n", weekday, month, &day, &hour, &minute, &second, &year,
                  &used) == 7 &&
      used == static_cast<int>(text.size())) {
    return toSeconds(year, monthOf(month), day, hour, minute, second);
  }
  return std::nullopt;
}

std::int64_t wholeSeconds(std::int64_t ns) {
  constexpr std::int64_t kNs = 1'000'000'000;
  return ns >= 0 ? ns / kNs : -((-ns + kNs - 1) / kNs);
}

}  // namespace vcfs::httpd
