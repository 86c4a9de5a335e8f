#pragma once

#include "tests/sim/file_model.h"
#include "tests/sim/sim_cluster.h"

// Those who use the cluster in these tests: a writer that knows what it wrote, and a reader that checks what it sees.
// Both run as coroutines while the test moves the clock and breaks things; they must outlive the SimCluster's last
// turn, which the shared pointers see to.
namespace vcfs::sim {

// Text without zeros, different at every place and for every version.
std::string pattern(std::uint64_t offset, std::size_t length, std::uint64_t version);

// What happened, in order, with the simulated time: two runs of one seed have the same.
class Journal {
 public:
  // VCFS_SIM_JOURNAL=1: told at once too, among the log lines of all daemons.
  explicit Journal(SimCluster& cluster);
  void note(const std::string& what);
  const std::vector<std::string>& lines() const { return lines_; }
  std::string tail(std::size_t count) const;

 private:
  SimCluster& cluster_;
  const bool live_;
  std::vector<std::string> lines_;
};

// One client that writes one file. All verbs note what they do in the model; an error is noted and thrown.
class Writer : public std::enable_shared_from_this<Writer> {
 public:
  Writer(std::shared_ptr<Cluster> cluster, std::string path) : cluster_(std::move(cluster)), path_(std::move(path)) {}

  Task<void> open();  // makes it when it is not there
  Task<void> write(std::uint64_t offset, std::size_t length);
  Task<void> append(std::size_t length) { return write(model.size(), length); }
  Task<void> truncate(std::uint64_t size);
  Task<void> flush();
  Task<void> sync();
  Task<void> close();
  Task<void> checkOwnView();  // reads everything back and compares

  bool isOpen() const { return file_ != nullptr; }
  InodeId inode() const { return inode_; }
  const std::string& path() const { return path_; }
  const std::shared_ptr<Cluster>& cluster() const { return cluster_; }
  FileModel model;
  std::vector<std::string> complaints;
  std::function<void(const std::string&)> onCall = [](const std::string&) {};  // told of each call as it is made

 private:
  std::shared_ptr<Cluster> cluster_;
  std::string path_;
  std::shared_ptr<File> file_;
  InodeId inode_ = 0;
  std::uint64_t version_ = 0;
};

// Another client that follows a writer's file: waits for growth, reads here and there, and complains about bytes that
// cannot be.
class Follower : public std::enable_shared_from_this<Follower> {
 public:
  Follower(std::shared_ptr<Cluster> cluster, std::shared_ptr<Writer> writer, Clock& clock, std::uint64_t seed)
      : cluster_(std::move(cluster)), writer_(std::move(writer)), clock_(clock), random_(seed) {}

  Task<void> run();  // until stop()
  void stop() { stopped_ = true; }
  bool ended() const { return ended_; }

  // Whether this host is cut off from everybody who knows of a new primary: it may see the file as it was then.
  std::function<bool()> mayLag = [] { return false; };
  std::vector<std::string> complaints;
  std::uint64_t reads = 0;
  std::uint64_t bytes = 0;

 private:
  Task<void> observe();
  Task<void> readOnce(std::uint64_t offset, std::size_t length);
  FileModel::Mark since();
  void sawEnd(std::uint64_t end, const FileModel::Mark& when, const char* how);
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::shared_ptr<Cluster> cluster_;
  std::shared_ptr<Writer> writer_;
  Clock& clock_;
  std::mt19937_64 random_;
  std::shared_ptr<File> file_;
  std::uint64_t seenEnd_ = 0;
  FileModel::Mark seenAt_;
  FileModel::Mark lookedAt_;                 // when it looked last
  std::optional<FileModel::Mark> laggedAt_;  // the same, before it might lag
  bool stopped_ = false;
  bool ended_ = false;
};

}  // namespace vcfs::sim
