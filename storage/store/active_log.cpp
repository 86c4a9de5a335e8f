#include "storage/store/active_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "common/base/error.h"
#include "common/base/log.h"
#include "storage/store/meta.h"

namespace vcfs::storage {

namespace {
constexpr std::size_t kRewriteAt = 100'000;  // lines: about 1.8 MB

std::string linesOf(char sign, const std::set<InodeId>& inodes) {
  std::string lines;
  for (InodeId inode : inodes) lines += fmt::format("{}{:016x}\n", sign, inode);
  return lines;
}

std::set<InodeId> without(const std::set<InodeId>& all, const std::set<InodeId>& some) {
  std::set<InodeId> rest;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::inserter(rest, rest.end()));
  return rest;
}

// 0, or what went wrong.
int writeWhole(int fd, const std::string& text) {
  const ssize_t written = ::write(fd, text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) return 0;
  return written < 0 ? errno : ENOSPC;
}
}  // namespace

ActiveLog::ActiveLog(int directory, std::string path) : directory_(directory), path_(std::move(path)) {
  load();
  try {
    rewrite();
  } catch (const Error& error) {  // a full disk: a server is of most use then, since what it has can be removed
    log::warn("active.kept", {{"reason", error.what()}});
    keep();
  }
}

ActiveLog::~ActiveLog() {
  if (fd_ >= 0) ::close(fd_);
}

void ActiveLog::load() {
  std::ifstream in(path_);
  std::string line;
  while (std::getline(in, line)) {
    ++lines_;
    if (line.size() != 17) continue;  // a line cut by a crash
    const InodeId inode = parseReplicaName(line.c_str() + 1);
    if (inode == 0) continue;
    if (line[0] == '+') active_.insert(inode);
    if (line[0] == '-') active_.erase(inode);
  }
}

// On stable storage before it gets the name: a power cut between the two would leave an empty list in place of a
// durable one. The lock is not held while the disk is busy; what the list learns meanwhile is added at the end.
void ActiveLog::rewrite() {
  std::set<InodeId> written;
  {
    std::lock_guard lock(mutex_);
    written = active_;
  }
  const int fd = ::openat(directory_, "active.new", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) throw Error(fromErrno(errno), "cannot write " + path_);
  int error = writeWhole(fd, linesOf('+', written));
  if (error == 0 && ::fdatasync(fd) != 0) error = errno;
  std::lock_guard lock(mutex_);
  const std::string since = linesOf('+', without(active_, written)) + linesOf('-', without(written, active_));
  if (error == 0) error = writeWhole(fd, since);
  if (error == 0 && ::renameat(directory_, "active.new", directory_, "active") != 0) error = errno;
  if (error != 0) {
    ::close(fd);
    ::unlinkat(directory_, "active.new", 0);
    throw Error(fromErrno(error), "cannot write " + path_);
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  lines_ = active_.size();
  dirty_ = renamed_ = true;
  torn_ = false;
}

// The file as it is goes on being used.
void ActiveLog::keep() {
  fd_ = ::openat(directory_, "active", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw Error(fromErrno(errno), "cannot write " + path_);
  torn_ = true;  // its last line may have been cut by a crash
}

// One write(). Nothing is glued to what an earlier one left of a line.
void ActiveLog::append(const std::string& lines) {
  const std::string text = torn_ ? "\n" + lines : lines;
  const ssize_t written = ::write(fd_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    torn_ = torn_ || written > 0;
    throw Error(fromErrno(error), "cannot write " + path_);
  }
  torn_ = false;
  dirty_ = true;
  lines_ += lines.size() / 18;
}

// By sync(), which may wait for the disk: the loop, which adds lines, may not.
void ActiveLog::rewriteGrown() {
  {
    std::lock_guard lock(mutex_);
    if (lines_ <= kRewriteAt || lines_ <= 4 * active_.size()) return;
  }
  try {
    rewrite();
  } catch (const Error& error) {  // the lines are there
    log::warn("active.kept", {{"reason", error.what()}});
    std::lock_guard lock(mutex_);
    lines_ = 0;  // not at each of the next ones again
  }
}

void ActiveLog::add(InodeId inode) {
  std::lock_guard lock(mutex_);
  if (!active_.insert(inode).second) return;
  try {
    append(fmt::format("+{:016x}\n", inode));
  } catch (const Error&) {
    active_.erase(inode);  // written when it is added again
    throw;
  }
}

// When it fails the file may have them still, which costs a look at them after the next start. Here they are gone in
// any case: who is added again must be written again, since some of these lines may be there.
void ActiveLog::remove(const std::vector<InodeId>& inodes) {
  std::lock_guard lock(mutex_);
  std::string lines;
  for (InodeId inode : inodes) {
    if (active_.erase(inode) != 0) lines += fmt::format("-{:016x}\n", inode);
  }
  if (!lines.empty()) append(lines);
}

void ActiveLog::sync() {
  rewriteGrown();
  int fd = -1;
  bool renamed = false;
  {
    std::lock_guard lock(mutex_);
    if (!dirty_) return;
    fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);  // not under the lock: it takes as long as the disk does
    if (fd < 0) throw Error(fromErrno(errno), "cannot sync " + path_);
    dirty_ = false;
    renamed = std::exchange(renamed_, false);
  }
  int result = ::fdatasync(fd);
  if (result == 0 && renamed) result = ::fsync(directory_);  // or the lines are in a file without a name
  const int error = errno;
  ::close(fd);
  if (result == 0) return;
  {
    std::lock_guard lock(mutex_);
    dirty_ = true;
    renamed_ = renamed_ || renamed;
  }
  throw Error(fromErrno(error), "cannot sync " + path_);
}

std::vector<InodeId> ActiveLog::list() const {
  std::lock_guard lock(mutex_);
  return {active_.begin(), active_.end()};
}

}  // namespace vcfs::storage
