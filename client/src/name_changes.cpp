// What changes names and attributes: each is one request to a tracker, executed once however often it is sent.
#include "client/src/cluster_impl.h"
#include "client/src/tracker_call.h"

namespace vcfs::client {

namespace {

// How long the answer to a change that was made waits for the file's size.
constexpr std::chrono::milliseconds kPrimaryPatience{300};
constexpr std::size_t kFreshRemembered = 10'000;
constexpr std::uint32_t kExchange = 2;

void fillChange(schema::SetAttr::Builder set, const AttrChange& change) {
  std::uint32_t mask = 0;
  if (change.mode) mask |= 1, set.setMode(*change.mode);
  if (change.uid) mask |= 2, set.setUid(*change.uid);
  if (change.gid) mask |= 4, set.setGid(*change.gid);
  if (change.atimeNs) mask |= 8, set.setAtimeNs(*change.atimeNs);
  if (change.mtimeNs) mask |= 16, set.setMtimeNs(*change.mtimeNs);
  if (change.atimeNow) mask |= 32;
  if (change.mtimeNow) mask |= 64;
  if (change.ctimeNs) mask |= 128, set.setCtimeNs(*change.ctimeNs);
  set.setMask(mask);
}

std::optional<Entry> entryIfAny(schema::Entry::Reader reader) {
  std::optional<Entry> entry;
  if (reader.getAttr().getInode() != 0) entry = schema::toEntry(reader);
  return entry;
}

}  // namespace

Task<Created> ClusterImpl::create(CreateRequest what) {
  auto self = shared_from_this();
  NameLeases::Making making(leases_, what.parent, what.name);
  auto fill = [&](auto& request) {
    request.setParent(what.parent);
    request.setName(schema::toData(what.name));
    request.setMode(what.mode);
    auto owner = request.initOwner();
    owner.setUid(what.uid);
    owner.setGid(what.gid);
    request.setExclusive(what.exclusive);
    if (!what.symlinkTarget.empty()) request.setSymlinkTarget(schema::toData(what.symlinkTarget));
    request.setType(static_cast<schema::FileType>(what.type));
    request.setRdev(what.rdev);
    request.setUmask(what.umask);
  };
  auto answer = co_await change(*core_, &Tracker::createRequest, fill);
  Created created;
  created.entry = schema::toEntry(answer.getEntry());
  created.created = answer.getCreated();
  if (created.created) {
    names_->changed(created.entry.attr.inode);
    if (fresh_.size() >= kFreshRemembered) fresh_.clear();
    if (created.entry.attr.type == FileType::regular) fresh_.insert(created.entry.attr.inode);
  }
  co_return created;
}

Task<Entry> ClusterImpl::mkdir(InodeId parent, std::string name, std::uint32_t mode, std::uint32_t uid,
                               std::uint32_t gid, std::uint32_t umask) {
  auto self = shared_from_this();
  NameLeases::Making making(leases_, parent, name);
  auto fill = [&](auto& request) {
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setMode(mode);
    request.setUmask(umask);
    auto owner = request.initOwner();
    owner.setUid(uid);
    owner.setGid(gid);
  };
  auto answer = co_await change(*core_, &Tracker::mkdirRequest, fill);
  Entry entry = schema::toEntry(answer.getEntry());
  names_->changed(entry.attr.inode);
  co_return entry;
}

Task<Entry> ClusterImpl::unlink(InodeId parent, std::string name) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setParent(parent);
    request.setName(schema::toData(name));
  };
  auto answer = co_await change(*core_, &Tracker::unlinkRequest, fill);
  leases_->removed(parent, name);
  Entry entry = schema::toEntry(answer.getEntry());
  gone(entry);
  co_return entry;
}

Task<void> ClusterImpl::rmdir(InodeId parent, std::string name) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setParent(parent);
    request.setName(schema::toData(name));
  };
  co_await change(*core_, &Tracker::rmdirRequest, fill);
  leases_->removed(parent, name);
}

Task<Cluster::Renamed> ClusterImpl::rename(InodeId parent, std::string name, InodeId newParent, std::string newName,
                                           std::uint32_t flags) {
  auto self = shared_from_this();
  auto making = std::make_unique<NameLeases::Making>(leases_, newParent, newName);
  auto fill = [&](auto& request) {
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setNewParent(newParent);
    request.setNewName(schema::toData(newName));
    request.setFlags(flags);
  };
  auto answer = co_await change(*core_, &Tracker::renameRequest, fill);
  making.reset();
  Renamed renamed;
  renamed.entry = schema::toEntry(answer.getEntry());
  // Of two names of one inode nothing is renamed: the old one stays.
  if (flags != kExchange && renamed.entry.attr.nlink == 1) leases_->removed(parent, name);
  names_->changed(renamed.entry.attr.inode);
  if (answer.hasReplaced()) renamed.replaced = entryIfAny(answer.getReplaced());
  if (renamed.replaced) gone(*renamed.replaced);
  co_return renamed;
}

Task<Entry> ClusterImpl::link(InodeId inode, InodeId newParent, std::string newName) {
  auto self = shared_from_this();
  NameLeases::Making making(leases_, newParent, newName);
  auto fill = [&](auto& request) {
    request.setInode(inode);
    request.setNewParent(newParent);
    request.setNewName(schema::toData(newName));
  };
  auto answer = co_await change(*core_, &Tracker::linkRequest, fill);
  names_->changed(inode);
  Entry entry = schema::toEntry(answer.getEntry());
  co_await refreshWithin(entry, kPrimaryPatience);
  co_return entry;
}

Task<Entry> ClusterImpl::setAttr(InodeId inode, AttrChange wanted) {
  auto self = shared_from_this();
  auto node = known(inode);
  // What was written before must not get a later mtime than the one that is set now.
  const bool times = wanted.mtimeNs || wanted.mtimeNow;
  if (times && node && node->hasWrites()) co_await node->writes().drain();
  auto fill = [&](auto& request) {
    request.setInode(inode);
    fillChange(request.initSet(), wanted);
  };
  auto answer = co_await change(*core_, &Tracker::setAttrRequest, fill);
  names_->changed(inode);
  Entry entry = schema::toEntry(answer.getEntry());
  if (times && node) node->mtimeWasSet(entry.attr);
  co_await refreshWithin(entry, kPrimaryPatience);
  co_return entry;
}

Task<void> ClusterImpl::noteReads(std::vector<ReadTime> reads) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    auto list = request.initReads(static_cast<unsigned>(reads.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setInode(reads[i].inode);
      if (reads[i].oldNs) list[i].setOldNs(*reads[i].oldNs);
      list[i].setUnknown(!reads[i].oldNs);
      list[i].setNewNs(reads[i].newNs);
    }
  };
  co_await askFor(*core_, core_->options.requestLimit, &Tracker::noteReadsRequest, fill);
}

Task<void> ClusterImpl::syncNames() {
  auto self = shared_from_this();
  co_await names_->syncAll();
}

}  // namespace vcfs::client
