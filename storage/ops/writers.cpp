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

void Node::sealVanished(FilePtr file) {
  if (!file->replica.isPrimary() || file->sealed() || leases_.writers(file->inode) != 0) return;
  if (file->undecided()) {  // the final size is not known yet
    sealLater(*file);
    return;
  }
  const bool finished = file->writerClosed && !file->writerVanished;
  begin(file, sealMutation(*file, finished ? FileState::closed : FileState::recovered), nullptr);
}

}  // namespace vcfs::storage
