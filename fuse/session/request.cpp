#include "fuse/session/request.h"

#include <sys/uio.h>

#include "fuse/errno_map.h"

namespace vcfs::fuse {

namespace {
constexpr Duration kLook = std::chrono::milliseconds(50);  // for requests that are stalled by now
}  // namespace

Request::Request(fuse_req_t req, InFlight& inFlight, Origin origin) : req_(req), inFlight_(inFlight), origin_(origin) {
  const auto* context = fuse_req_ctx(req);
  uid_ = context->uid;
  gid_ = context->gid;
  pid_ = context->pid;
  umask_ = context->umask & 0777;
  inFlight_.add(this);
}

Request::~Request() {
  // Every request is answered; one that a coroutine lost (the loop is going down) too.
  error(errnoStalled());
}

bool Request::inGroup(gid_t group) const {
  if (group == gid_ || req_ == nullptr) return group == gid_;
  std::vector<gid_t> groups(64);
  int count = fuse_req_getgroups(req_, static_cast<int>(groups.size()), groups.data());
  if (count > static_cast<int>(groups.size())) {
    groups.resize(static_cast<std::size_t>(count));
    count = fuse_req_getgroups(req_, count, groups.data());
  }
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

fuse_req_t Request::take() {
  if (req_ != nullptr) inFlight_.remove(this);
  return std::exchange(req_, nullptr);
}

bool Request::error(int errnoValue) {
  auto req = take();
  return req != nullptr && fuse_reply_err(req, errnoValue) == 0;
}

bool Request::entry(const fuse_entry_param& entry) {
  auto req = take();
  return req != nullptr && fuse_reply_entry(req, &entry) == 0;
}

bool Request::noEntry(double seconds) {
  fuse_entry_param none = {};
  none.entry_timeout = seconds;
  return entry(none);
}

bool Request::created(const fuse_entry_param& entry, const fuse_file_info& file) {
  auto req = take();
  return req != nullptr && fuse_reply_create(req, &entry, &file) == 0;
}

bool Request::attributes(const struct stat& attributes, double seconds) {
  auto req = take();
  return req != nullptr && fuse_reply_attr(req, &attributes, seconds) == 0;
}

bool Request::opened(const fuse_file_info& file) {
  auto req = take();
  return req != nullptr && fuse_reply_open(req, &file) == 0;
}

bool Request::link(const std::string& target) {
  auto req = take();
  return req != nullptr && fuse_reply_readlink(req, target.c_str()) == 0;
}

bool Request::written(std::size_t bytes) {
  auto req = take();
  return req != nullptr && fuse_reply_write(req, bytes) == 0;
}

bool Request::bytes(const char* data, std::size_t size) {
  auto req = take();
  return req != nullptr && fuse_reply_buf(req, data, size) == 0;
}

bool Request::pieces(const std::vector<Piece>& pieces, std::size_t limit) {
  auto req = take();
  if (req == nullptr) return false;
  constexpr std::size_t kMostPieces = 512;  // the kernel takes 1024 in one writev
  if (pieces.size() > kMostPieces) {
    std::string copy;
    for (const auto& piece : pieces) copy.append(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
    return fuse_reply_buf(req, copy.data(), std::min(copy.size(), limit)) == 0;
  }
  iovec parts[kMostPieces];
  int count = 0;
  for (const auto& piece : pieces) {
    auto length = std::min(piece.data.size(), limit);
    if (length == 0) continue;
    parts[count].iov_base = const_cast<std::byte*>(piece.data.data());
    parts[count].iov_len = length;
    limit -= length;
    ++count;
  }
  return count == 0 ? fuse_reply_buf(req, nullptr, 0) == 0 : fuse_reply_iov(req, parts, count) == 0;
}

bool Request::space(const struct statvfs& space) {
  auto req = take();
  return req != nullptr && fuse_reply_statfs(req, &space) == 0;
}

bool Request::attributeSize(std::size_t bytes) {
  auto req = take();
  return req != nullptr && fuse_reply_xattr(req, bytes) == 0;
}

bool Request::place(std::uint64_t offset) {
  auto req = take();
  return req != nullptr && fuse_reply_lseek(req, static_cast<off_t>(offset)) == 0;
}

bool Request::lock(const struct flock& lock) {
  auto req = take();
  return req != nullptr && fuse_reply_lock(req, &lock) == 0;
}

RequestPtr InFlight::find(std::uint64_t unique) {
  auto at = requests_.find(unique);
  return at == requests_.end() ? nullptr : at->second.request->shared_from_this();
}

void InFlight::add(Request* request) {
  Slot slot;
  slot.request = request;
  slot.since = clock_.now();
  requests_[request->origin().unique] = slot;
  young_ += request->origin().bytes;
}

void InFlight::remove(Request* request) {
  const auto& origin = request->origin();
  auto at = requests_.find(origin.unique);
  if (!at->second.stalled) young_ -= origin.bytes;
  if (at->second.stalled && origin.keepsBytes) kept_ -= origin.bytes;
  requests_.erase(at);
  if (drained_.hasWaiters()) drained_.notifyAll();
}

void InFlight::setStalledApart() {
  const TimePoint now = clock_.now();
  for (auto& [unique, slot] : requests_) {
    if (slot.stalled || now - slot.since < stalledAfter_) continue;
    const auto& origin = slot.request->origin();
    slot.stalled = true;
    young_ -= origin.bytes;
    if (origin.keepsBytes) kept_ += origin.bytes;
  }
}

Task<void> InFlight::waitBelow(std::uint64_t limit) {
  while (!below(limit)) {
    co_await drained_.waitFor(clock_, kLook);
    setStalledApart();
  }
}

std::size_t InFlight::expire(TimePoint before, int errnoValue, bool everything) {
  std::vector<std::uint64_t> old;
  for (const auto& [unique, slot] : requests_) {
    if (slot.since < before && (everything || !slot.request->origin().waits)) old.push_back(unique);
  }
  for (auto unique : old) {
    if (auto request = find(unique)) request->error(errnoValue);
  }
  return old.size();
}

}  // namespace vcfs::fuse
