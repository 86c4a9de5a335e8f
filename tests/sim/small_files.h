#pragma once

#include "tests/sim/actors.h"

// A client that makes files, writes them in one to three pieces and closes them: each must be there afterwards on every
// replica that counts.
namespace vcfs::sim {

class SmallFiles : public std::enable_shared_from_this<SmallFiles> {
 public:
  // mayBeFull: whether a tracker may believe now that the servers that are there have no room.
  SmallFiles(std::shared_ptr<Cluster> cluster, Clock& clock, std::uint64_t seed, std::function<bool()> mayBeFull)
      : cluster_(std::move(cluster)), clock_(clock), random_(seed), mayBeFull_(std::move(mayBeFull)) {}

  Task<void> run();  // until stop()
  void stop() { stopped_ = true; }
  bool ended() const { return ended_; }

  struct Closed {
    InodeId inode = 0;
    std::string bytes;
  };
  std::vector<Closed> closed;
  std::vector<std::string> complaints;

 private:
  Task<void> make();
  // An answer, when there may be no room.
  bool isNoRoom(const Error& error) const { return error.code() == Errc::noSpace && mayBeFull_(); }
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::shared_ptr<Cluster> cluster_;
  Clock& clock_;
  std::mt19937_64 random_;
  std::function<bool()> mayBeFull_;
  std::uint64_t made_ = 0;
  bool stopped_ = false;
  bool ended_ = false;
};

}  // namespace vcfs::sim
