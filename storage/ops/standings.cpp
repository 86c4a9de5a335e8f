// What a tracker asks that has to choose a primary: whether this replica has every byte that was acknowledged.
#include "storage/ops/calls.h"

namespace vcfs::storage {

// Its role is not looked at: the tracker asks those that the catalog counts, and changes nothing if that has changed.
schema::Standing Node::standing(const File& file) const {
  if (file.removed || file.broken || file.unstable()) return schema::Standing::DOUBTFUL;
  if (!file.replica.distrusted() && !isSuspect(file)) {
    const bool checked = !mayLackFiles() && (!file.preexisting || recovered_);
    return checked ? schema::Standing::GOOD : schema::Standing::UNKNOWN;
  }
  // While it counts nothing is acknowledged without it, so a process that ended has taken nothing away.
  const bool shortened = file.sealed() && file.localEnd != file.meta.sealedSize;
  const bool whole = suspects_.contains(file.inode) && store.machineStayedUp() && file.onDisk && !shortened;
  return whole ? schema::Standing::RESTARTED : schema::Standing::DOUBTFUL;
}

kj::Promise<void> opStandings(NodePtr node, Server::StandingsContext context) {
  auto inodes = context.getParams().getInodes();
  try {
    if (inodes.size() > limits::kMaxList) throw Error(Errc::invalid, "standings: at most 1000 per call");
    for (InodeId inode : inodes) limits::checkInode(inode);
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  auto list = context.getResults().initStandings(inodes.size());
  auto known = kj::heapArrayBuilder<kj::Promise<void>>(inodes.size());
  for (unsigned i = 0; i < inodes.size(); ++i) {
    known.add(node->enter(inodes[i], [node, context, list, i](FilePtr file) mutable -> kj::Promise<void> {
      list.set(i, node->standing(*file));
      return kj::READY_NOW;
    }));
  }
  return kj::joinPromises(known.finish());
}

}  // namespace vcfs::storage
