// The namespace half of ClusterImpl: each call is one request to a tracker, as schema/tracker.capnp says.
#include "client/src/cluster_impl.h"

namespace vcfs::client {

namespace {

using Tracker = schema::Tracker::Client;
constexpr std::size_t kFreshRemembered = 10'000;
constexpr std::uint32_t kExchange = 2;
constexpr std::size_t kNameMax = 255;  // longer ones are refused by the tracker

std::optional<Entry> none() { return std::nullopt; }

}  // namespace

// What it is that makes a name: the index knows of it before anybody can find it.
class ClusterImpl::Making {
 public:
  Making(ClusterImpl& cluster, InodeId directory, std::string name)
      : cluster_(cluster), directory_(directory), name_(std::move(name)) {
    const auto attempt = cluster_.index_.making(directory_, name_, cluster_.core_->now());
    if (attempt != 0) cluster_.core_->runtime.spawn("names.lease", cluster_.leaseNames(directory_, attempt));
  }
  ~Making() { cluster_.index_.made(directory_, name_); }
  Making(const Making&) = delete;

 private:
  ClusterImpl& cluster_;
  const InodeId directory_;
  const std::string name_;
};

Task<void> ClusterImpl::leaseNames(InodeId directory, std::uint64_t attempt) {
  auto self = shared_from_this();
  bool complete = false;
  try {
    auto build = [&](Tracker& tracker) {
      auto request = tracker.leaseNamesRequest();
      request.setDirectory(directory);
      return request.send();
    };
    auto answer = co_await core_->trackers->callFor(build, core_->options.requestLimit);
    if (answer.getGranted() && index_.granted(directory, attempt)) complete = co_await listNames(directory, attempt);
  } catch (const Error&) {
    // An older tracker, one of several, or none at all: names are asked for.
  }
  if (complete) {
    index_.listed(directory, attempt);
  } else {
    index_.refused(directory, attempt, core_->now());
  }
}

Task<bool> ClusterImpl::listNames(InodeId directory, std::uint64_t attempt) {
  constexpr std::uint32_t kPage = 1000;
  std::uint64_t after = 0;
  for (bool more = true; more;) {
    DirPage page = co_await readDir(directory, after, kPage, false);
    for (const DirEntry& entry : page.entries) {
      if (!index_.found(directory, attempt, entry.name)) co_return false;
      after = entry.cookie;
    }
    more = page.more && !page.entries.empty();
  }
  co_return true;
}

// ---- reading

Task<std::optional<Entry>> ClusterImpl::lookup(InodeId parent, std::string name) {
  auto self = shared_from_this();
  if (index_.denies(parent, name) && name.size() <= kNameMax && core_->trackers->leasesCount()) co_return none();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.lookupRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build, Errc::notFound);
  if (schema::has(answer.getStatus(), Errc::notFound)) co_return none();
  co_return schema::toEntry(answer.getEntry());
}

Task<Entry> ClusterImpl::catalogAttr(InodeId inode) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.getAttrRequest();
    request.setInode(inode);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  co_return schema::toEntry(answer.getEntry());
}

Task<Entry> ClusterImpl::getAttr(InodeId inode) {
  auto self = shared_from_this();
  Entry entry = co_await catalogAttr(inode);
  co_await refresh(entry);
  co_return entry;
}

Task<void> ClusterImpl::refresh(Entry& entry) {
  auto self = shared_from_this();
  if (entry.attr.type != FileType::regular || entry.layout.inode == 0) co_return;
  auto node = known(entry.attr.inode);
  const bool writing = node && node->writers() > 0;
  if (entry.attr.state != FileState::open && !writing) co_return;
  node = FileNode::of(core_, entry);
  co_await node->stat();
  node->merge(entry.attr);
}

Task<std::optional<Entry>> ClusterImpl::resolve(InodeId base, std::string path, bool follow) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.resolveRequest();
    request.setBase(base);
    request.setPath(schema::toData(path));
    request.setFollow(follow);
    return request.send();
  };
  try {
    auto answer = co_await core_->trackers->call(build);
    co_return schema::toEntry(answer.getEntry());
  } catch (const Error& error) {
    if (error.code() != Errc::notFound) throw;
  }
  co_return none();
}

Task<DirPage> ClusterImpl::readDir(InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.readDirRequest();
    request.setDirectory(directory);
    request.setAfter(after);
    request.setLimit(limit);
    request.setLayouts(layouts);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  DirPage page;
  page.more = answer.getMore();
  auto entries = answer.getEntries();
  page.entries.reserve(entries.size());
  for (auto reader : entries) {
    DirEntry& entry = page.entries.emplace_back();
    entry.name = schema::toString(reader.getName());
    entry.cookie = reader.getCookie();
    entry.entry = schema::toEntry(reader.getEntry());
  }
  co_return page;
}

Task<std::string> ClusterImpl::readLink(InodeId inode) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.readLinkRequest();
    request.setInode(inode);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  co_return schema::toString(answer.getTarget());
}

Task<InodeId> ClusterImpl::parent(InodeId directory) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.parentRequest();
    request.setInode(directory);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  co_return answer.getParent();
}

Task<SpaceInfo> ClusterImpl::statFs(InodeId directory) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.statFsRequest();
    request.setDirectory(directory);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  SpaceInfo info;
  info.totalBytes = answer.getTotalBytes();
  info.freeBytes = answer.getFreeBytes();
  info.files = answer.getFiles();
  co_return info;
}

// ---- changing

Task<Created> ClusterImpl::create(CreateRequest what) {
  auto self = shared_from_this();
  Making making(*this, what.parent, what.name);
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.createRequest();
    request.setParent(what.parent);
    request.setName(schema::toData(what.name));
    request.setMode(what.mode);
    auto owner = request.initOwner();
    owner.setUid(what.uid);
    owner.setGid(what.gid);
    request.setExclusive(what.exclusive);
    tag.fill(request.initRequest());
    if (!what.symlinkTarget.empty()) request.setSymlinkTarget(schema::toData(what.symlinkTarget));
    request.setType(static_cast<schema::FileType>(what.type));
    request.setRdev(what.rdev);
    request.setUmask(what.umask);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  Created created;
  created.entry = schema::toEntry(answer.getEntry());
  created.created = answer.getCreated();
  if (created.created) {
    names_->named(created.entry.attr.inode);
    if (fresh_.size() >= kFreshRemembered) fresh_.clear();
    if (created.entry.attr.type == FileType::regular) fresh_.insert(created.entry.attr.inode);
  }
  co_return created;
}

Task<Entry> ClusterImpl::mkdir(InodeId parent, std::string name, std::uint32_t mode, std::uint32_t uid,
                               std::uint32_t gid, std::uint32_t umask) {
  auto self = shared_from_this();
  Making making(*this, parent, name);
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.mkdirRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setMode(mode);
    request.setUmask(umask);
    auto owner = request.initOwner();
    owner.setUid(uid);
    owner.setGid(gid);
    tag.fill(request.initRequest());
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  Entry entry = schema::toEntry(answer.getEntry());
  names_->named(entry.attr.inode);
  co_return entry;
}

Task<Entry> ClusterImpl::unlink(InodeId parent, std::string name) {
  auto self = shared_from_this();
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.unlinkRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    tag.fill(request.initRequest());
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  index_.removed(parent, name);
  Entry entry = schema::toEntry(answer.getEntry());
  gone(entry);
  co_return entry;
}

Task<void> ClusterImpl::rmdir(InodeId parent, std::string name) {
  auto self = shared_from_this();
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.rmdirRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    tag.fill(request.initRequest());
    return request.send();
  };
  co_await core_->trackers->call(build);
  index_.removed(parent, name);
}

Task<Cluster::Renamed> ClusterImpl::rename(InodeId parent, std::string name, InodeId newParent, std::string newName,
                                           std::uint32_t flags) {
  auto self = shared_from_this();
  auto making = std::make_unique<Making>(*this, newParent, newName);
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.renameRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setNewParent(newParent);
    request.setNewName(schema::toData(newName));
    request.setFlags(flags);
    tag.fill(request.initRequest());
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  making.reset();
  Renamed renamed;
  renamed.entry = schema::toEntry(answer.getEntry());
  // Of two names of one inode nothing is renamed: the old one stays.
  if (flags != kExchange && renamed.entry.attr.nlink == 1) index_.removed(parent, name);
  names_->named(renamed.entry.attr.inode);
  if (answer.hasReplaced()) {
    renamed.replaced = schema::toEntry(answer.getReplaced());
    if (renamed.replaced->attr.inode == 0) {
      renamed.replaced.reset();
    } else {
      gone(*renamed.replaced);
    }
  }
  co_return renamed;
}

Task<Entry> ClusterImpl::link(InodeId inode, InodeId newParent, std::string newName) {
  auto self = shared_from_this();
  Making making(*this, newParent, newName);
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.linkRequest();
    request.setInode(inode);
    request.setNewParent(newParent);
    request.setNewName(schema::toData(newName));
    tag.fill(request.initRequest());
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  names_->named(inode);
  Entry entry = schema::toEntry(answer.getEntry());
  co_await refresh(entry);
  co_return entry;
}

Task<Entry> ClusterImpl::setAttr(InodeId inode, AttrChange change) {
  auto self = shared_from_this();
  auto node = known(inode);
  // What was written before must not get a later mtime than the one that is set now.
  const bool times = change.mtimeNs || change.mtimeNow;
  if (times && node && node->hasWrites()) co_await node->writes().drain();
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.setAttrRequest();
    request.setInode(inode);
    auto set = request.initSet();
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
    tag.fill(request.initRequest());
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  Entry entry = schema::toEntry(answer.getEntry());
  if (times && node) node->mtimeWasSet(entry.attr);
  co_await refresh(entry);
  co_return entry;
}

Task<void> ClusterImpl::noteReads(std::vector<ReadTime> reads) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.noteReadsRequest();
    auto list = request.initReads(static_cast<unsigned>(reads.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setInode(reads[i].inode);
      if (reads[i].oldNs) list[i].setOldNs(*reads[i].oldNs);
      list[i].setUnknown(!reads[i].oldNs);
      list[i].setNewNs(reads[i].newNs);
    }
    return request.send();
  };
  co_await core_->trackers->callFor(build, core_->options.requestLimit);
}

Task<void> ClusterImpl::syncNames() {
  auto self = shared_from_this();
  co_await names_->syncAll();
}

Task<std::optional<std::string>> ClusterImpl::getXattr(InodeId inode, std::string name) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.getXattrRequest();
    request.setInode(inode);
    request.setName(schema::toData(name));
    return request.send();
  };
  std::optional<std::string> value;
  try {
    auto answer = co_await core_->trackers->call(build);
    value = schema::toString(answer.getValue());
  } catch (const Error& error) {
    if (error.code() != Errc::noAttribute) throw;
  }
  co_return value;
}

Task<std::vector<std::string>> ClusterImpl::listXattr(InodeId inode) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.listXattrRequest();
    request.setInode(inode);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  std::vector<std::string> names;
  for (auto name : answer.getNames()) names.push_back(schema::toString(name));
  co_return names;
}

Task<void> ClusterImpl::setXattr(InodeId inode, std::string name, std::string value, std::uint32_t flags,
                                 std::optional<std::uint32_t> mode) {
  auto self = shared_from_this();
  constexpr std::uint32_t kSetMode = 0x80000000;
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.setXattrRequest();
    request.setInode(inode);
    request.setName(schema::toData(name));
    request.setValue(schema::toData(value));
    request.setFlags(flags);
    if (mode) request.setMode(*mode | kSetMode);
    tag.fill(request.initRequest());
    return request.send();
  };
  co_await core_->trackers->call(build);
}

Task<void> ClusterImpl::removeXattr(InodeId inode, std::string name) {
  auto self = shared_from_this();
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.removeXattrRequest();
    request.setInode(inode);
    request.setName(schema::toData(name));
    tag.fill(request.initRequest());
    return request.send();
  };
  co_await core_->trackers->call(build);
}

// ---- administration

Task<std::string> ClusterImpl::statusJson() {
  auto self = shared_from_this();
  auto build = [](Tracker& tracker) { return tracker.statusRequest().send(); };
  auto answer = co_await core_->trackers->call(build);
  co_return schema::toString(answer.getJson());
}

Task<std::string> ClusterImpl::fileJson(InodeId inode) {
  auto self = shared_from_this();
  auto build = [&](Tracker& tracker) {
    auto request = tracker.fileInfoRequest();
    request.setInode(inode);
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  co_return schema::toString(answer.getJson());
}

Task<std::string> ClusterImpl::groupsJson() {
  auto self = shared_from_this();
  auto build = [](Tracker& tracker) { return tracker.groupsRequest().send(); };
  auto answer = co_await core_->trackers->call(build);
  co_return schema::toString(answer.getJson());
}

Task<std::string> ClusterImpl::usersJson() {
  auto self = shared_from_this();
  auto build = [](Tracker& tracker) { return tracker.usersRequest().send(); };
  auto answer = co_await core_->trackers->call(build);
  co_return schema::toString(answer.getJson());
}

Task<void> ClusterImpl::assignUser(std::string user, std::string group) {
  auto self = shared_from_this();
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.assignUserRequest();
    request.setUser(user);
    request.setGroup(group);
    tag.fill(request.initRequest());
    return request.send();
  };
  co_await core_->trackers->call(build);
}

Task<void> ClusterImpl::setGroup(std::string group, std::uint32_t copies) {
  auto self = shared_from_this();
  RequestTag tag(*core_);
  auto build = [&](Tracker& tracker) {
    auto request = tracker.setGroupRequest();
    request.setGroup(group);
    request.setCopies(copies);
    tag.fill(request.initRequest());
    return request.send();
  };
  co_await core_->trackers->call(build);
}

}  // namespace vcfs::client
