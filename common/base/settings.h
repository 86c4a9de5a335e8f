#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

// Settings of a daemon, declared once with unit, default, bounds and meaning. From the declaration come the command
// line, the config file (`--config FILE`, TOML `key = value`, same names) and `--help`. A command-line value wins over
// the file; an unknown key, a value out of bounds or of the wrong kind is an error that names the key and what is
// allowed, before anything on disk is touched.
namespace vcfs {

// By name, each as it is written in a settings file.
using SettingValues = std::map<std::string, std::string>;

class Settings {
 public:
  explicit Settings(std::string program, std::string purpose);
  ~Settings();

  // `name` is the long option without dashes ("max-lag"). `target` holds the default and receives the value.
  void text(const std::string& name, std::string& target, const std::string& meaning);
  void required(const std::string& name, std::string& target, const std::string& meaning);
  void list(const std::string& name, std::vector<std::string>& target, const std::string& meaning);  // comma-separated
  void flag(const std::string& name, bool& target, const std::string& meaning);
  void integer(const std::string& name, std::int64_t& target, std::int64_t min, std::int64_t max,
               const std::string& unit, const std::string& meaning);
  // Written as "500ms", "2s", "10m", "1h"; a bare number is milliseconds.
  void duration(const std::string& name, std::chrono::milliseconds& target, std::chrono::milliseconds min,
                std::chrono::milliseconds max, const std::string& meaning);
  // Written as "4096", "64KiB", "16MiB", "2GiB".
  void size(const std::string& name, std::uint64_t& target, std::uint64_t min, std::uint64_t max,
            const std::string& meaning);
  // "host:port"; checked for form only.
  void address(const std::string& name, std::string& target, const std::string& meaning);

  // Parses; on --help and --version prints and exits 0; on an error prints one clear message on standard error and
  // exits 2.
  void parseOrExit(int argc, char** argv);

  // The integers, durations and sizes as they are now, set or not. Texts are left out: a password may be among them.
  SettingValues values() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The pieces, for other places that read values from people (mount options).
std::chrono::milliseconds parseDuration(const std::string& text);  // throws Error(invalid)
std::uint64_t parseSize(const std::string& text);                  // throws Error(invalid)
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
HostPort parseAddress(const std::string& text,
                      std::uint16_t defaultPort = 0);  // throws Error(invalid); 0: a port is required
std::vector<std::string> parseAddressList(const std::string& text,
                                          std::uint16_t defaultPort);  // "a:1,b" → "a:1","b:port"

}  // namespace vcfs
