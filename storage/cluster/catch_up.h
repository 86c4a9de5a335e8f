#pragma once

#include <kj/common.h>

#include "storage/node.h"

namespace vcfs::storage {

// One pass over one file: its state while coroutines suspend. Lives in catchUpFile()'s frame.
class CatchUp {
 public:
  CatchUp(NodePtr node, FilePtr file) : node_(std::move(node)), file_(std::move(file)) {
    source_ = file_->replica.primaryAddress();
    const Replica* primary = file_->replica.layout().primary();
    if (primary != nullptr) sourceId_ = primary->storage;
  }
  ~CatchUp() { file_->bytesToGo = 0; }

  Task<void> run();

 private:
  // What must not change from the moment the primary said that this replica has joined: a replica that was given up and
  // added again meanwhile lacks what was written in between, and is probed again or told an epoch that follows on
  // nothing.
  struct Joined {
    std::uint64_t probes = 0;
    Epoch since = 0;
    friend bool operator==(const Joined&, const Joined&) = default;
  };
  Joined joinedNow() const { return Joined{file_->probes, file_->replica.since()}; }
  void checkStill() const;

  // catch_up.cpp: joining, and the end
  struct Info {
    std::uint64_t size = 0;
    FileState state = FileState::open;
    std::int64_t mtimeNs = 0;
    std::uint64_t bytesToGo = 0;
  };
  Task<Info> ask();
  Task<void> waitJoined();
  Task<void> confirmLayout();
  Task<void> prepareOwn();
  Task<void> learnSeal();
  void checkSyncs() const;
  Task<void> syncOwn();
  Task<void> syncOnce();
  Task<void> finish();

  // catch_up_copy.cpp: the bytes
  Task<void> copyAll();
  void checkCopying() const;
  Task<std::uint64_t> sourceSize();
  Task<void> learnSize();
  Task<std::vector<std::uint32_t>> sourceSums(std::uint64_t offset);
  Task<void> cutOwn();
  Task<std::vector<Range>> missing(std::uint64_t offset, std::uint64_t end);
  using Fetched = capnp::RemotePromise<schema::Storage::FetchResults>;
  struct Fetching {
    Fetching(Range what, Fetched answer) : range(what), promise(kj::mv(answer)) {}
    Range range;
    Fetched promise;
  };
  Fetching fetch(Range range);
  Task<void> copyPieces(std::vector<Range> todo);
  Task<void> writePiece(Range range, schema::Storage::FetchResults::Reader answer);
  Task<void> writeOwn(std::uint64_t offset, std::span<const std::byte> bytes);
  Task<void> extend(std::uint64_t size);
  Task<void> yieldToLive(std::uint64_t bytes, Duration took);

  // A job on the write pool that counts as one of the file's: while it is under way no live write runs inline past it.
  // Submitted in the very turn in which this is awaited.
  template <class Job>
  Task<std::invoke_result_t<Job&>> inOrder(Job job, bool quietly = false);

  NodePtr node_;
  FilePtr file_;
  std::string source_;
  StorageId sourceId_ = 0;
  std::shared_ptr<PeerSession> session_;
  std::optional<Joined> joined_;
  std::uint64_t total_ = 0;         // the source's size when the pass began
  std::uint64_t ownSize_ = 0;       // this replica's, of what is not live
  bool learnedTime_ = false;        // in this pass, the file's mtime
  std::uint64_t syncFailures_ = 0;  // File's, when the pass began
  std::uint64_t salvages_ = 0;      // the same
};

template <class Job>
Task<std::invoke_result_t<Job&>> CatchUp::inOrder(Job job, bool quietly) {
  const NodePtr node = node_;
  const FilePtr file = file_;
  ++file->localQueued;
  const auto leave = kj::defer([node, file] { node->localFinished(file); });
  BlockingPool& pool = *node->pools.writes;
  auto pending = quietly ? pool.runQuiet(std::move(job)) : pool.run(std::move(job));
  co_return co_await std::move(pending);
}

}  // namespace vcfs::storage
