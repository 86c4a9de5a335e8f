#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::cli {

enum class LossFate { kept, lost, waits };

// A file of which only a server that is gone had all bytes, as Tracker.acceptLoss says it.
struct LossEntry {
  InodeId inode = 0;
  std::string path;
  std::uint64_t size = 0;  // that the catalog knew
  std::uint64_t kept = 0;
  bool gaps = false;  // bytes may be missing anywhere in what is kept
  FileState state = FileState::none;
  LossFate fate = LossFate::lost;
  std::string source;               // the server whose copy is kept
  std::vector<std::string> unseen;  // servers whose copies could not be looked at

  std::uint64_t lost() const { return fate == LossFate::waits || kept >= size ? 0 : size - kept; }
};

// What becomes of a removed server's files: the first `most` one by one, all of them counted. No I/O.
class LossReport {
 public:
  LossReport(std::string server, bool dryRun, std::uint64_t most)
      : server_(std::move(server)), dryRun_(dryRun), most_(most) {}

  bool add(LossEntry entry);  // false: there are too many to tell of each
  // `away`: so many of them only on servers that are away, too.
  void addElsewhere(std::uint64_t files, std::uint64_t away) {
    elsewhere_ += files;
    othersAway_ += away;
  }
  void noteRemoved() { removed_ = true; }

  const std::vector<LossEntry>& entries() const { return entries_; }
  std::uint64_t waiting() const { return waiting_; }
  std::uint64_t waitingForServers() const { return unseen_; }  // of these, not just for a repetition
  static std::string line(const LossEntry& entry);
  std::string summary() const;  // behind the lines: how many more there are, and the totals
  std::string text() const;     // all of it
  nlohmann::ordered_json json() const;

 private:
  std::string server_;
  bool dryRun_;
  std::uint64_t most_;
  std::vector<LossEntry> entries_;
  std::uint64_t elsewhere_ = 0;
  std::uint64_t othersAway_ = 0;
  std::uint64_t kept_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t waiting_ = 0;
  std::uint64_t unseen_ = 0;
  std::uint64_t bytesLost_ = 0;
  bool removed_ = false;
};

}  // namespace vcfs::cli
