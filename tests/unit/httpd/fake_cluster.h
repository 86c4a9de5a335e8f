#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/async/signal.h"
#include "common/rpc/transport.h"
#include "common/runtime/runtime.h"
#include "vcfs/cluster.h"

namespace vcfs::httpd::test {

// A cluster in memory with just what the HTTP side reads. Loop thread only, like the real one.
class FakeCluster final : public Cluster, public std::enable_shared_from_this<FakeCluster> {
 public:
  struct Node {
    Attr attr;
    std::string content;
    std::map<std::string, InodeId> children;
    std::string name;
  };

  explicit FakeCluster(Runtime& runtime) : runtime_(runtime), grown_(runtime.io), released_(runtime.io) {
    Node& root = nodes_[kRootInode];
    root.attr.inode = kRootInode;
    root.attr.type = FileType::directory;
    root.attr.nlink = 2;
  }

  // ---- what tests do to it
  InodeId makeDirectory(const std::string& path) { return make(path, FileType::directory); }
  InodeId makeFile(const std::string& path, std::string content, FileState state = FileState::closed) {
    InodeId inode = make(path, FileType::regular);
    Node& node = nodes_[inode];
    node.content = std::move(content);
    node.attr.size = node.content.size();
    node.attr.state = state;
    node.attr.epoch = 1;
    touch(node);
    return inode;
  }
  void append(InodeId inode, const std::string& bytes) {
    Node& node = nodes_.at(inode);
    node.content += bytes;
    node.attr.size = node.content.size();
    touch(node);
    grown_.notifyAll();
  }
  void replaceContent(InodeId inode, std::string content) {
    Node& node = nodes_.at(inode);
    node.content = std::move(content);
    node.attr.size = node.content.size();
    touch(node);
    push(inode);
    grown_.notifyAll();
  }
  void seal(InodeId inode, FileState state = FileState::closed) {
    Node& node = nodes_.at(inode);
    node.attr.state = state;
    touch(node);
    push(inode);
    grown_.notifyAll();
  }
  // The connection to the trackers was lost and is there again: changes meanwhile are not told of.
  void loseTrack() {
    Change change;
    change.everything = true;
    tell(change);
  }
  void changeUntold(InodeId inode) { touch(nodes_.at(inode)); }
  void removeName(const std::string& path) {
    auto [parent, name] = parentOf(path);
    InodeId inode = nodes_.at(parent).children.at(name);
    nodes_.at(parent).children.erase(name);
    nodes_.at(inode).attr.nlink = 0;
    Change change;
    change.inode = inode;
    change.parent = parent;
    change.name = name;
    change.unlinked = true;
    tell(change);
  }
  void releaseStatus() {
    holdStatus = false;
    released_.notifyAll();
  }
  void releaseReads() {
    holdReads = false;
    released_.notifyAll();
  }
  void releaseAttrs() {
    holdAttrs = false;
    released_.notifyAll();
  }
  void bringPrimariesBack() {
    primariesAway.clear();
    released_.notifyAll();
  }
  std::set<InodeId> primariesAway;                // refresh waits, until bringPrimariesBack()
  std::map<InodeId, std::uint64_t> primarySizes;  // what refresh tells, where it is not the content's

  std::string status = "{}";      // what statusJson tells
  bool holdStatus = false;        // until releaseStatus()
  bool holdReads = false;         // until releaseReads()
  bool holdAttrs = false;         // getAttr waits, until releaseAttrs()
  std::optional<Error> failNext;  // thrown by the next resolve, getAttr, statusJson or read
  std::optional<Error> failReads;
  std::optional<Error> failAttrs;  // of getAttr
  int resolves = 0;
  int statusAsked = 0;
  int reads = 0;
  std::uint64_t readBytes = 0;
  int openFiles = 0;
  int pauses = 0;  // announced by File::willPause

  // ---- Cluster
  Task<void> shutdown() override { co_return; }
  const ClusterOptions& options() const override { return options_; }
  ClientId clientId() const override { return 1; }
  void onChanged(std::function<void(const Change&)> callback) override { callbacks_.push_back(std::move(callback)); }
  bool changesAreTold() const override { return true; }
  Task<Entry> getAttr(InodeId inode) override {
    auto self = shared_from_this();
    throwIfAsked();
    while (holdAttrs) co_await released_.wait();
    if (failAttrs) throw *failAttrs;
    co_return entryOf(inode);
  }
  Task<Entry> catalogAttr(InodeId inode) override { return getAttr(inode); }
  Task<void> refresh(Entry& entry) override {
    auto self = shared_from_this();
    const InodeId inode = entry.attr.inode;
    while (primariesAway.contains(inode)) co_await released_.wait();
    entry = entryOf(inode);
    if (auto size = primarySizes.find(inode); size != primarySizes.end()) entry.attr.size = size->second;
  }
  Task<void> refreshWithin(Entry& entry, std::chrono::milliseconds) override { return refresh(entry); }
  Task<std::optional<Entry>> resolve(InodeId base, std::string path, bool) override {
    ++resolves;
    throwIfAsked();
    InodeId at = base;
    while (!path.empty()) {
      std::size_t slash = path.find('/');
      std::string name = path.substr(0, slash);
      path = slash == std::string::npos ? "" : path.substr(slash + 1);
      Node& node = nodes_.at(at);
      if (node.attr.type != FileType::directory) throw Error(Errc::notDirectory, name);
      auto child = node.children.find(name);
      if (child == node.children.end()) co_return std::nullopt;
      at = child->second;
    }
    co_return entryOf(at);
  }
  Task<DirPage> readDir(InodeId directory, std::uint64_t after, std::uint32_t limit, bool) override {
    throwIfAsked();
    DirPage page;
    std::uint64_t cookie = 0;
    for (auto& [name, inode] : nodes_.at(directory).children) {
      if (++cookie <= after) continue;
      if (page.entries.size() == limit) {
        page.more = true;
        break;
      }
      DirEntry entry;
      entry.name = name;
      entry.cookie = cookie;
      entry.entry = entryOf(inode);
      page.entries.push_back(std::move(entry));
    }
    co_return page;
  }
  Task<std::shared_ptr<File>> open(Entry entry, OpenMode mode) override;
  Task<std::string> statusJson() override {
    auto self = shared_from_this();
    ++statusAsked;
    throwIfAsked();
    while (holdStatus) co_await released_.wait();
    co_return status;
  }

  Task<std::optional<Entry>> lookup(InodeId, std::string) override { throw unused(); }
  Task<std::string> readLink(InodeId) override { throw unused(); }
  Task<InodeId> parent(InodeId) override { throw unused(); }
  Task<SpaceInfo> statFs(InodeId) override { throw unused(); }
  Task<Created> create(CreateRequest) override { throw unused(); }
  Task<Entry> mkdir(InodeId, std::string, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t) override {
    throw unused();
  }
  Task<Entry> unlink(InodeId, std::string) override { throw unused(); }
  Task<void> rmdir(InodeId, std::string) override { throw unused(); }
  Task<Renamed> rename(InodeId, std::string, InodeId, std::string, std::uint32_t) override { throw unused(); }
  Task<Entry> link(InodeId, InodeId, std::string) override { throw unused(); }
  Task<Entry> setAttr(InodeId, AttrChange) override { throw unused(); }
  Task<void> syncNames() override { throw unused(); }
  Task<std::optional<std::string>> getXattr(InodeId, std::string) override { throw unused(); }
  Task<std::vector<std::string>> listXattr(InodeId) override { throw unused(); }
  Task<void> setXattr(InodeId, std::string, std::string, std::uint32_t, std::optional<std::uint32_t>) override {
    throw unused();
  }
  Task<void> removeXattr(InodeId, std::string) override { throw unused(); }
  Task<std::shared_ptr<File>> openPath(std::string, OpenMode, bool) override { throw unused(); }
  Task<Entry> truncate(InodeId, std::uint64_t) override { throw unused(); }
  Task<std::string> fileJson(InodeId) override { throw unused(); }
  Task<std::string> groupsJson() override { throw unused(); }
  Task<std::string> usersJson() override { throw unused(); }
  Task<void> assignUser(std::string, std::string) override { throw unused(); }
  Task<void> setGroup(std::string, std::uint32_t) override { throw unused(); }

 private:
  friend class FakeFile;
  static Error unused() { return Error(Errc::internal, "the HTTP side should not call this"); }

  void throwIfAsked() {
    if (!failNext) return;
    Error error = *failNext;
    failNext.reset();
    throw error;
  }
  std::pair<InodeId, std::string> parentOf(const std::string& path) {
    InodeId at = kRootInode;
    std::string rest = path;
    for (std::size_t slash; (slash = rest.find('/')) != std::string::npos; rest = rest.substr(slash + 1)) {
      std::string name = rest.substr(0, slash);
      if (!nodes_.at(at).children.contains(name)) addChild(at, name, FileType::directory);
      at = nodes_.at(at).children.at(name);
    }
    return {at, rest};
  }
  InodeId addChild(InodeId parent, const std::string& name, FileType type) {
    InodeId inode = next_++;
    nodes_.at(parent).children[name] = inode;
    Node& node = nodes_[inode];
    node.attr.inode = inode;
    node.attr.type = type;
    node.attr.nlink = 1;
    node.name = name;
    touch(node);
    return inode;
  }
  InodeId make(const std::string& path, FileType type) {
    auto [parent, name] = parentOf(path);
    return addChild(parent, name, type);
  }
  void touch(Node& node) {
    node.attr.changeId = ++changes_;
    node.attr.mtimeNs = 1'700'000'000'000'000'000 + static_cast<std::int64_t>(changes_) * 1'000'000;
  }
  void push(InodeId inode) {
    Change change;
    change.inode = inode;
    tell(change);
  }
  void tell(const Change& change) {
    for (auto& callback : callbacks_) callback(change);
  }
  Entry entryOf(InodeId inode) {
    auto found = nodes_.find(inode);
    if (found == nodes_.end()) throw Error(Errc::notFound, "no such inode");
    Entry entry;
    entry.attr = found->second.attr;
    entry.layout.inode = inode;
    entry.layout.name = "some/where/" + found->second.name;
    return entry;
  }

  Runtime& runtime_;
  ClusterOptions options_;
  Signal grown_;
  Signal released_;
  std::map<InodeId, Node> nodes_;
  InodeId next_ = 1024;
  std::uint64_t changes_ = 0;
  std::vector<std::function<void(const Change&)>> callbacks_;
};

class FakeFile final : public File {
 public:
  FakeFile(std::shared_ptr<FakeCluster> cluster, InodeId inode) : cluster_(std::move(cluster)), inode_(inode) {
    ++cluster_->openFiles;
  }
  ~FakeFile() override { --cluster_->openFiles; }
  InodeId inode() const override { return inode_; }
  Task<std::vector<Piece>> read(std::uint64_t offset, std::size_t length) override {
    std::shared_ptr<FakeCluster> cluster = cluster_;
    co_await asio::post(cluster->runtime_.io, asio::use_awaitable);  // as if it took a while
    ++cluster_->reads;
    while (cluster->holdReads) co_await cluster->released_.wait();
    cluster_->throwIfAsked();
    if (cluster_->failReads) throw *cluster_->failReads;
    const std::string& content = node().content;
    std::vector<Piece> pieces;
    std::size_t end = std::min<std::size_t>(content.size(), offset + length);
    constexpr std::size_t kPiece = 100'000;  // several pieces to a block, not aligned with it
    for (std::size_t at = offset; at < end; at += kPiece) {
      auto bytes = std::make_shared<std::string>(content.substr(at, std::min(kPiece, end - at)));
      Piece piece;
      piece.data = std::as_bytes(std::span<const char>(bytes->data(), bytes->size()));
      piece.owner = bytes;
      cluster_->readBytes += bytes->size();
      pieces.push_back(std::move(piece));
    }
    co_return pieces;
  }
  Task<Growth> waitForGrowth(std::uint64_t known, std::chrono::milliseconds limit) override {
    std::shared_ptr<FakeCluster> cluster = cluster_;
    TimePoint end = cluster->runtime_.clock.now() + std::chrono::duration_cast<Duration>(limit);
    while (node().content.size() == known && node().attr.state == FileState::open) {
      Duration left = end - cluster->runtime_.clock.now();
      if (left <= Duration(0) || !co_await cluster->grown_.waitFor(cluster->runtime_.clock, left)) break;
    }
    Growth growth;
    growth.size = node().content.size();
    growth.state = node().attr.state;
    co_return growth;
  }
  Task<Attr> stat() override { co_return node().attr; }
  Task<void> close() override { co_return; }

  Task<std::size_t> readInto(std::uint64_t, std::span<std::byte>) override { throw FakeCluster::unused(); }
  Task<void> write(std::uint64_t, std::span<const std::byte>, std::shared_ptr<const void>) override {
    throw FakeCluster::unused();
  }
  Task<void> flush(bool) override { throw FakeCluster::unused(); }
  Task<void> drain() override { throw FakeCluster::unused(); }
  bool unsent() const override { return false; }
  void willRead(std::uint64_t, std::size_t) override {}
  void willPause() override { ++cluster_->pauses; }
  Task<void> sync() override { throw FakeCluster::unused(); }
  Task<void> truncate(std::uint64_t) override { throw FakeCluster::unused(); }
  Task<void> allocate(std::uint64_t, std::uint64_t, std::uint32_t) override { throw FakeCluster::unused(); }
  Task<std::uint64_t> seek(std::uint64_t, bool) override { throw FakeCluster::unused(); }

 private:
  FakeCluster::Node& node() { return cluster_->nodes_.at(inode_); }
  std::shared_ptr<FakeCluster> cluster_;
  InodeId inode_;
};

inline Task<std::shared_ptr<File>> FakeCluster::open(Entry entry, OpenMode) {
  throwIfAsked();
  std::shared_ptr<File> file = std::make_shared<FakeFile>(shared_from_this(), entry.attr.inode);
  co_return file;
}

class NoTransport final : public Transport {
 public:
  Task<std::unique_ptr<Link>> connect(std::string, Duration) override { throw Error(Errc::unavailable, "no network"); }
  std::unique_ptr<Listener> listen(std::string, std::function<void(std::unique_ptr<Link>)>) override {
    throw Error(Errc::unavailable, "no network");
  }
};

}  // namespace vcfs::httpd::test
