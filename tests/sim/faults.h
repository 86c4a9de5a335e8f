#pragma once

#include "tests/sim/actors.h"

// What is broken and mended in a random run. Of servers and their network one thing at a time, and the next one only
// when every file has two copies again: that is what is promised to be survived. A tracker may fail at any time; after
// an outage of the only one the next thing breaks when everybody had the time to tell it what happened meanwhile: the
// loss of a second server before the first one's return was noticed is two at a time.
namespace vcfs::sim {

class Faults {
 public:
  Faults(SimCluster& cluster, Journal& journal, std::mt19937_64& random, int servers, int trackers);

  // Once per step. `whole`: the loss of a server would be survived.
  void step(const std::function<bool()>& whole);
  void mendAll();
  Duration delayOf(const std::string& from, const std::string& to) const;
  // A disk is full, or was a moment ago: a tracker learns with the next heartbeat that there is room again, and when
  // the other servers are away there is none at all until then.
  bool mayBeFull() const;

 private:
  void strike();
  void strikeServer(int n);
  void strikeDisk(int n);
  void strikeNetwork();
  void strikeTracker();
  void mend();
  void mendTracker();
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  TimePoint soon();
  bool trackersKnow() const;

  SimCluster& cluster_;
  Journal& journal_;
  std::mt19937_64& random_;
  const int servers_;
  const int trackers_;
  const bool hard_;                       // VCFS_SIM_HARD
  std::map<std::string, Duration> slow_;  // hosts whose messages take longer now
  bool broken_ = false;
  TimePoint mendAt_;
  std::optional<TimePoint> full_;  // until when a disk is full, or was last
  int deadTracker_ = 0;
  TimePoint trackerMendAt_;
  TimePoint calmAt_;
};

}  // namespace vcfs::sim
