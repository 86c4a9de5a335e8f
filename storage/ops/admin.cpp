// remove, list, inspect: what trackers and fsck ask of the disk as a whole.
#include <map>

#include "common/base/log.h"
#include "storage/ops/calls.h"

namespace vcfs::storage {

namespace {

struct StoredReplicaInfo {
  InodeId inode = 0;
  Epoch epoch = 0;
  std::uint64_t size = 0;
  FileState state = FileState::none;
  std::int64_t mtimeNs = 0;
  std::int64_t sealedMtimeNs = 0;
  std::uint64_t blocks = 0;
  bool gaps = false;
};

std::optional<StoredReplicaInfo> lookAt(Store& store, InodeId inode) {
  StoredReplicaInfo info;
  info.inode = inode;
  try {
    auto loaded = store.load(inode);
    if (!loaded) return std::nullopt;
    info.epoch = loaded->meta.epoch;
    info.size = loaded->stat.size;
    info.state = loaded->meta.state;
    info.mtimeNs = loaded->stat.mtimeNs;
    if (info.state != FileState::open) info.sealedMtimeNs = loaded->meta.mtimeNs;
    info.blocks = loaded->stat.blocks;
    // A copy that an earlier version had begun does not say so.
    const bool sparse = info.state == FileState::open && info.blocks < info.size / 512;
    info.gaps = loaded->meta.mayHaveGaps() || sparse;
  } catch (const Error&) {
    info.state = FileState::none;  // not readable: epoch 0 says so
  }
  return info;
}

void fillReplicas(capnp::List<schema::StoredReplica>::Builder list, const std::vector<StoredReplicaInfo>& replicas) {
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setInode(replicas[i].inode);
    list[i].setEpoch(replicas[i].epoch);
    list[i].setSize(replicas[i].size);
    list[i].setState(static_cast<schema::FileState>(replicas[i].state));
    list[i].setMtimeNs(replicas[i].mtimeNs);
    list[i].setSealedMtimeNs(replicas[i].sealedMtimeNs);
    list[i].setBlocks(replicas[i].blocks);
    list[i].setMayHaveGaps(replicas[i].gaps);
  }
}

// The last epoch of each replica that goes; without it every one goes.
std::map<InodeId, Epoch> boundsOf(Server::RemoveContext& context, const std::vector<InodeId>& inodes) {
  std::map<InodeId, Epoch> bounds;
  const auto epochs = context.getParams().getEpochs();
  if (epochs.size() != 0 && epochs.size() != inodes.size()) {
    throw Error(Errc::invalid, fmt::format("remove: {} epochs of {} inodes", epochs.size(), inodes.size()));
  }
  for (unsigned i = 0; i < epochs.size(); ++i) bounds[inodes[i]] = epochs[i];
  return bounds;
}

bool isNewer(const std::map<InodeId, Epoch>& bounds, InodeId inode, Epoch epoch) {
  const auto bound = bounds.find(inode);
  return bound != bounds.end() && epoch > bound->second;
}

// Less than callers wait: what was removed until then is to be told, or they would begin with it again.
constexpr Duration kRemoveTime = std::chrono::seconds(20);

struct RemovedFiles {
  std::uint32_t count = 0;
  std::vector<std::pair<InodeId, Epoch>> epochs;  // as the disk had them
  std::vector<InodeId> kept;
  std::size_t failures = 0;  // of these, by the disk
  std::string failure;       // the first
};

// On the writes pool's thread. What the disk did not delete is still to be: nobody else would ever ask for it.
void removeFromDisk(Node& node, InodeId inode, const std::map<InodeId, Epoch>& bounds, RemovedFiles& removed) {
  try {
    const auto info = lookAt(node.store, inode);
    if (info && isNewer(bounds, inode, info->epoch)) {
      removed.kept.push_back(inode);
      return;
    }
    if (info) removed.epochs.emplace_back(inode, info->epoch);
    node.store.remove(inode);
    ++removed.count;
  } catch (const Error& error) {
    removed.kept.push_back(inode);
    if (removed.failures++ == 0) removed.failure = error.what();
    return;
  }
  node.leaveActive({inode});
}

void answer(Server::RemoveContext& context, const RemovedFiles& removed) {
  context.getResults().setRemoved(removed.count);
  auto list = context.getResults().initKept(static_cast<unsigned>(removed.kept.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, removed.kept[i]);
}

// One file at a time: a cold one takes tens of milliseconds, and recorders' writes stand behind it in the pool. It is
// forgotten only then, or it would be looked up again by whoever asks for it before its turn.
Task<void> removeAll(NodePtr node, Server::RemoveContext context, std::vector<InodeId> inodes) {
  try {
    const auto bounds = std::make_shared<const std::map<InodeId, Epoch>>(boundsOf(context, inodes));
    const auto removed = std::make_shared<RemovedFiles>();
    const TimePoint end = node->runtime.clock.now() + kRemoveTime;
    for (InodeId inode : inodes) {
      FilePtr file = node->find(inode);
      const bool newer = file && isNewer(*bounds, inode, file->replica.epoch());
      if (newer || node->stopping() || node->runtime.clock.now() >= end) {
        removed->kept.push_back(inode);
        continue;
      }
      if (file) {
        node->noteRemoved(inode, file->replica.epoch());
        node->forget(file);
      }
      auto job = [node, inode, bounds, removed] { removeFromDisk(*node, inode, *bounds, *removed); };
      // Behind what is still on its way to this file.
      auto pending = node->pools.writes->run(std::move(job));
      co_await std::move(pending);
      for (const auto& [gone, epoch] : std::exchange(removed->epochs, {})) node->noteRemoved(gone, epoch);
    }
    if (removed->failures > 0) node->removalsFailed(removed->failures, removed->failure);
    answer(context, *removed);
  } catch (const Error& error) {
    refuse(context, error);
  }
}

struct ListedPage {
  std::vector<StoredReplicaInfo> replicas;
  bool more = false;
};

// On the scans pool's thread, the only one that uses the listing.
ListedPage listPage(Node& node, InodeId after, std::uint32_t limit, TimePoint now) {
  const Listing::Page found = node.listing.page(node.store, after, limit, now);
  ListedPage page;
  page.more = found.more;
  for (InodeId inode : found.inodes) {
    if (auto info = lookAt(node.store, inode)) page.replicas.push_back(*info);
  }
  return page;
}

Task<void> list(NodePtr node, Server::ListContext context) {
  try {
    const InodeId after = context.getParams().getAfter();
    const std::uint32_t limit = context.getParams().getLimit();
    const TimePoint now = node->runtime.clock.now();
    auto job = [node, after, limit, now] { return listPage(*node, after, limit, now); };
    auto pending = node->pools.scans->run(std::move(job));
    const ListedPage page = co_await std::move(pending);
    fillReplicas(context.getResults().initReplicas(static_cast<unsigned>(page.replicas.size())), page.replicas);
    context.getResults().setMore(page.more);
  } catch (const Error& error) {
    refuse(context, error);
  }
}

Task<void> inspect(NodePtr node, Server::InspectContext context, std::vector<InodeId> inodes) {
  try {
    auto job = [node, inodes] {
      std::vector<StoredReplicaInfo> found;
      for (InodeId inode : inodes) {
        if (auto info = lookAt(node->store, inode)) found.push_back(*info);
      }
      return found;
    };
    auto pending = node->pools.scans->run(std::move(job));
    std::vector<StoredReplicaInfo> found = co_await std::move(pending);
    for (StoredReplicaInfo& info : found) {  // a disk that fails may not have taken the attributes
      const FilePtr file = node->find(info.inode);
      if (file && file->ready) info.gaps = info.gaps || file->meta.mayHaveGaps() || file->lacks;
    }
    fillReplicas(context.getResults().initReplicas(static_cast<unsigned>(found.size())), found);
  } catch (const Error& error) {
    refuse(context, error);
  }
}

// Throws Error(invalid). Numbers that no file has are let through: something may lie on the disk under such a name.
std::vector<InodeId> toInodes(capnp::List<std::uint64_t>::Reader list) {
  if (list.size() > limits::kMaxList) {
    throw Error(Errc::invalid, fmt::format("{} inodes in one call: at most {}", list.size(), limits::kMaxList));
  }
  std::vector<InodeId> inodes;
  for (InodeId inode : list) {
    if (inode == 0) throw Error(Errc::invalid, "inode 0 names no file");
    inodes.push_back(inode);
  }
  return inodes;
}

template <class Context>
kj::Promise<void> onInodes(NodePtr node, Context context, Task<void> (*work)(NodePtr, Context, std::vector<InodeId>)) {
  std::vector<InodeId> inodes;
  try {
    inodes = toInodes(context.getParams().getInodes());
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  return rpc::serve(node->runtime, work(node, context, std::move(inodes)));
}

}  // namespace

kj::Promise<void> opRemove(NodePtr node, SessionPtr session, Server::RemoveContext context) {
  return onInodes(node, context, &removeAll);
}

kj::Promise<void> opList(NodePtr node, SessionPtr session, Server::ListContext context) {
  if (context.getParams().getLimit() == 0 || context.getParams().getLimit() > limits::kMaxList) {
    refuse(context,
           Error(Errc::invalid, fmt::format("limit {}: 1 … {}", context.getParams().getLimit(), limits::kMaxList)));
    return kj::READY_NOW;
  }
  return rpc::serve(node->runtime, list(node, context));
}

kj::Promise<void> opInspect(NodePtr node, SessionPtr session, Server::InspectContext context) {
  return onInodes(node, context, &inspect);
}

}  // namespace vcfs::storage
