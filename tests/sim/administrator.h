#pragma once

#include "tests/sim/actors.h"

namespace vcfs::sim {

// What `vcfs storage drain` says to a tracker, from its own host. Throws Error.
Task<void> sayDrain(SimCluster& cluster, int tracker, std::string server, bool drain);

// What `vcfs storage remove --accept-loss` says, and is told. Throws Error.
struct AcceptedLoss {
  InodeId inode = 0;
  std::uint64_t kept = 0;
  bool gaps = false;
  bool lost = false;
  bool waits = false;
};
struct AcceptedPage {
  std::vector<AcceptedLoss> losses;
  InodeId last = 0;
  bool more = false;
};
Task<AcceptedPage> sayAcceptLoss(SimCluster& cluster, int tracker, std::string server, InodeId after,
                                 std::uint32_t limit);

// Somebody at the host of a tracker who has servers emptied and changes his mind, as `vcfs storage drain` does: one
// server at a time. What he says is repeated until a tracker has heard it.
class Administrator : public std::enable_shared_from_this<Administrator> {
 public:
  Administrator(SimCluster& cluster, Journal& journal, std::uint64_t seed, int servers, int trackers);

  void step();    // once per step of a run
  void relent();  // nothing is to be emptied any more; returns when a tracker knows

 private:
  void say();
  Task<void> tell(int tracker, std::string server, bool drain);

  SimCluster& cluster_;
  Journal& journal_;
  std::mt19937_64 random_;  // its own: runs without it are what they were
  const int servers_;
  const int trackers_;
  int server_ = 0;  // the one he speaks of; 0: none yet
  bool drain_ = false;
  bool heard_ = true;
  bool calling_ = false;
};

}  // namespace vcfs::sim
