#include "tests/unit/fuse/fake_cluster.h"

#include <cstring>

namespace vcfs::fuse::test {

FakeStore::FakeStore(Clock& clock) : clock_(clock) {
  Node root;
  root.attr.inode = kRootInode;
  root.attr.type = FileType::directory;
  root.attr.mode = 0755;
  root.attr.nlink = 2;
  root.parent = kRootInode;
  root.attr.atimeNs = root.attr.mtimeNs = root.attr.ctimeNs = now();
  nodes.emplace(kRootInode, std::move(root));
}

FakeStore::Node& FakeStore::node(InodeId id) {
  auto at = nodes.find(id);
  if (at == nodes.end()) throw Error(Errc::notFound, "inode");
  return at->second;
}

FakeStore::Node& FakeStore::directory(InodeId id) {
  auto& found = node(id);
  if (found.attr.type != FileType::directory) throw Error(Errc::notDirectory);
  return found;
}

InodeId FakeStore::make(InodeId parent, const std::string& name, FileType type, std::uint32_t mode, std::uint32_t uid,
                        std::uint32_t gid) {
  auto id = nextId++;
  auto& above = directory(parent);
  Node made;
  made.attr.inode = id;
  made.attr.type = type;
  made.attr.mode = mode;
  made.attr.uid = uid;
  made.attr.gid = gid;
  made.attr.nlink = type == FileType::directory ? 2 : 1;
  made.attr.atimeNs = made.attr.mtimeNs = made.attr.ctimeNs = now();
  if (type == FileType::regular) made.attr.state = FileState::open, made.attr.epoch = 1;
  made.parent = parent;
  above.names[name] = {id, nextCookie++};
  if (type == FileType::directory) ++above.attr.nlink;
  touch(above, true);
  nodes.emplace(id, std::move(made));
  return id;
}

void FakeStore::touch(Node& node, bool data) {
  ++node.attr.changeId;
  node.attr.ctimeNs = now();
  if (data) node.attr.mtimeNs = node.attr.ctimeNs;
}

Task<void> FakeCluster::gate(std::string call) {
  ++store_->calls[call];
  while (store_->held.contains(call)) co_await runtime_.clock.sleep(std::chrono::milliseconds(2));
  auto failing = store_->failing.find(call);
  if (failing != store_->failing.end()) throw Error(failing->second, "as the test wants it");
}

void FakeCluster::release(const std::string& call) { store_->held.erase(call); }

namespace {
Entry entryOf(const FakeStore::Node& node) {
  Entry entry;
  entry.attr = node.attr;
  if (node.attr.type == FileType::regular) entry.attr.size = node.bytes.size();
  if (node.attr.type == FileType::symlink) entry.attr.size = node.target.size();
  entry.layout.inode = node.attr.inode;
  return entry;
}

class FakeFile final : public File {
 public:
  FakeFile(std::shared_ptr<FakeCluster> cluster, InodeId inode, OpenMode mode)
      : cluster_(std::move(cluster)), inode_(inode), mode_(mode) {
    if (mode_.write) ++node().writers;
  }
  ~FakeFile() override { leave(); }

  InodeId inode() const override { return inode_; }

  Task<std::vector<Piece>> read(std::uint64_t offset, std::size_t length) override {
    co_await cluster_->gate("read");
    auto& bytes = node().bytes;
    std::vector<Piece> pieces;
    if (offset >= bytes.size()) co_return pieces;
    auto copy = std::make_shared<std::string>(bytes.substr(offset, length));
    // In two pieces, as a real one may come.
    auto half = copy->size() / 2;
    Piece first, second;
    first.data = std::as_bytes(std::span(copy->data(), half));
    second.data = std::as_bytes(std::span(copy->data() + half, copy->size() - half));
    first.owner = second.owner = copy;
    pieces.push_back(first);
    pieces.push_back(second);
    co_return pieces;
  }
  Task<std::size_t> readInto(std::uint64_t, std::span<std::byte>) override { throw Error(Errc::notSupported); }

  Task<void> write(std::uint64_t offset, std::span<const std::byte> data, std::shared_ptr<const void> owner) override {
    co_await cluster_->gate("write");
    if (owner) ++cluster_->store().calls["write-owned"];
    auto& bytes = node().bytes;
    if (mode_.append) offset = bytes.size();
    if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size());
    std::memcpy(bytes.data() + offset, data.data(), data.size());
    cluster_->store().touch(node(), true);
  }
  Task<void> flush(bool) override { co_await cluster_->gate("flush"); }
  Task<void> drain() override { co_await cluster_->gate("drain"); }
  bool unsent() const override { return false; }
  void willRead(std::uint64_t, std::size_t) override {}
  Task<void> sync() override { co_await cluster_->gate("sync"); }
  Task<void> truncate(std::uint64_t size) override {
    co_await cluster_->gate("truncate");
    node().bytes.resize(size);
    cluster_->store().touch(node(), true);
  }
  Task<void> allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) override {
    co_await cluster_->gate("allocate");
    auto& bytes = node().bytes;
    if (mode != 0 && mode != 1 && mode != 3 && mode != 16 && mode != 17) throw Error(Errc::notSupported);
    if ((mode & 1) == 0 && bytes.size() < offset + length) bytes.resize(offset + length);
    for (auto i = offset; mode > 1 && i < std::min<std::uint64_t>(bytes.size(), offset + length); ++i) bytes[i] = 0;
    cluster_->store().touch(node(), true);
  }
  Task<std::uint64_t> seek(std::uint64_t offset, bool hole) override {
    auto size = node().bytes.size();
    if (offset >= size) throw Error(Errc::noAttribute);
    co_return hole ? size : offset;
  }
  Task<Attr> stat() override { co_return entryOf(node()).attr; }
  Task<Growth> waitForGrowth(std::uint64_t, std::chrono::milliseconds) override { throw Error(Errc::notSupported); }
  Task<void> close() override {
    co_await cluster_->gate("close");
    leave();
  }

 private:
  FakeStore::Node& node() { return cluster_->store().node(inode_); }
  void leave() {
    if (std::exchange(left_, true) || !mode_.write) return;
    auto at = cluster_->store().nodes.find(inode_);
    if (at == cluster_->store().nodes.end()) return;
    if (--at->second.writers == 0) at->second.attr.state = FileState::closed;
  }

  std::shared_ptr<FakeCluster> cluster_;
  InodeId inode_;
  OpenMode mode_;
  bool left_ = false;
};
}  // namespace

Task<void> FakeCluster::shutdown() { co_return; }

Task<std::optional<Entry>> FakeCluster::lookup(InodeId parent, std::string name) {
  co_await gate("lookup");
  auto& directory = store_->directory(parent);
  auto at = directory.names.find(name);
  if (at == directory.names.end()) co_return std::nullopt;
  co_return entryOf(store_->node(at->second.first));
}

Task<Entry> FakeCluster::getAttr(InodeId inode) {
  co_await gate("getAttr");
  co_return entryOf(store_->node(inode));
}

Task<Entry> FakeCluster::catalogAttr(InodeId inode) {
  co_await gate("catalogAttr");
  co_return entryOf(store_->node(inode));
}

Task<void> FakeCluster::refresh(Entry& entry) {
  co_await gate("refresh");
  auto fresh = entryOf(store_->node(entry.attr.inode));
  entry.attr.size = fresh.attr.size;
  entry.attr.mtimeNs = fresh.attr.mtimeNs;
}

// Does not wait for a primary that a test holds.
Task<void> FakeCluster::refreshWithin(Entry& entry, std::chrono::milliseconds) {
  if (!store_->held.contains("refresh")) co_await refresh(entry);
}

Task<std::optional<Entry>> FakeCluster::resolve(InodeId base, std::string path, bool) {
  std::optional<Entry> entry = entryOf(store_->node(base));
  std::size_t at = 0;
  while (entry && at < path.size()) {
    auto end = std::min(path.find('/', at), path.size());
    entry = co_await lookup(entry->attr.inode, path.substr(at, end - at));
    at = end + 1;
  }
  co_return entry;
}

Task<DirPage> FakeCluster::readDir(InodeId id, std::uint64_t after, std::uint32_t limit, bool) {
  co_await gate("readDir");
  auto& directory = store_->directory(id);
  std::map<std::uint64_t, std::pair<std::string, InodeId>> byCookie;
  for (auto& [name, what] : directory.names) byCookie[what.second] = {name, what.first};
  DirPage page;
  for (auto at = byCookie.upper_bound(after); at != byCookie.end(); ++at) {
    if (page.entries.size() == limit) {
      page.more = true;
      break;
    }
    DirEntry entry;
    entry.name = at->second.first;
    entry.cookie = at->first;
    entry.entry = entryOf(store_->node(at->second.second));
    page.entries.push_back(std::move(entry));
  }
  co_return page;
}

Task<std::string> FakeCluster::readLink(InodeId inode) {
  co_await gate("readLink");
  co_return store_->node(inode).target;
}

Task<InodeId> FakeCluster::parent(InodeId directory) { co_return store_->directory(directory).parent; }

Task<SpaceInfo> FakeCluster::statFs(InodeId) {
  co_await gate("statFs");
  SpaceInfo space;
  space.totalBytes = 1ull << 40;
  space.freeBytes = 1ull << 39;
  space.files = store_->nodes.size();
  co_return space;
}

Task<Created> FakeCluster::create(CreateRequest request) {
  co_await gate("create");
  auto& directory = store_->directory(request.parent);
  Created result;
  auto at = directory.names.find(request.name);
  if (at != directory.names.end()) {
    if (request.exclusive) throw Error(Errc::exists);
    result.created = false;
    result.entry = entryOf(store_->node(at->second.first));
    co_return result;
  }
  if (request.name.size() > 255) throw Error(Errc::nameTooLong);
  auto id =
      store_->make(request.parent, request.name, request.type, request.mode & ~request.umask, request.uid, request.gid);
  store_->node(id).target = request.symlinkTarget;
  store_->node(id).attr.rdev = request.rdev;
  result.entry = entryOf(store_->node(id));
  co_return result;
}

Task<Entry> FakeCluster::mkdir(InodeId parent, std::string name, std::uint32_t mode, std::uint32_t uid,
                               std::uint32_t gid, std::uint32_t umask) {
  mode &= ~umask;
  co_await gate("mkdir");
  if (store_->directory(parent).names.contains(name)) throw Error(Errc::exists);
  co_return entryOf(store_->node(store_->make(parent, name, FileType::directory, mode, uid, gid)));
}

Task<Entry> FakeCluster::unlink(InodeId parent, std::string name) {
  co_await gate("unlink");
  auto& directory = store_->directory(parent);
  auto at = directory.names.find(name);
  if (at == directory.names.end()) throw Error(Errc::notFound);
  auto& node = store_->node(at->second.first);
  if (node.attr.type == FileType::directory) throw Error(Errc::isDirectory);
  directory.names.erase(at);
  --node.attr.nlink;
  store_->touch(node, false);
  store_->touch(directory, true);
  co_return entryOf(node);
}

Task<void> FakeCluster::rmdir(InodeId parent, std::string name) {
  co_await gate("rmdir");
  auto& directory = store_->directory(parent);
  auto at = directory.names.find(name);
  if (at == directory.names.end()) throw Error(Errc::notFound);
  if (!store_->directory(at->second.first).names.empty()) throw Error(Errc::notEmpty);
  store_->nodes.erase(at->second.first);
  directory.names.erase(at);
  --directory.attr.nlink;
  store_->touch(directory, true);
}

Task<Cluster::Renamed> FakeCluster::rename(InodeId parent, std::string name, InodeId newParent, std::string newName,
                                           std::uint32_t flags) {
  co_await gate("rename");
  auto& from = store_->directory(parent);
  auto& to = store_->directory(newParent);
  auto at = from.names.find(name);
  if (at == from.names.end()) throw Error(Errc::notFound);
  auto moved = at->second.first;
  Renamed result;
  auto over = to.names.find(newName);
  if (over != to.names.end()) {
    if (flags == 1) throw Error(Errc::exists);
    auto& replaced = store_->node(over->second.first);
    if (flags == 2) {
      std::swap(at->second.first, over->second.first);
      result.entry = entryOf(store_->node(moved));
      result.replaced = entryOf(replaced);
      co_return result;
    }
    if (replaced.attr.type == FileType::directory && !replaced.names.empty()) throw Error(Errc::notEmpty);
    replaced.attr.nlink = replaced.attr.type == FileType::directory ? 0 : replaced.attr.nlink - 1;
    store_->touch(replaced, false);
    result.replaced = entryOf(replaced);
  } else if (flags == 2) {
    throw Error(Errc::notFound);
  }
  from.names.erase(at);
  to.names[newName] = {moved, store_->nextCookie++};
  auto& node = store_->node(moved);
  if (node.attr.type == FileType::directory) {
    node.parent = newParent;
    --from.attr.nlink;
    ++to.attr.nlink;
  }
  store_->touch(node, false);
  result.entry = entryOf(node);
  co_return result;
}

Task<Entry> FakeCluster::link(InodeId inode, InodeId newParent, std::string newName) {
  co_await gate("link");
  auto& node = store_->node(inode);
  auto& to = store_->directory(newParent);
  if (to.names.contains(newName)) throw Error(Errc::exists);
  to.names[newName] = {inode, store_->nextCookie++};
  ++node.attr.nlink;
  store_->touch(node, false);
  co_return entryOf(node);
}

Task<Entry> FakeCluster::setAttr(InodeId inode, AttrChange change) {
  co_await gate("setAttr");
  auto& node = store_->node(inode);
  auto& attr = node.attr;
  store_->touch(node, false);
  if (change.mode) attr.mode = *change.mode;
  if (change.uid) attr.uid = *change.uid;
  if (change.gid) attr.gid = *change.gid;
  if (change.atimeNs) attr.atimeNs = *change.atimeNs;
  if (change.mtimeNs) attr.mtimeNs = *change.mtimeNs;
  if (change.atimeNow) attr.atimeNs = store_->now();
  if (change.mtimeNow) attr.mtimeNs = store_->now();
  co_return entryOf(node);
}

Task<void> FakeCluster::syncNames() { co_await gate("syncNames"); }

Task<std::optional<std::string>> FakeCluster::getXattr(InodeId inode, std::string name) {
  co_await gate("getXattr");
  auto& attributes = store_->node(inode).attributes;
  auto at = attributes.find(name);
  if (at == attributes.end()) co_return std::nullopt;
  co_return at->second;
}

Task<std::vector<std::string>> FakeCluster::listXattr(InodeId inode) {
  co_await gate("listXattr");
  std::vector<std::string> names;
  for (auto& [name, value] : store_->node(inode).attributes) names.push_back(name);
  co_return names;
}

Task<void> FakeCluster::setXattr(InodeId inode, std::string name, std::string value, std::uint32_t flags,
                                 std::optional<std::uint32_t>) {
  co_await gate("setXattr");
  if (value.size() > 65'536) throw Error(Errc::tooLarge);
  auto& attributes = store_->node(inode).attributes;
  if (flags == 1 && attributes.contains(name)) throw Error(Errc::exists);
  if (flags == 2 && !attributes.contains(name)) throw Error(Errc::noAttribute);
  attributes[name] = std::move(value);
}

Task<void> FakeCluster::removeXattr(InodeId inode, std::string name) {
  co_await gate("removeXattr");
  if (store_->node(inode).attributes.erase(name) == 0) throw Error(Errc::noAttribute);
}

Task<std::shared_ptr<File>> FakeCluster::open(Entry entry, OpenMode mode) {
  co_await gate("open");
  auto& node = store_->node(entry.attr.inode);
  if (node.attr.type == FileType::directory) throw Error(Errc::isDirectory);
  if (mode.write) node.attr.state = FileState::open;
  std::shared_ptr<File> file = std::make_shared<FakeFile>(shared_from_this(), entry.attr.inode, mode);
  co_return file;
}

Task<std::shared_ptr<File>> FakeCluster::openPath(std::string, OpenMode, bool) { throw Error(Errc::notSupported); }

Task<Entry> FakeCluster::truncate(InodeId inode, std::uint64_t size) {
  co_await gate("truncate");
  auto& node = store_->node(inode);
  if (node.attr.type != FileType::regular) throw Error(Errc::invalid);
  node.bytes.resize(size);
  store_->touch(node, true);
  co_return entryOf(node);
}

}  // namespace vcfs::fuse::test
