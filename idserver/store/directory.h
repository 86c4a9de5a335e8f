#pragma once

#include <memory>
#include <optional>
#include <string>

namespace vcfs::idserver {

// What FileStore needs of a directory, one step of a crash-safe replacement per call, so that a test can pull the
// plug between any two of them (and lose what was not synced). All throw Error(io) with the path and the reason.
class Directory {
 public:
  virtual ~Directory() = default;
  virtual std::string path(const std::string& name) const = 0;                  // for messages
  virtual std::optional<std::string> read(const std::string& name) = 0;         // nullopt: no such file
  virtual void write(const std::string& name, const std::string& content) = 0;  // makes or truncates, not durable
  virtual void syncFile(const std::string& name) = 0;                           // content durable
  virtual void rename(const std::string& from, const std::string& to) = 0;      // atomic, not durable
  virtual void sync() = 0;                                                      // names durable
};

// The directory `path` of this machine, made if it is not there, and locked (flock on its file `lock`) until the object
// goes: Error(exists) when another process has it.
std::unique_ptr<Directory> openDirectory(const std::string& path);

}  // namespace vcfs::idserver
