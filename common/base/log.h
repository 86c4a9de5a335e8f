#pragma once

#include <spdlog/fmt/fmt.h>

#include <string>
#include <string_view>

// One line per event: `2026-01-02T03:04:05.678Z INFO storage.started name=s1 address=127.0.0.1:21100`.
// An event has a dotted name and key=value fields; values with blanks are quoted. Tests never read logs.
//   log::info("replica.stale", {{"inode", hex(id)}, {"storage", name}});
namespace vcfs::log {

enum class Level { debug, info, warn, error, off };

struct Field {
  template <class T>
  Field(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

void setup(Level level, const std::string& program);  // once, from main(); lines go to standard error
bool parseLevel(const std::string& text, Level& level);
bool enabled(Level level);
void write(Level level, std::string_view event, Fields fields);

inline void debug(std::string_view event, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) { write(Level::info, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::warn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) { write(Level::error, event, fields); }

std::string hex(std::uint64_t id);  // 16 digits

}  // namespace vcfs::log
