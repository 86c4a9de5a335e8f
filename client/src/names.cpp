// The questions about names and attributes: each is one request to a tracker, as schema/tracker.capnp says.
#include "client/src/cluster_impl.h"
#include "client/src/tracker_call.h"

namespace vcfs::client {

namespace {

std::optional<Entry> none() { return std::nullopt; }

struct Stat {
  explicit Stat(asio::io_context& io) : ended(io) {}
  Signal ended;
  bool over = false;  // perhaps before anybody waits
};

Task<void> statThenTell(std::shared_ptr<FileNode> node, std::shared_ptr<Stat> stat) {
  try {
    co_await node->stat();
  } catch (const Error&) {
    // Who waits goes on with what is known.
  }
  stat->over = true;
  stat->ended.notifyAll();
}

}  // namespace

Task<std::optional<Entry>> ClusterImpl::lookup(InodeId parent, std::string name) {
  auto self = shared_from_this();
  if (leases_->denies(parent, name)) co_return none();
  auto fill = [&](auto& request) {
    request.setParent(parent);
    request.setName(schema::toData(name));
  };
  auto answer = co_await ask(*core_, &Tracker::lookupRequest, fill, Errc::notFound);
  if (schema::has(answer.getStatus(), Errc::notFound)) co_return none();
  co_return schema::toEntry(answer.getEntry());
}

Task<Entry> ClusterImpl::catalogAttr(InodeId inode) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) { request.setInode(inode); };
  auto answer = co_await ask(*core_, &Tracker::getAttrRequest, fill);
  co_return schema::toEntry(answer.getEntry());
}

Task<Entry> ClusterImpl::getAttr(InodeId inode) {
  auto self = shared_from_this();
  Entry entry = co_await catalogAttr(inode);
  co_await refresh(entry);
  co_return entry;
}

// Whose size its primary knows; null: what the catalog knows counts.
std::shared_ptr<FileNode> ClusterImpl::growing(const Entry& entry) {
  if (entry.attr.type != FileType::regular || entry.layout.inode == 0) return nullptr;
  auto node = known(entry.attr.inode);
  if (node) node->sawLinks(entry.attr);
  const bool writing = node && node->writers() > 0;
  if (entry.attr.state != FileState::open && !writing) return nullptr;
  return FileNode::of(core_, entry);
}

Task<void> ClusterImpl::refresh(Entry& entry) {
  auto self = shared_from_this();
  auto node = growing(entry);
  if (!node) co_return;
  co_await node->stat();
  node->merge(entry.attr);
}

Task<void> ClusterImpl::refreshWithin(Entry& entry, std::chrono::milliseconds limit) {
  auto self = shared_from_this();
  auto node = growing(entry);
  if (!node) co_return;
  auto stat = std::make_shared<Stat>(core_->runtime.io);
  core_->runtime.spawn("client.stat", statThenTell(node, stat));
  if (!stat->over) co_await stat->ended.waitFor(core_->runtime.clock, limit);
  node->merge(entry.attr);
}

Task<std::optional<Entry>> ClusterImpl::resolve(InodeId base, std::string path, bool follow) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setBase(base);
    request.setPath(schema::toData(path));
    request.setFollow(follow);
  };
  try {
    auto answer = co_await ask(*core_, &Tracker::resolveRequest, fill);
    co_return schema::toEntry(answer.getEntry());
  } catch (const Error& error) {
    if (error.code() != Errc::notFound) throw;
  }
  co_return none();
}

Task<DirPage> ClusterImpl::readDir(InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts) {
  auto self = shared_from_this();
  co_return co_await readPage(core_, directory, after, limit, layouts);
}

Task<std::string> ClusterImpl::readLink(InodeId inode) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) { request.setInode(inode); };
  auto answer = co_await ask(*core_, &Tracker::readLinkRequest, fill);
  co_return schema::toString(answer.getTarget());
}

Task<InodeId> ClusterImpl::parent(InodeId directory) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) { request.setInode(directory); };
  auto answer = co_await ask(*core_, &Tracker::parentRequest, fill);
  co_return answer.getParent();
}

Task<SpaceInfo> ClusterImpl::statFs(InodeId directory) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) { request.setDirectory(directory); };
  auto answer = co_await ask(*core_, &Tracker::statFsRequest, fill);
  SpaceInfo info;
  info.totalBytes = answer.getTotalBytes();
  info.freeBytes = answer.getFreeBytes();
  info.files = answer.getFiles();
  co_return info;
}

}  // namespace vcfs::client
