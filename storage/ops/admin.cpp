// remove, list: what trackers ask of the disk as a whole.
#include "common/base/log.h"
#include "storage/ops/calls.h"

namespace vcfs::storage {

namespace {

struct StoredReplicaInfo {
  InodeId inode = 0;
  Epoch epoch = 0;
  std::uint64_t size = 0;
  FileState state = FileState::none;
};

Task<void> removeAll(NodePtr node, Server::RemoveContext context, std::vector<InodeId> inodes) {
  try {
    for (InodeId inode : inodes) {
      if (FilePtr file = node->find(inode)) node->forget(file);
    }
    auto job = [node, inodes] {
      std::uint32_t removed = 0;
      for (InodeId inode : inodes) {
        try {
          node->store.remove(inode);
          ++removed;
        } catch (const Error& error) {
          log::error("replica.remove.failed", {{"inode", log::hex(inode)}, {"reason", error.what()}});
        }
      }
      node->store.markStable(inodes);
      return removed;
    };
    // Behind what is still on its way to these files.
    auto pending = node->pools.writes->run(std::move(job));
    const std::uint32_t removed = co_await std::move(pending);
    context.getResults().setRemoved(removed);
  } catch (const Error& error) {
    refuse(context, error);
  }
}

struct ListedPage {
  std::vector<StoredReplicaInfo> replicas;
  bool more = false;
};

// On the reads pool's thread, the only one that uses the listing.
ListedPage listPage(Node& node, InodeId after, std::uint32_t limit, TimePoint now) {
  const Listing::Page found = node.listing.page(node.store, after, limit, now);
  ListedPage page;
  page.more = found.more;
  for (InodeId inode : found.inodes) {
    StoredReplicaInfo info;
    info.inode = inode;
    try {
      auto loaded = node.store.load(inode);
      if (!loaded) continue;
      info.epoch = loaded->meta.epoch;
      info.size = loaded->stat.size;
      info.state = loaded->meta.state;
    } catch (const Error&) {
      info.state = FileState::none;  // not readable: epoch 0 says so
    }
    page.replicas.push_back(info);
  }
  return page;
}

Task<void> list(NodePtr node, Server::ListContext context) {
  try {
    const InodeId after = context.getParams().getAfter();
    const std::uint32_t limit = context.getParams().getLimit();
    const TimePoint now = node->runtime.clock.now();
    auto job = [node, after, limit, now] { return listPage(*node, after, limit, now); };
    auto pending = node->pools.reads->run(std::move(job));
    const ListedPage page = co_await std::move(pending);
    auto replicas = context.getResults().initReplicas(static_cast<unsigned>(page.replicas.size()));
    for (unsigned i = 0; i < page.replicas.size(); ++i) {
      replicas[i].setInode(page.replicas[i].inode);
      replicas[i].setEpoch(page.replicas[i].epoch);
      replicas[i].setSize(page.replicas[i].size);
      replicas[i].setState(static_cast<schema::FileState>(page.replicas[i].state));
    }
    context.getResults().setMore(page.more);
  } catch (const Error& error) {
    refuse(context, error);
  }
}

}  // namespace

kj::Promise<void> opRemove(NodePtr node, SessionPtr session, Server::RemoveContext context) {
  std::vector<InodeId> inodes;
  try {
    auto list = context.getParams().getInodes();
    if (list.size() > limits::kMaxList) {
      throw Error(Errc::invalid, fmt::format("{} inodes in one call: at most {}", list.size(), limits::kMaxList));
    }
    for (InodeId inode : list) {
      limits::checkInode(inode);
      inodes.push_back(inode);
    }
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  return rpc::serve(node->runtime, removeAll(node, context, std::move(inodes)));
}

kj::Promise<void> opList(NodePtr node, SessionPtr session, Server::ListContext context) {
  if (context.getParams().getLimit() == 0 || context.getParams().getLimit() > limits::kMaxList) {
    refuse(context,
           Error(Errc::invalid, fmt::format("limit {}: 1 … {}", context.getParams().getLimit(), limits::kMaxList)));
    return kj::READY_NOW;
  }
  return rpc::serve(node->runtime, list(node, context));
}

}  // namespace vcfs::storage
