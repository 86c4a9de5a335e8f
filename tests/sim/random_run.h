#pragma once

#include "tests/sim/actors.h"

namespace vcfs::sim {

// One run drawn from a seed: one or two clients write, the other one follows, and one thing at a time is broken and
// mended. What must hold: no call fails, whatever was acknowledged stays, readers see only what was there, and when
// everything is mended and closed every replica has exactly what was written.
class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed);
  void run();
  const std::vector<std::string>& complaints() const { return complaints_; }
  const Journal& journal() const { return journal_; }

 private:
  Task<void> record(std::shared_ptr<Writer> writer, std::uint64_t seed);
  Task<void> oneChange(std::shared_ptr<Writer> writer, std::mt19937_64* random);
  void breakSomething();
  void mend();
  void breakServer(int n);
  void breakNetwork();
  bool healthy() const;
  bool allWhole();
  bool allSealed();
  void checkReplicas();
  void complain(std::string what);
  void describe(InodeId inode);
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  // Also what is known not to hold always: disks that refuse writes for a while and then take them again, and files
  // that are opened again while the tracker has not heard that they were closed.
  const bool hard_;
  std::mt19937_64 random_;
  int servers_;
  SimCluster cluster_;
  Journal journal_;
  std::map<std::string, Duration> slow_;  // hosts whose messages take longer now
  std::vector<std::shared_ptr<Writer>> writers_;
  std::vector<std::shared_ptr<Follower>> followers_;
  std::vector<std::string> complaints_;
  std::size_t recording_ = 0;
  int brokenDisk_ = 0;
  bool broken_ = false;
  bool finish_ = false;  // writers close
  TimePoint mendAt_;
};

}  // namespace vcfs::sim
