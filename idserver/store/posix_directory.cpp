#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/base/error.h"
#include "idserver/store/directory.h"

namespace vcfs::idserver {
namespace {

constexpr std::size_t kMostBytes = 64 << 10;  // of any file this server reads

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixDirectory final : public Directory {
 public:
  explicit PosixDirectory(const std::string& path) : path_(path), directory_(openIt(path)), lock_(lockIt()) {}

  std::string path(const std::string& name) const override { return path_ + "/" + name; }

  std::optional<std::string> read(const std::string& name) override {
    Descriptor file(::openat(directory_.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0 && errno == ENOENT) return std::nullopt;
    if (file.get() < 0) fail("cannot open", name);
    std::string content;
    char buffer[4096];
    for (;;) {
      ssize_t n = ::read(file.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot read", name);
      if (n == 0 || content.size() > kMostBytes) return content;
      content.append(buffer, static_cast<std::size_t>(n));
    }
  }

  void write(const std::string& name, const std::string& content) override {
    Descriptor file(::openat(directory_.get(), name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) fail("cannot make", name);
    for (std::size_t done = 0; done < content.size();) {
      ssize_t n = ::write(file.get(), content.data() + done, content.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write", name);
      done += static_cast<std::size_t>(n);
    }
  }

  void syncFile(const std::string& name) override {
    Descriptor file(::openat(directory_.get(), name.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0 || ::fdatasync(file.get()) != 0) fail("cannot make durable", name);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) != 0) fail("cannot replace", to);
  }

  void sync() override {
    if (::fsync(directory_.get()) != 0) fail("cannot make durable", ".");
  }

 private:
  static int openIt(const std::string& path) {
    std::error_code made;
    std::filesystem::create_directories(path, made);
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      throw Error(fromErrno(errno), "cannot open the data directory " + path + ": " + std::strerror(errno) +
                                        "; give a directory that this user may write with --data");
    }
    return fd;
  }

  int lockIt() const {
    int fd = ::openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) fail("cannot make", "lock");
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      throw Error(Errc::exists, "the data directory " + path_ +
                                    " is in use by another vcfs-idserver; stop that one or give another --data");
    }
    return fd;
  }

  [[noreturn]] void fail(const char* what, const std::string& name) const {
    int error = errno;
    throw Error(Errc::io, std::string(what) + " " + path(name) + ": " + std::strerror(error));
  }

  std::string path_;
  Descriptor directory_;
  Descriptor lock_;
};

}  // namespace

std::unique_ptr<Directory> openDirectory(const std::string& path) { return std::make_unique<PosixDirectory>(path); }

}  // namespace vcfs::idserver
