#pragma once

#include "tests/sim/administrator.h"
#include "tests/sim/faults.h"
#include "tests/sim/shared_log.h"
#include "tests/sim/small_files.h"

namespace vcfs::sim {

// One run drawn from a seed: clients write, append to a common file and make small ones, others follow, and things are
// broken and mended (see Faults), servers emptied. What must hold: no call fails, whatever was acknowledged stays,
// readers see only what was there, no two trackers coordinate at once, and when everything is mended and closed every
// replica of every file has exactly what was written.
class RandomRun {
 public:
  // splits: a run of the kind in which networks mostly fall in two; else that is drawn too. It has three copies of
  // every file and one that both clients write: then a former primary that does not know it can do harm.
  explicit RandomRun(std::uint64_t seed, bool splits = false);
  void run();
  const std::vector<std::string>& complaints() const { return complaints_; }
  const Journal& journal() const { return journal_; }

 private:
  void begin();
  void end();
  void checkAll();
  Task<void> record(std::shared_ptr<Writer> writer, std::uint64_t seed);
  Task<void> oneChange(std::shared_ptr<Writer> writer, std::mt19937_64* random);
  bool healthy();
  bool ended() const;
  bool clientsEnded() const;
  std::vector<InodeId> inodes() const;
  bool allWhole();
  bool allSealed();
  bool sealedOnDisks();
  std::vector<int> openOnDisks(InodeId inode);  // in sync there, and not yet sealed
  void checkCoordinators();
  void checkGaps();
  void checkReplicas(InodeId inode, const std::string& name, const std::string& expected);
  void checkTimes(InodeId inode, const std::string& name);
  void checkLog();
  void complain(std::string what);
  void collect();
  void describe(InodeId inode);
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  template <class Actor>
  void start(const std::shared_ptr<Actor>& actor) {
    asio::co_spawn(cluster_.io, actor->run(), asio::detached);
  }

  std::mt19937_64 random_;
  bool splits_;
  int copies_;
  int servers_;
  int trackers_;
  std::mt19937_64 diskRandom_;
  SimCluster cluster_;
  Journal journal_;
  Faults faults_;
  std::shared_ptr<Administrator> administrator_;  // of every other run with a server to spare
  std::vector<std::shared_ptr<Cluster>> clients_;
  std::vector<std::shared_ptr<Writer>> writers_;
  std::vector<std::shared_ptr<Follower>> followers_;
  std::vector<std::shared_ptr<Appender>> appenders_;
  std::shared_ptr<LogReader> logReader_;
  std::shared_ptr<SmallFiles> smallFiles_;
  std::vector<std::string> complaints_;
  std::size_t recording_ = 0;
  bool finish_ = false;  // writers close
  std::uint64_t steps_ = 0;
};

}  // namespace vcfs::sim
