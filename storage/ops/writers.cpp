// Who has a file open for writing, and its seal when nobody has any more.
#include "common/base/log.h"
#include "storage/node.h"

namespace vcfs::storage {

void Node::writerSeen(File& file, ClientId client) {
  leases_.open(client, file.inode, runtime.clock.now());
  orphans_.erase(file.inode);
  if (leases_.writers(file.inode) == 1) noteReport(file);
}

void Node::writerRepeats(File& file, ClientId client) {
  if (leases_.holds(client, file.inode)) leases_.open(client, file.inode, runtime.clock.now());
}

bool Node::writerGone(File& file, ClientId client) {
  file.writerClosed = true;
  leases_.close(client, file.inode);
  orphans_.erase(file.inode);
  return leases_.writers(file.inode) == 0;
}

bool Node::writerLeaves(FilePtr file, ClientId client) {
  const bool last = writerGone(*file, client);
  if (!last && file->onDisk && !file->sealed()) {
    Mutation left;
    left.kind = Mutation::Kind::left;
    left.client = client;
    begin(file, left, nullptr);
  }
  return last;
}

void Node::writerLeavesFailed(FilePtr file, ClientId client) {
  if (file->replica.role() != Role::primary) return;  // who has it open is another server's business now
  const bool orders = file->replica.isPrimary();
  if (orders ? writerLeaves(file, client) : writerGone(*file, client)) sealLater(*file);
}

bool Node::othersWrite(const File& file, ClientId client) const {
  return leases_.writers(file.inode) > (leases_.holds(client, file.inode) ? 1u : 0u);
}

void Node::sealLater(File& file) { orphans_[file.inode] = runtime.clock.now(); }

FileState Node::sealState(const File& file) const {
  return file.writerVanished ? FileState::recovered : FileState::closed;
}

Mutation Node::sealMutation(File& file, FileState state) {
  Mutation mutation;
  mutation.kind = Mutation::Kind::seal;
  mutation.sealAs = state;
  mutation.size = file.acks.orderedEnd();
  mutation.mtimeNs = file.mtimeNs;
  return mutation;
}

void Node::sealAbandoned(TimePoint now) {
  for (const LeaseTable::Lapsed& lapsed : leases_.expire(now)) {
    log::info("writer.vanished", {{"inode", log::hex(lapsed.inode)}, {"client", log::hex(lapsed.client)}});
    FilePtr file = find(lapsed.inode);
    if (!file) continue;
    // Who was not heard of since the take-over closed it before, as long as somebody else finished it.
    if (!lapsed.provisional || (lapsed.last && !file->writerClosed)) file->writerVanished = true;
    if (lapsed.last) sealVanished(file);
  }
  std::vector<InodeId> lapsed;
  for (auto [inode, until] : orphans_) {
    if (until <= now) lapsed.push_back(inode);
  }
  for (InodeId inode : lapsed) {
    orphans_.erase(inode);
    if (FilePtr file = find(inode)) sealVanished(file);
  }
}

void Node::sealVanished(FilePtr file) {
  if (file->replica.role() != Role::primary || file->sealed() || leases_.writers(file->inode) != 0) return;
  // While a tracker is asked whether this server goes on as the primary, or the final size is not known yet.
  if (!file->replica.isPrimary() || file->undecided()) {
    sealLater(*file);
    return;
  }
  const bool finished = file->writerClosed && !file->writerVanished;
  begin(file, sealMutation(*file, finished ? FileState::closed : FileState::recovered), nullptr);
}

}  // namespace vcfs::storage
