#include "fuse/tables/read_times.h"

namespace vcfs::fuse {

std::list<InodeId>& ReadTimes::listOf(State state) {
  if (state == State::waiting) return waiting_;
  return state == State::sending ? sending_ : told_;
}

void ReadTimes::move(Item& item, State state) {
  auto& to = listOf(state);
  to.splice(to.end(), listOf(item.state), item.place);
  item.state = state;
}

bool ReadTimes::makeRoom() {
  if (items_.size() < capacity_) return true;
  if (told_.empty()) return false;
  items_.erase(told_.front());
  told_.pop_front();
  return true;
}

void ReadTimes::note(InodeId inode, std::optional<std::int64_t> oldNs, std::int64_t newNs) {
  auto at = items_.find(inode);
  if (at == items_.end()) {
    if (!makeRoom()) return;
    Item item;
    item.oldNs = oldNs;
    item.newNs = newNs;
    item.place = waiting_.insert(waiting_.end(), inode);
    items_.emplace(inode, item);
    return;
  }
  Item& item = at->second;
  item.newNs = newNs;
  if (item.state == State::sending) {
    item.again = true;
  } else if (item.state == State::told) {
    item.olderNs = item.oldNs;
    item.oldNs = oldNs;
    move(item, State::waiting);
  }
}

bool ReadTimes::waits(InodeId inode) const {
  auto at = items_.find(inode);
  return at != items_.end() && at->second.state != State::told;
}

bool ReadTimes::beingTold(InodeId inode) const {
  auto at = items_.find(inode);
  return at != items_.end() && at->second.state == State::sending;
}

std::int64_t ReadTimes::shown(const Attr& attr) {
  auto at = items_.find(attr.inode);
  if (at == items_.end()) return attr.atimeNs;
  Item& item = at->second;
  if (!item.oldNs) {
    const bool changedSince = attr.ctimeNs > item.newNs;
    if (changedSince || !movesAtime(AtimeRule::relative, attr, item.newNs)) return attr.atimeNs;
    // Now it is known, and a change that comes after it does not take it back.
    if (item.state == State::waiting) item.oldNs = attr.atimeNs;
    return std::max(attr.atimeNs, item.newNs);
  }
  const bool same = attr.atimeNs == *item.oldNs || attr.atimeNs == item.toldNs || attr.atimeNs == item.olderNs;
  return same ? std::max(attr.atimeNs, item.newNs) : attr.atimeNs;
}

void ReadTimes::forget(InodeId inode) {
  auto at = items_.find(inode);
  if (at == items_.end()) return;
  listOf(at->second.state).erase(at->second.place);
  items_.erase(at);
}

std::vector<ReadTime> ReadTimes::take(std::size_t limit) {
  std::vector<ReadTime> batch;
  while (!waiting_.empty() && batch.size() < limit) {
    const InodeId inode = waiting_.front();
    Item& item = items_.at(inode);
    ReadTime read;
    read.inode = inode;
    read.oldNs = item.oldNs;
    read.newNs = item.newNs;
    batch.push_back(read);
    item.toldNs = item.newNs;
    move(item, State::sending);
  }
  return batch;
}

void ReadTimes::told(const std::vector<ReadTime>& batch, bool success) {
  for (const ReadTime& read : batch) {
    auto at = items_.find(read.inode);
    if (at == items_.end() || at->second.state != State::sending) continue;  // forgotten meanwhile
    Item& item = at->second;
    const bool again = std::exchange(item.again, false);
    if (success && again && item.oldNs) item.olderNs = std::exchange(item.oldNs, read.newNs);
    move(item, success && !again ? State::told : State::waiting);
  }
}

}  // namespace vcfs::fuse
