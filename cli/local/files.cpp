#include "cli/local/files.h"

#include <fcntl.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/error.h"

namespace vcfs::cli {
namespace {

[[noreturn]] void fail(const char* what, const std::string& path) {
  int error = errno;
  throw Error(fromErrno(error), fmt::format("cannot {} {}: {}", what, path, std::strerror(error)));
}

}  // namespace

std::optional<std::string> readFileIfThere(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ESRCH) return std::nullopt;
    fail("read", path);
  }
  std::string text;
  char buffer[16384];
  while (true) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n == 0) return text;
    if (n < 0 && errno == ESRCH) return std::nullopt;  // a process that ended while /proc was read
    if (n < 0) fail("read", path);
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

void writeFileAtomically(const std::string& path, const std::string& text, unsigned mode) {
  std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (fd.get() < 0) fail("write", temporary);
  for (std::size_t done = 0; done < text.size();) {
    ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) fail("write", temporary);
    done += static_cast<std::size_t>(n);
  }
  if (::fsync(fd.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) fail("write", path);
}

void makeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    throw Error(fromErrno(error.value()), fmt::format("cannot make the directory {}: {}", path, error.message()));
}

std::uint64_t fileSize(const std::string& path) {
  std::error_code error;
  auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

std::string tail(const std::string& path, std::uint64_t from, int lines) {
  std::ifstream in(path);
  in.seekg(static_cast<std::streamoff>(from));
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    last.push_back(line);
    if (last.size() > static_cast<std::size_t>(lines)) last.pop_front();
  }
  std::string text;
  for (const auto& line : last) text += "  | " + line + "\n";
  return text;
}

}  // namespace vcfs::cli
