#pragma once

#include <algorithm>
#include <unordered_map>

#include "cli/fsck/sources.h"

namespace vcfs::cli::fsck {

struct Options {
  bool deep = false;          // compare the bytes of sealed files too
  bool repair = false;        // what can be repaired without doubt
  std::uint64_t most = 1000;  // problems that are told one by one
};

// Something that is wrong, as it is told.
struct Problem {
  Finding finding;
  InodeId inode = 0;
  std::string path;    // in the store; empty: it has no name
  InodeId parent = 0;  // the directory and name that the path is made of
  std::string name;
  std::string server;  // a storage server's name
  std::string file;    // on that server
  bool repaired = false;
  std::string remedy;  // what was done, or what to do
};

struct Report {
  std::uint64_t files = 0;     // inodes that were looked at
  std::uint64_t replicas = 0;  // on disks
  std::uint64_t names = 0;
  std::uint64_t bytesCompared = 0;
  std::uint64_t found = 0;  // all problems; the first `most` are in `problems`
  std::vector<Problem> problems;
  std::vector<std::string> unreachable;  // servers that were not looked at

  // Nothing was found, and everybody could be asked.
  bool clean() const { return found == 0 && unreachable.empty(); }
};

std::string summary(const Report& report);  // the last line for people

bool sameVersion(const CatalogFile& a, const CatalogFile& b);  // as far as the catalog tells

constexpr std::size_t kBatch = 500;  // files per call
template <class T>
std::vector<T> batchAt(const std::vector<T>& all, std::size_t at) {
  const auto from = all.begin() + static_cast<std::ptrdiff_t>(at);
  return std::vector<T>(from, from + static_cast<std::ptrdiff_t>(std::min(kBatch, all.size() - at)));
}

// Every name of the store, a page at a time.
class NamesAfter {
 public:
  explicit NamesAfter(Sources& sources) : sources_(sources) {}
  bool more() const { return more_; }
  Task<std::vector<Name>> next();

 private:
  Sources& sources_;
  InodeId parent_ = 0;
  std::string name_;
  bool more_ = true;
};

// Compares the catalog with the disks of all servers while the cluster works. What looks wrong is looked at twice
// again, a second apart each, and told only if nothing about the file changed in between. Memory is bounded: pages of
// 1000, at most 1000 suspects before they are looked at again, and 8 bytes for each of at most 4 million names at a
// time.
class Scan {
 public:
  Scan(Sources& sources, Options options) : sources_(sources), options_(options) {}
  Task<void> run();
  const Report& report() const { return report_; }

 private:
  // scan.cpp: the passes, the catalog against the disks and the other way round; scan_names.cpp: names and links;
  // scan_settle.cpp: the looks that follow; tell.cpp: what is told, and repaired.
  static constexpr InodeId kEnd = UINT64_MAX;
  using Key = std::pair<Kind, StorageId>;
  struct Suspect {
    CatalogFile file;  // as it was last seen
    std::map<Key, std::string> findings;
  };

  // The window of inodes whose names are counted in this pass.
  struct Counted {
    InodeId from = 0;
    InodeId upTo = 0;                     // exclusive
    std::vector<InodeId> names;           // one for each name that leads to the inode
    std::vector<InodeId> subdirectories;  // one for each of the inode's
    LinkCounts of(InodeId inode) const;
  };

  Task<void> countNames(std::shared_ptr<Counted> counted, bool first);
  void shrink(Counted& counted) const;
  Task<void> checkName(Name suspect);
  Task<void> checkFiles(std::shared_ptr<Counted> counted);
  Task<void> checkPage(FilesPage page, std::shared_ptr<Counted> counted);
  Task<void> checkDisks();
  Task<void> checkDisk(Server server);
  Task<void> recheckLinks();
  Task<std::map<InodeId, LinkCounts>> countLinksOf(std::vector<InodeId> inodes);
  Task<std::map<InodeId, CatalogFile>> filesNow(std::vector<InodeId> inodes);
  Task<void> settle();  // the suspects, again
  using Suspects = std::map<InodeId, Suspect>;
  Task<std::vector<Suspect>> lookAgain(std::vector<Suspect> before);
  Task<std::optional<Finding>> compareBytes(CatalogFile file);
  std::vector<StorageId> holdersOf(const CatalogFile& file) const;
  Finding different(std::uint64_t offset, const ByteVersions& versions, const std::vector<StorageId>& holders) const;
  Task<bool> isOrphan(InodeId inode);
  // What the disks that are up have of these files, where the catalog places them and where `also` says.
  using Disks = std::map<InodeId, OnDisks>;
  Task<Disks> inspectAll(std::vector<CatalogFile> files, std::vector<std::pair<InodeId, StorageId>> also);
  void suspect(const CatalogFile& file, const Finding& finding);
  void lost(StorageId storage, const Error& error);
  Task<void> tell(InodeId inode, Suspect suspect);
  Task<void> repair(Problem& problem, const CatalogFile& file);  // or says what to do
  Task<void> giveUp(Layout layout, StorageId storage);           // the replica that was deleted there
  Task<void> adoptNewest(Problem& problem, const CatalogFile& file);
  Task<void> nameProblems();
  std::string serverName(StorageId id) const;
  Task<void> pause();

  Sources& sources_;
  Options options_;
  Report report_;
  std::map<StorageId, Server> servers_;
  Suspects suspects_;
  std::set<InodeId> linkSuspects_;
  std::int64_t keepNs_ = 0;
};

}  // namespace vcfs::cli::fsck
