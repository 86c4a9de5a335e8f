#pragma once

#include <map>
#include <set>

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "vcfs/cluster.h"

namespace vcfs::fuse::test {

// A cluster in memory: names and bytes, without servers. Several mounts can share one store. A test can hold calls
// back, let them fail, and count them. Loop thread only.
class FakeStore {
 public:
  struct Node {
    Attr attr;
    std::string bytes;
    std::string target;
    InodeId parent = 0;
    std::map<std::string, std::pair<InodeId, std::uint64_t>> names;  // inode and cookie
    std::map<std::string, std::string> attributes;
    int writers = 0;
  };
  explicit FakeStore(Clock& clock);
  Node& node(InodeId id);  // throws notFound
  Node& directory(InodeId id);
  InodeId make(InodeId parent, const std::string& name, FileType type, std::uint32_t mode, std::uint32_t uid,
               std::uint32_t gid);
  void touch(Node& node, bool data);
  std::int64_t now() const { return clock_.wallNs(); }

  std::map<InodeId, Node> nodes;
  std::uint64_t nextId = 1024;
  std::uint64_t nextCookie = 1024;
  std::map<std::string, int> calls;     // by name
  std::set<std::string> held;           // calls of these names wait until they are released
  std::map<std::string, Errc> failing;  // calls of these names fail
  std::vector<Signal*> waiting;

 private:
  Clock& clock_;
};

class FakeCluster final : public Cluster, public std::enable_shared_from_this<FakeCluster> {
 public:
  FakeCluster(Runtime& runtime, std::shared_ptr<FakeStore> store) : runtime_(runtime), store_(std::move(store)) {}

  void push(Change change) {
    if (changed_) changed_(change);
  }

  Task<void> shutdown() override;
  const ClusterOptions& options() const override { return options_; }
  ClientId clientId() const override { return 7; }
  void onChanged(std::function<void(const Change&)> callback) override { changed_ = std::move(callback); }
  bool changesAreTold() const override { return true; }
  Task<std::optional<Entry>> lookup(InodeId parent, std::string name) override;
  Task<Entry> getAttr(InodeId inode) override;
  Task<Entry> catalogAttr(InodeId inode) override;
  Task<void> refresh(Entry& entry) override;
  Task<void> refreshWithin(Entry& entry, std::chrono::milliseconds limit) override;
  Task<std::optional<Entry>> resolve(InodeId base, std::string path, bool follow) override;
  Task<DirPage> readDir(InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts) override;
  Task<std::string> readLink(InodeId inode) override;
  Task<InodeId> parent(InodeId directory) override;
  Task<SpaceInfo> statFs(InodeId directory) override;
  Task<Created> create(CreateRequest request) override;
  Task<Entry> mkdir(InodeId parent, std::string name, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid,
                    std::uint32_t umask) override;
  Task<Entry> unlink(InodeId parent, std::string name) override;
  Task<void> rmdir(InodeId parent, std::string name) override;
  Task<Renamed> rename(InodeId parent, std::string name, InodeId newParent, std::string newName,
                       std::uint32_t flags) override;
  Task<Entry> link(InodeId inode, InodeId newParent, std::string newName) override;
  Task<Entry> setAttr(InodeId inode, AttrChange change) override;
  Task<void> syncNames() override;
  Task<std::optional<std::string>> getXattr(InodeId inode, std::string name) override;
  Task<std::vector<std::string>> listXattr(InodeId inode) override;
  Task<void> setXattr(InodeId inode, std::string name, std::string value, std::uint32_t flags,
                      std::optional<std::uint32_t> mode) override;
  Task<void> removeXattr(InodeId inode, std::string name) override;
  Task<std::shared_ptr<File>> open(Entry entry, OpenMode mode) override;
  Task<std::shared_ptr<File>> openPath(std::string path, OpenMode mode, bool create) override;
  Task<Entry> truncate(InodeId inode, std::uint64_t size) override;
  Task<std::string> statusJson() override { co_return "{}"; }
  Task<std::string> fileJson(InodeId) override { co_return "{}"; }
  Task<std::string> groupsJson() override { co_return "{}"; }
  Task<std::string> usersJson() override { co_return "{}"; }
  Task<void> assignUser(std::string, std::string) override { co_return; }
  Task<void> setGroup(std::string, std::uint32_t) override { co_return; }

  // What every call passes: counts it, holds it, fails it, as the test wants.
  Task<void> gate(std::string call);
  void release(const std::string& call);
  FakeStore& store() { return *store_; }
  Runtime& runtime() { return runtime_; }

 private:
  Runtime& runtime_;
  std::shared_ptr<FakeStore> store_;
  ClusterOptions options_;
  std::function<void(const Change&)> changed_;
};

}  // namespace vcfs::fuse::test
