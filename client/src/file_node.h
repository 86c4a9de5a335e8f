#pragma once

#include "client/src/read_stream.h"
#include "client/src/write_stream.h"

namespace vcfs::client {

// One inode that is in use here: what all its handles share. Its layout, what is known of its size, its send window,
// and whether it is open for writing. Lives as long as a handle or a call that needs it; Core::nodes finds it by inode.
// Loop thread only.
class FileNode : public std::enable_shared_from_this<FileNode> {
 public:
  static std::shared_ptr<FileNode> of(const std::shared_ptr<Core>& core, const Entry& entry);
  FileNode(std::shared_ptr<Core> core, InodeId inode);
  ~FileNode();

  InodeId inode() const { return inode_; }
  Core& core() { return *core_; }
  const std::shared_ptr<Core>& sharedCore() const { return core_; }
  const std::shared_ptr<Route>& route() const { return route_; }
  SizeView& sizes() { return *sizes_; }
  WriteStream& writes();  // made when it is first needed
  bool hasWrites() const { return writes_ != nullptr; }
  std::shared_ptr<ReadStream> makeReadStream();

  // Takes what a tracker said about the file.
  void adopt(const Entry& entry);
  // The same of its names only.
  void sawLinks(const Attr& attr);

  // ---- being open for writing

  // Another handle writes / has finished. `fresh`: this client has just created the file, nobody else can have sealed
  // it.
  Task<void> addWriter(bool fresh);
  Task<void> removeWriter();
  bool writable() const { return writable_ && !closing_; }
  // Makes it open again after a flush(last) that sealed it.
  Task<void> ensureWritable();
  unsigned writers() const { return writers_; }
  // Asked every few seconds: a file that is held open and not written must be known to its primary, or it would be
  // sealed as abandoned.
  bool needsKeepAlive() const;
  Task<void> keepAlive();
  Task<void> drain();
  // The same, and the servers have not lost what was acknowledged; when `mayClose` and there is one writer, tells the
  // primary that this client has finished.
  Task<void> flush(bool mayClose);
  // At shutdown: the same, however many writers there are.
  Task<void> finish();

  // ---- the rest

  // The size with this process's own bytes.
  std::uint64_t size() const;
  bool open() const { return sizes_->state() == FileState::open; }
  // Size, times and state into attributes that a tracker gave.
  void merge(Attr& attr);
  // The catalog has these attributes since somebody here set their mtime (utimens).
  void mtimeWasSet(const Attr& attr);
  // Asks the primary how the file is, when it is open.
  Task<void> stat();
  Task<Growth> waitForGrowth(std::uint64_t known, Duration limit);
  Task<std::uint64_t> seek(std::uint64_t offset, bool hole);

  // Bytes of the range are being changed here: nothing older may be served.
  void invalidate(std::uint64_t offset, std::uint64_t length = UINT64_MAX);
  // A tracker told that somebody changed something.
  void changed(const Change& change);
  bool unlinked() const { return unlinked_; }
  void setUnlinked(bool unlinked) { unlinked_ = unlinked; }
  unsigned handles = 0;

 private:
  Task<void> reopen();
  Task<void> openInCatalog();
  Task<void> seal();
  Task<void> drainAndConfirm();
  void closeLater();
  Task<void> closeWhenHeard();
  Task<void> refreshLayout();
  Task<void> refreshOnce();
  std::int64_t changedNs() const;

  std::shared_ptr<Core> core_;
  const InodeId inode_;
  std::shared_ptr<Route> route_;
  std::shared_ptr<SizeView> sizes_;
  std::shared_ptr<Reader> reader_;
  std::shared_ptr<WriteStream> writes_;
  std::vector<std::weak_ptr<ReadStream>> readers_;
  AsyncMutex lifecycle_;   // opening and closing for writing, one at a time
  unsigned writers_ = 0;   // handles
  bool writable_ = false;  // the catalog says `open` and we have not closed it since
  bool closing_ = false;
  bool closingLater_ = false;
  bool keepingAlive_ = false;
  // The latest mtime that is known to have been set, and when that was at the latest.
  std::optional<std::int64_t> setMtimeNs_;
  std::int64_t setAtNs_ = 0;
  bool unlinked_ = false;
  std::uint64_t catalogChange_ = 0;  // Attr::changeId of the newest entry we saw
  unsigned refreshes_ = 0;           // under way
  bool refreshAgain_ = false;
};

}  // namespace vcfs::client
