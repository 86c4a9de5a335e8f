#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/async/signal.h"
#include "fuse/session/libfuse.h"
#include "vcfs/types.h"

struct flock;
struct stat;

namespace vcfs::fuse {

class InFlight;

// One request of the kernel: who asks, and the one answer it gets. The first answer counts, later ones are dropped and
// return false. So does an answer that the kernel did not take because the caller is gone: what the answer handed out
// (an open file) must then be given back. Loop thread only.
class Request : public std::enable_shared_from_this<Request> {
 public:
  struct Origin {
    std::uint64_t unique = 0;
    std::uint32_t opcode = 0;
    bool dropPrivileges = false;  // the kernel asks us to clear setuid and setgid with this call
    std::uint64_t bytes = 0;      // that a READ or WRITE moves
    bool keepsBytes = false;      // a WRITE: they are in this process's memory until it is answered
    bool waits = false;           // for a lock, as long as it takes
  };
  Request(fuse_req_t req, InFlight& inFlight, Origin origin);
  ~Request();

  uid_t uid() const { return uid_; }
  gid_t gid() const { return gid_; }
  pid_t pid() const { return pid_; }
  std::uint32_t umask() const { return umask_; }  // of the caller, when something is made
  bool inGroup(gid_t group) const;                // the caller's own or a supplementary one; only before the answer
  const Origin& origin() const { return origin_; }
  bool answered() const { return req_ == nullptr; }

  bool done() { return error(0); }
  bool error(int errnoValue);
  bool entry(const fuse_entry_param& entry);
  bool noEntry(double seconds);  // the name does not exist, and that may be remembered
  bool created(const fuse_entry_param& entry, const fuse_file_info& file);
  bool attributes(const struct stat& attributes, double seconds);
  bool opened(const fuse_file_info& file);
  bool link(const std::string& target);
  bool written(std::size_t bytes);
  bool bytes(const char* data, std::size_t size);
  bool pieces(const std::vector<Piece>& pieces, std::size_t limit);
  bool space(const struct statvfs& space);
  bool attributeSize(std::size_t bytes);
  bool place(std::uint64_t offset);
  bool lock(const struct flock& lock);

 private:
  fuse_req_t take();  // null when answered already

  fuse_req_t req_;
  InFlight& inFlight_;
  Origin origin_;
  uid_t uid_;
  gid_t gid_;
  pid_t pid_;
  std::uint32_t umask_;
};
using RequestPtr = std::shared_ptr<Request>;

// The requests that have not been answered yet.
class InFlight {
 public:
  // `stalledAfter`: a request that takes as long waits for servers that are away.
  InFlight(asio::io_context& io, Clock& clock, Duration stalledAfter)
      : clock_(clock), stalledAfter_(stalledAfter), drained_(io) {}

  RequestPtr find(std::uint64_t unique);
  std::size_t count() const { return requests_.size(); }
  // The READs and WRITEs that are under way and not stalled move at most `limit` bytes. Nobody is to wait with those
  // that are: of them only WRITEs count, as their bytes are kept here, and with the others up to twice as many.
  bool below(std::uint64_t limit) const { return young_ <= limit && young_ + kept_ <= 2 * limit; }
  Task<void> waitBelow(std::uint64_t limit);
  // Answers everything that came before `before`, and does not wait for a lock (unless `everything`), with
  // `errnoValue`; returns how many.
  std::size_t expire(TimePoint before, int errnoValue, bool everything = false);

 private:
  friend class Request;
  void add(Request* request);
  void remove(Request* request);
  void setStalledApart();

  struct Slot {
    Request* request = nullptr;
    TimePoint since;
    bool stalled = false;  // it does not count as young any more
  };
  Clock& clock_;
  const Duration stalledAfter_;
  std::unordered_map<std::uint64_t, Slot> requests_;
  std::uint64_t young_ = 0;  // bytes
  std::uint64_t kept_ = 0;   // of WRITEs that are stalled
  Signal drained_;
};

}  // namespace vcfs::fuse
