#pragma once

#include "tests/sim/actors.h"

// What is broken and mended in a random run. Of servers and their network one thing at a time, and the next one only
// when every file has all its copies again: that is what is promised to be survived. In some runs the next one comes
// before that (overlap()): a server dies, hangs, or is cut off, while another has not caught up yet. A cut lasts until
// those who wait for an answer that was lost in it have given up. A tracker or the database may fail at any time; while
// the only tracker or the database is away no server and no network breaks that is not broken already.
namespace vcfs::sim {

class Faults {
 public:
  Faults(SimCluster& cluster, Journal& journal, std::mt19937_64& random, int servers, int trackers, bool splits);

  // Once per step. `whole`: the loss of a server would be survived.
  void step(const std::function<bool()>& whole);
  void mendAll();
  // Only crashes of processes, hanging ones, and cuts, which take nothing away for good: what was written is to be
  // there afterwards. Not for runs with appends from two hosts: who has executed them is known as long as one server of
  // the file lives.
  void overlap() { overlapping_ = true; }
  // Now and then every server loses power at once.
  void allowBlackouts() { darkens_ = true; }
  unsigned blackouts() const { return blackouts_; }  // so far
  // Now and then two servers die or lose power at once. For files of three copies: the third one has everything.
  void allowPairs() { pairs_ = true; }
  Duration delayOf(const std::string& from, const std::string& to) const;
  // A disk is full, or was a moment ago: a tracker learns with the next heartbeat that there is room again, and when
  // the other servers are away there is none at all until then.
  bool mayBeFull() const;
  // A client may be alone with a server that does not know yet that it was replaced, or was a moment ago: a switch
  // failed, or nobody could tell either of them since the server was cut off, because the database failed as well.
  bool mayLag(const std::string& client) const;

 private:
  void strike(bool spare);
  void blackout();
  void strikeTwo(int n);
  void endSilence();
  void strikeLast(int n);
  void strikeServer(int n);
  void crash(int n);
  void cutOff(int n);
  void hang(const std::string& host);
  void strikeDisk(int n);
  void strikeNetwork();
  void split(int server);
  void strikeTracker();
  void strikeDatabase();
  // It lasts, or ended less than `ago` before.
  bool lately(const std::optional<TimePoint>& until, Duration ago) const;
  // The only server that is left would hand the disk's refusal on to the recorder, which is right.
  bool diskRefuses() const;
  void mend();
  void mendTracker();
  void mendDatabase();
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  TimePoint soon();

  SimCluster& cluster_;
  Journal& journal_;
  std::mt19937_64& random_;
  const int servers_;
  const int trackers_;
  const bool splits_;                     // half of what breaks
  const bool hard_;                       // VCFS_SIM_HARD
  std::map<std::string, Duration> slow_;  // hosts whose messages take longer now
  bool overlapping_ = false;
  bool darkens_ = false;
  bool pairs_ = false;
  unsigned blackouts_ = 0;
  bool broken_ = false;
  bool network_ = false;  // what is broken
  TimePoint mendAt_;
  TimePoint noticedAt_;                // when nobody waits for a lost message any more
  std::optional<TimePoint> disk_;      // until when a disk is broken, or was last
  std::optional<TimePoint> full_;      // until when a disk is full, or was last
  std::string alone_;                  // the client of the last split
  std::optional<TimePoint> split_;     // until when it lasts, or lasted
  std::optional<TimePoint> cutOff_;    // the same, of a server from everybody
  std::optional<TimePoint> database_;  // until when it fails, or failed
  std::set<int> dark_;                 // servers that are without power, and nobody was told
  std::string hanging_;                // the server that stands still
  int deadTracker_ = 0;                // or it stands still
  bool trackerHangs_ = false;
  TimePoint trackerMendAt_;
  bool databaseFails_ = false;
  TimePoint databaseMendAt_;
};

}  // namespace vcfs::sim
