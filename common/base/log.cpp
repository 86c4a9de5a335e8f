#include "common/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>

namespace vcfs::log {

namespace {

std::atomic<bool> isSetUp{false};
std::once_flag unasked;

spdlog::level::level_enum toSpdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      break;
  }
  return spdlog::level::off;
}

bool needsQuotes(const std::string& value) {
  if (value.empty()) return true;
  for (const char c : value) {
    if (c == ' ' || c == '"' || c == '=' || static_cast<unsigned char>(c) < 0x20) return true;
  }
  return false;
}

void appendQuoted(std::string& line, const std::string& value) {
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;  // one event, one line
  }
  line += '"';
}

}  // namespace

void setup(Level level, const std::string& program) {
  spdlog::drop(program);  // set up again after a fork or with another level
  spdlog::drop(program);  // a second call sets another level
  auto logger = spdlog::stderr_logger_mt(program);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(toSpdlog(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  isSetUp = true;
}

bool parseLevel(const std::string& text, Level& level) {
  if (text == "debug")
    level = Level::debug;
  else if (text == "info")
    level = Level::info;
  else if (text == "warn")
    level = Level::warn;
  else if (text == "error")
    level = Level::error;
  else if (text == "off")
    level = Level::off;
  else
    return false;
  return true;
}

bool enabled(Level level) {
  // A program that only links the client library may never call setup(): its standard output is its own.
  // Its threads may come here at once.
  if (!isSetUp) {
    std::call_once(unasked, [] {
      if (!isSetUp) setup(Level::warn, "vcfs");
    });
  }
  return spdlog::should_log(toSpdlog(level));
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  std::string line(event);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (needsQuotes(field.value))
      appendQuoted(line, field.value);
    else
      line += field.value;
  }
  spdlog::log(toSpdlog(level), "{}", line);
}

std::string hex(std::uint64_t id) { return fmt::format("{:016x}", id); }

}  // namespace vcfs::log
