#pragma once

#include "tests/sim/faults.h"

// Runs in which now and then every server loses power at once, beside everything else that breaks in random runs. A
// sync that succeeded covers everything written before it on that handle, whatever happened; so does a close, as long
// as the power stays. Otherwise they say so, once for each time.
namespace vcfs::sim {

// Writes one file and knows what must be there: exactly what it wrote whenever it was told so, and never less than what
// a sync covered.
class SyncingWriter : public std::enable_shared_from_this<SyncingWriter> {
 public:
  SyncingWriter(std::shared_ptr<Cluster> cluster, std::string path, Journal& journal, Clock& clock,
                const Faults& faults, std::uint64_t seed)
      : cluster_(std::move(cluster)),
        path_(std::move(path)),
        journal_(journal),
        clock_(clock),
        faults_(faults),
        random_(seed) {}

  Task<void> run();  // until stop()
  void stop() { stopped_ = true; }
  bool ended() const { return ended_; }
  InodeId inode() const { return inode_; }

  // What it was just told to be there: the run looks, and lets it go on.
  enum class Claim { none, written, synced };
  Claim claim() const { return claim_; }
  void looked() { claim_ = Claim::none; }
  // "": it is.
  std::string judge(const std::string& there) const;

  std::vector<std::string> complaints;
  unsigned told = 0;  // losses

 private:
  Task<void> work();
  Task<void> oneCall();
  Task<void> open();
  Task<void> write(std::uint64_t offset, std::size_t length);
  Task<void> truncate(std::uint64_t size);
  Task<void> sync();
  Task<void> close();
  Task<void> waitLooked();
  Task<void> learn();
  Task<void> learnAgain();
  bool ranOut(const Error& error);
  void wasTold(const Error& error, const char* by, unsigned darkBefore);
  void doubt();
  void touch(std::uint64_t begin, std::uint64_t end);
  void complain(const std::string& what);
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::shared_ptr<Cluster> cluster_;
  std::string path_;
  Journal& journal_;
  Clock& clock_;
  const Faults& faults_;
  std::mt19937_64 random_;
  std::shared_ptr<File> file_;
  InodeId inode_ = 0;
  std::uint64_t version_ = 0;
  std::string bytes_;           // what it believes the file to be
  std::string synced_;          // at the last sync
  std::vector<bool> touched_;   // places that were changed since
  std::uint64_t shortest_ = 0;  // that the file was since
  // Changed through a former descriptor and never synced: a blackout since takes it, and this descriptor is not told.
  std::vector<bool> doubted_;
  bool cutInDoubt_ = false;
  bool cut_ = false;       // since the last sync that succeeded, through whichever descriptor
  unsigned openedAt_ = 0;  // blackouts
  unsigned cleared_ = 0;   // blackouts that it need not be told of
  bool mustLearn_ = false;
  bool ranOut_ = false;  // no room for what was written
  Claim claim_ = Claim::none;
  bool stopped_ = false;
  bool ended_ = false;
};

class BlackoutRun {
 public:
  // What happens beside the usual: every server loses power; or two of them at once, while every file has three copies.
  enum class Kind { all, two };
  explicit BlackoutRun(std::uint64_t seed, Kind kind = Kind::all);
  void run();
  const std::vector<std::string>& complaints() const { return complaints_; }
  const Journal& journal() const { return journal_; }
  unsigned told() const;  // losses

 private:
  void look();
  bool allWhole();
  bool healthy();
  void complain(std::string what);
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::mt19937_64 random_;
  int copies_;
  int servers_;
  int trackers_;
  SimCluster cluster_;
  Journal journal_;
  Faults faults_;
  std::vector<std::shared_ptr<SyncingWriter>> writers_;
  std::vector<std::shared_ptr<Cluster>> clients_;
  std::vector<std::string> complaints_;
};

// The third copy has every byte: nobody is told anything, and nothing is gone.
class PairRun : public BlackoutRun {
 public:
  explicit PairRun(std::uint64_t seed) : BlackoutRun(seed, Kind::two) {}
};

}  // namespace vcfs::sim
