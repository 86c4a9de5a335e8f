#pragma once

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

// Small files of this machine. Blocking.
namespace vcfs::cli {

// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::optional<std::string> readFileIfThere(
    const std::string& path);  // throws Error(accessDenied) when it may not be read
// Replaces the file as a whole and durably: after a crash it is the old one or the new one.
void writeFileAtomically(const std::string& path, const std::string& text, unsigned mode);
void makeDirectories(const std::string& path);    // mode 0755; throws Error with path and reason
std::uint64_t fileSize(const std::string& path);  // 0 when there is none
// The last lines of a file from `from` on, at most `lines`.
std::string tail(const std::string& path, std::uint64_t from, int lines);

}  // namespace vcfs::cli
