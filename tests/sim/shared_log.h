#pragma once

#include "tests/sim/actors.h"

// Several clients that append records to one file, each opened for appending, and a reader of it. Every record must be
// there once, whole and in its client's order, whatever fails meanwhile.
namespace vcfs::sim {

class Appender : public std::enable_shared_from_this<Appender> {
 public:
  Appender(std::shared_ptr<Cluster> cluster, std::string path, char name, Clock& clock, std::uint64_t seed)
      : cluster_(std::move(cluster)), path_(std::move(path)), name_(name), clock_(clock), random_(seed) {}

  Task<void> run();  // until stop()
  void stop() { stopped_ = true; }
  bool ended() const { return ended_; }
  InodeId inode() const { return inode_; }
  std::uint64_t written() const { return written_; }  // records; when it has ended all of them are acknowledged

  std::vector<std::string> complaints;

 private:
  Task<void> work();
  std::size_t draw(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::shared_ptr<Cluster> cluster_;
  std::string path_;
  char name_;
  Clock& clock_;
  std::mt19937_64 random_;
  InodeId inode_ = 0;
  std::uint64_t written_ = 0;
  bool stopped_ = false;
  bool ended_ = false;
};

// Reads an append-only file from its begin to its end, again and again: what was seen once never changes.
class LogReader : public std::enable_shared_from_this<LogReader> {
 public:
  LogReader(std::shared_ptr<Cluster> cluster, std::string path, Clock& clock, std::uint64_t seed)
      : cluster_(std::move(cluster)), path_(std::move(path)), clock_(clock), random_(seed) {}
  Task<void> run();  // until stop()
  void stop() { stopped_ = true; }
  bool ended() const { return ended_; }
  std::vector<std::string> complaints;

 private:
  Task<void> observe();

  std::shared_ptr<Cluster> cluster_;
  std::string path_;
  Clock& clock_;
  std::mt19937_64 random_;
  std::string seen_;
  bool stopped_ = false;
  bool ended_ = false;
};

// "": `text` consists of whole records, each client's first `written` ones once and in order.
std::string judgeLog(const std::string& text, const std::map<char, std::uint64_t>& written);

}  // namespace vcfs::sim
