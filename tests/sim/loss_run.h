#pragma once

#include "tests/sim/administrator.h"

// Runs in which a storage server is gone for good, with files of which only it had everything, since another one was
// behind at that moment; and somebody accepts that. What must hold: whoever is told nothing has everything that was
// acknowledged; what is kept of a file has no gap unless that was said, and no byte that was never there; and nobody
// whose call succeeds after that lacks anything.
namespace vcfs::sim {

class LossRun {
 public:
  explicit LossRun(std::uint64_t seed);
  void run();
  const std::vector<std::string>& complaints() const { return complaints_; }
  const Journal& journal() const { return journal_; }
  std::size_t losses() const { return told_.size(); }  // files that somebody was told of

 private:
  struct Recording {
    std::shared_ptr<Writer> writer;
    std::size_t openedAt = 0;  // so many changes were made before, through other descriptors
    bool failed = false;
    bool ended = false;
    std::optional<TimePoint> closedAt;  // by its writer, as the last that it did
  };
  void begin();
  Task<void> record(std::shared_ptr<Recording> recording, std::uint64_t seed);
  Task<void> giveUp(std::shared_ptr<Writer> writer);
  Task<void> oneChange(std::shared_ptr<Recording> recording, std::mt19937_64* random);
  void trouble();
  void loseOne();
  void refuseSome(int n);
  void accept();
  bool acceptPage(InodeId& after, bool& waits);
  bool recordingsEnded() const;
  bool allWhole();
  bool settled(InodeId inode);
  bool allSettled();
  void check(const Recording& recording);
  static std::string foreignBytes(const Writer& writer, const std::string& content, std::uint64_t holes);
  void checkTold(const Recording& recording, const AcceptedLoss& loss, const std::string& content);
  void complain(std::string what);
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  int drawServer() { return 1 + static_cast<int>(draw(static_cast<std::size_t>(servers_))); }

  std::mt19937_64 random_;
  int copies_;
  int servers_;
  int trackers_;
  std::mt19937_64 diskRandom_;
  SimCluster cluster_;
  Journal journal_;
  std::vector<std::shared_ptr<Cluster>> clients_;
  std::vector<std::shared_ptr<Recording>> recordings_;
  std::map<InodeId, AcceptedLoss> told_;
  int gone_ = 0;
  bool lost_ = false;  // it is gone
  std::optional<TimePoint> acceptedAt_;
  bool finish_ = false;  // writers close
  std::vector<std::string> complaints_;
};

}  // namespace vcfs::sim
