#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vcfs::httpd {

// "Sun, 06 Nov 1994 08:49:37 GMT"; whole seconds since the Unix epoch (years 0 … 9999, others are clamped).
std::string formatHttpDate(std::int64_t seconds);

// The three forms RFC 9110 asks a recipient to know; nullopt for anything else.
std::optional<std::int64_t> parseHttpDate(std::string_view text);

// "2026-01-02 03:04:05" in UTC, for listings.
std::string formatPlainDate(std::int64_t seconds);
// "2026-01-02T03:04:05Z", for JSON.
std::string formatIsoDate(std::int64_t seconds);

// Nanoseconds since the epoch, rounded down to what HTTP can say.
std::int64_t wholeSeconds(std::int64_t ns);

}  // namespace vcfs::httpd
