#include "common/base/settings.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/version.h"

namespace vcfs {

namespace {

std::uint64_t parseNumber(const std::string& text, const std::string& whole, std::size_t& used) {
  try {
    if (text.empty() || text[0] < '0' || text[0] > '9') throw std::invalid_argument("");
    return std::stoull(text, &used);
  } catch (const std::exception&) {
    throw Error(Errc::invalid, "'" + whole + "' is not a number");
  }
}

std::uint64_t scaled(std::uint64_t value, std::uint64_t unit, const std::string& whole) {
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(value, unit, &result)) throw Error(Errc::invalid, "'" + whole + "' is too large");
  return result;
}

std::string writeDuration(std::chrono::milliseconds d) {
  const auto ms = d.count();
  if (ms >= 60'000 && ms % 60'000 == 0) return fmt::format("{}m", ms / 60'000);
  if (ms >= 1000 && ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
  return fmt::format("{}ms", ms);
}

std::string writeSize(std::uint64_t bytes) {
  static constexpr const char* units[] = {"GiB", "MiB", "KiB"};
  std::uint64_t unit = 1ull << 30;
  for (const char* name : units) {
    if (bytes >= unit && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, name);
    unit >>= 10;
  }
  return fmt::format("{}", bytes);
}

}  // namespace

std::chrono::milliseconds parseDuration(const std::string& text) {
  std::size_t used = 0;
  const std::uint64_t value = parseNumber(text, text, used);
  const std::string unit = text.substr(used);
  std::uint64_t factor = 0;
  if (unit.empty() || unit == "ms")
    factor = 1;
  else if (unit == "s")
    factor = 1000;
  else if (unit == "m" || unit == "min")
    factor = 60'000;
  else if (unit == "h")
    factor = 3'600'000;
  else if (unit == "d")
    factor = 86'400'000;
  else
    throw Error(Errc::invalid, "'" + text + "' is not a duration; write it as 500ms, 2s, 10m, 1h or 7d");
  const std::uint64_t ms = scaled(value, factor, text);
  if (ms > static_cast<std::uint64_t>(INT64_MAX / 1'000'000)) throw Error(Errc::invalid, "'" + text + "' is too long");
  return std::chrono::milliseconds(ms);
}

std::uint64_t parseSize(const std::string& text) {
  std::size_t used = 0;
  const std::uint64_t value = parseNumber(text, text, used);
  std::string unit = text.substr(used);
  if (!unit.empty() && (unit.back() == 'B')) unit.pop_back();
  if (!unit.empty() && unit.back() == 'i') unit.pop_back();
  if (unit.empty()) return value;
  if (unit == "K" || unit == "k") return scaled(value, 1ull << 10, text);
  if (unit == "M") return scaled(value, 1ull << 20, text);
  if (unit == "G") return scaled(value, 1ull << 30, text);
  if (unit == "T") return scaled(value, 1ull << 40, text);
  throw Error(Errc::invalid, "'" + text + "' is not a size; write it as 4096, 64KiB, 16MiB or 2GiB");
}

HostPort parseAddress(const std::string& text, std::uint16_t defaultPort) {
  const std::string hint = "'" + text + "' is not an address; write host:port, for example 10.0.0.1:21000";
  HostPort result;
  std::string port;
  if (!text.empty() && text[0] == '[') {
    const auto end = text.find(']');
    if (end == std::string::npos) throw Error(Errc::invalid, hint);
    result.host = text.substr(1, end - 1);
    if (end + 1 < text.size()) {
      if (text[end + 1] != ':') throw Error(Errc::invalid, hint);
      port = text.substr(end + 2);
      if (port.empty()) throw Error(Errc::invalid, hint);
    }
  } else {
    const auto colon = text.find(':');
    result.host = text.substr(0, colon);
    if (colon != std::string::npos) {
      port = text.substr(colon + 1);
      if (port.empty()) throw Error(Errc::invalid, hint);
    }
  }
  if (result.host.empty() || result.host.find_first_of(" /,@") != std::string::npos) throw Error(Errc::invalid, hint);
  if (port.empty()) {
    if (defaultPort == 0) throw Error(Errc::invalid, hint);
    result.port = defaultPort;
    return result;
  }
  if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos) throw Error(Errc::invalid, hint);
  const unsigned long number = std::stoul(port);
  if (number > 65535) throw Error(Errc::invalid, "port " + port + " in '" + text + "' is above 65535");
  result.port = static_cast<std::uint16_t>(number);
  return result;
}

std::vector<std::string> parseAddressList(const std::string& text, std::uint16_t defaultPort) {
  std::vector<std::string> list;
  std::size_t start = 0;
  while (start <= text.size()) {
    const auto end = std::min(text.find(',', start), text.size());
    const HostPort one = parseAddress(text.substr(start, end - start), defaultPort);
    const bool v6 = one.host.find(':') != std::string::npos;
    list.push_back((v6 ? "[" + one.host + "]" : one.host) + ":" + std::to_string(one.port));
    start = end + 1;
  }
  return list;
}

struct Settings::Impl {
  Impl(std::string program, std::string purpose) : name(program), app(std::move(purpose), std::move(program)) {}
  std::string name;
  CLI::App app;
  std::string logLevel = "info";
  std::map<std::string, std::function<std::string()>> writers;  // of values()
};

Settings::Settings(std::string program, std::string purpose)
    : impl_(std::make_unique<Impl>(std::move(program), std::move(purpose))) {
  auto& app = impl_->app;
  app.set_config("--config", "", "read settings from this file: `name = value` lines, names as below");
  app.allow_config_extras(false);
  app.set_version_flag("--version", std::string(VCFS_VERSION));
  app.add_option("--log-level", impl_->logLevel, "debug, info, warn, error or off")->capture_default_str();
}

Settings::~Settings() = default;

void Settings::text(const std::string& name, std::string& target, const std::string& meaning) {
  impl_->app.add_option("--" + name, target, meaning)->capture_default_str();
}

void Settings::required(const std::string& name, std::string& target, const std::string& meaning) {
  impl_->app.add_option("--" + name, target, meaning)->required();
}

void Settings::list(const std::string& name, std::vector<std::string>& target, const std::string& meaning) {
  impl_->app.add_option("--" + name, target, meaning + " (comma-separated)")->delimiter(',');
}

void Settings::flag(const std::string& name, bool& target, const std::string& meaning) {
  impl_->app.add_flag("--" + name, target, meaning);
}

void Settings::integer(const std::string& name, std::int64_t& target, std::int64_t min, std::int64_t max,
                       const std::string& unit, const std::string& meaning) {
  const std::string bounds = fmt::format(" [{} … {}{}{}]", min, max, unit.empty() ? "" : " ", unit);
  impl_->app.add_option("--" + name, target, meaning + bounds)->check(CLI::Range(min, max))->capture_default_str();
  impl_->writers[name] = [&target] { return std::to_string(target); };
}

namespace {

// Adds an option whose text is parsed by `parse` and must lie within [min, max].
template <class Value, class Parse, class Write>
void addParsed(CLI::App& app, const std::string& name, Value& target, Value min, Value max, const std::string& meaning,
               Parse parse, Write write) {
  const std::string bounds = " [" + write(min) + " … " + write(max) + "]";
  auto set = [&target, min, max, parse, write, bounds, name](const std::string& text) {
    Value value;
    try {
      value = parse(text);
    } catch (const Error& error) {
      throw CLI::ValidationError("--" + name, error.detail());
    }
    if (value < min || value > max) throw CLI::ValidationError("--" + name, text + " is not within" + bounds);
    target = value;
  };
  app.add_option_function<std::string>("--" + name, set, meaning + bounds)->default_str(write(target));
}

}  // namespace

void Settings::duration(const std::string& name, std::chrono::milliseconds& target, std::chrono::milliseconds min,
                        std::chrono::milliseconds max, const std::string& meaning) {
  addParsed(impl_->app, name, target, min, max, meaning, parseDuration, writeDuration);
  impl_->writers[name] = [&target] { return writeDuration(target); };
}

void Settings::size(const std::string& name, std::uint64_t& target, std::uint64_t min, std::uint64_t max,
                    const std::string& meaning) {
  addParsed(impl_->app, name, target, min, max, meaning, parseSize, writeSize);
  impl_->writers[name] = [&target] { return writeSize(target); };
}

void Settings::address(const std::string& name, std::string& target, const std::string& meaning) {
  auto set = [&target, name](const std::string& text) {
    try {
      parseAddress(text);
    } catch (const Error& error) {
      throw CLI::ValidationError("--" + name, error.detail());
    }
    target = text;
  };
  impl_->app.add_option_function<std::string>("--" + name, set, meaning)->default_str(target);
}

namespace {

// A message may quote what a file holds, and that may be anything.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return text.size() > 500 ? text.substr(0, 500) + "…" : text;
}

std::string configFileOf(int argc, char** argv) {
  const std::string option = "--config";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == option && i + 1 < argc) return argv[i + 1];
    if (word.rfind(option + "=", 0) == 0) return word.substr(option.size() + 1);
  }
  return {};
}

// What was wrong, with the file's name when it was read from there.
std::string explain(const CLI::ParseError& error, const std::string& file) {
  std::string text = printable(error.what());
  const bool ofFile = dynamic_cast<const CLI::ConfigError*>(&error) != nullptr;
  if (file.empty() || !ofFile) return text;
  return "config file " + file + ": " + text + " (lines are `name = value`, names as in --help)";
}

}  // namespace

void Settings::parseOrExit(int argc, char** argv) {
  log::Level level = log::Level::info;
  try {
    impl_->app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    std::exit(impl_->app.exit(done));
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", impl_->name.c_str(),
                 explain(error, configFileOf(argc, argv)).c_str(), impl_->name.c_str());
    std::exit(2);
  }
  if (!log::parseLevel(impl_->logLevel, level)) {
    std::fprintf(stderr, "%s: --log-level: '%s' is none of debug, info, warn, error, off\n", impl_->name.c_str(),
                 impl_->logLevel.c_str());
    std::exit(2);
  }
  log::setup(level, impl_->name);
}

SettingValues Settings::values() const {
  SettingValues values;
  for (const auto& [name, write] : impl_->writers) values[name] = write();
  return values;
}

}  // namespace vcfs
