#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "httpd/core/counters.h"
#include "httpd/core/url_path.h"
#include "httpd/http_options.h"
#include "httpd/ops/cluster_metrics.h"
#include "httpd/store/block_cache.h"
#include "httpd/store/entry_cache.h"
#include "vcfs/cluster.h"

namespace vcfs::httpd {

struct Question;

// A version of a file that is being sent, and how it is read.
struct Version {
  Entry entry;
  std::uint64_t since = 0;             // EntryCache::sequence() before the entry was asked for
  std::shared_ptr<File> file;          // opened when something is first read
  bool certain = true;                 // what was read last is of this version, as far as anybody was told
  bool late = false;                   // the trackers did not say in time whether it is
  std::shared_ptr<Question> question;  // on its way to them
  bool sealed() const { return entry.attr.state == FileState::closed || entry.attr.state == FileState::recovered; }
};

// What all connections share. Loop thread only.
class Site : public std::enable_shared_from_this<Site> {
 public:
  Site(Runtime& runtime, HttpOptions options);
  void setCluster(std::shared_ptr<Cluster> cluster);

  // What a path or id names now; nullopt: nothing. Sealed files may come from the entry cache, of files being recorded
  // size and state are asked for. Throws vcfs::Error.
  Task<std::optional<Entry>> find(std::vector<std::string> components);
  Task<std::optional<Entry>> findById(InodeId inode);

  // A block of a sealed file, from the cache or read. Connections that want the same block read it once, and all get
  // what came of it, be it an error: whoever joins waits no longer than the first. `version` must stay.
  Task<BlockPtr> block(BlockKey key, Version& version);
  // As File::read. Throws Error(io) when a sealed file is another one than `version` says, so that no answer has bytes
  // of two. While trackers or database are away it is taken for the same after a second without an answer (nobody can
  // open it for writing then); `version`, which must stay, is not certain then, and the answer is looked at when it
  // comes.
  Task<std::vector<Piece>> read(Version& version, std::uint64_t offset, std::uint64_t length);

  const std::string& date();  // of now, as the Date header wants it
  Figures figures() const;

  Runtime& runtime;
  const HttpOptions options;
  const std::string commonLines;  // headers that every answer has
  std::shared_ptr<Cluster> cluster;
  BlockCache blocks;
  EntryCache entries;
  Counters counters;
  const std::shared_ptr<ClusterMetrics> clusterMetrics;
  std::string scratch;  // receive buffer: used and left within one turn of the loop
  bool stopping = false;

 private:
  struct Loading;
  Task<BlockPtr> load(BlockKey key, Version& version, std::shared_ptr<Loading> loading);
  Task<BlockPtr> readBlock(BlockKey key, Version& version);
  Task<void> requireUnchanged(Version& version);
  Task<bool> foundOut(Version& version);
  Task<void> ask(std::shared_ptr<Question> question);

  std::unordered_map<BlockKey, std::shared_ptr<Loading>, BlockKeyHash> loading_;
  std::int64_t dateSecond_ = -1;
  std::string date_;
};

}  // namespace vcfs::httpd
