#include "cli/commands/transfer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "common/base/error.h"

namespace vcfs::cli {
namespace {

constexpr std::size_t kChunk = 1u << 20;
constexpr std::chrono::seconds kGrowthLimit{10};  // per question; asked again while the file is open

Error failed(const char* what, const std::string& name, int error) {
  return Error(fromErrno(error), fmt::format("cannot {} {}: {}", what, name, std::strerror(error)));
}

std::string readChunk(int fd, const std::string& name) {
  std::string bytes(kChunk, '\0');
  while (true) {
    ssize_t n = ::read(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw failed("read", name, errno);
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
  }
}

bool writeAll(int fd, const std::string& name, const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0) throw failed("write", name, errno);
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

LocalStream::LocalStream(Runtime& runtime, int fd, bool owned, std::string name)
    : pool_(makeThreadPool(runtime.io, "stream")), fd_(fd), owned_(owned), name_(std::move(name)) {}

LocalStream::~LocalStream() {
  pool_.reset();
  if (owned_ && fd_ >= 0) ::close(fd_);
}

std::unique_ptr<LocalStream> LocalStream::source(Runtime& runtime, const std::string& path) {
  if (path == "-") return std::unique_ptr<LocalStream>(new LocalStream(runtime, 0, false, "standard input"));
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw failed("read", path, errno);
  return std::unique_ptr<LocalStream>(new LocalStream(runtime, fd, true, path));
}

std::unique_ptr<LocalStream> LocalStream::sink(Runtime& runtime, const std::string& path) {
  if (path == "-") return std::unique_ptr<LocalStream>(new LocalStream(runtime, 1, false, "standard output"));
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) throw failed("write", path, errno);
  return std::unique_ptr<LocalStream>(new LocalStream(runtime, fd, true, path));
}

Task<std::string> LocalStream::read() {
  auto job = [fd = fd_, name = name_] { return readChunk(fd, name); };
  auto task = pool_->run(std::move(job));
  co_return co_await std::move(task);
}

Task<bool> LocalStream::write(std::string bytes) {
  auto shared = std::make_shared<std::string>(std::move(bytes));
  auto job = [fd = fd_, name = name_, shared] { return writeAll(fd, name, *shared); };
  auto task = pool_->run(std::move(job));
  co_return co_await std::move(task);
}

Task<void> LocalStream::finish() {
  if (!owned_) co_return;
  auto job = [fd = std::exchange(fd_, -1), name = name_] {
    if (::close(fd) != 0) throw failed("write", name, errno);
  };
  auto task = pool_->run(std::move(job));
  co_await std::move(task);
}

Task<std::uint64_t> upload(std::shared_ptr<File> file, LocalStream& source) {
  std::uint64_t offset = 0;
  while (true) {
    std::string bytes = co_await source.read();
    if (bytes.empty()) co_return offset;
    co_await file->write(offset, std::as_bytes(std::span(bytes.data(), bytes.size())));
    offset += bytes.size();
  }
}

Task<std::uint64_t> download(std::shared_ptr<File> file, LocalStream& sink, bool follow) {
  std::uint64_t offset = 0;
  Attr attr = co_await file->stat();
  Growth known{attr.size, attr.state};
  while (true) {
    while (offset < known.size) {
      std::string bytes(std::min<std::uint64_t>(kChunk, known.size - offset), '\0');
      std::size_t n = co_await file->readInto(offset, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
      if (n == 0) break;  // it was truncated meanwhile
      bytes.resize(n);
      offset += n;
      bool wanted = co_await sink.write(std::move(bytes));
      if (!wanted) co_return offset;
    }
    if (!follow || known.state != FileState::open) co_return offset;
    known = co_await file->waitForGrowth(known.size, kGrowthLimit);
  }
}

}  // namespace vcfs::cli
