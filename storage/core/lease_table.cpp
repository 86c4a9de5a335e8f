#include "storage/core/lease_table.h"

namespace vcfs::storage {

void LeaseTable::open(ClientId client, InodeId inode, TimePoint now) {
  Client& entry = clients_[client];
  entry.heard = std::max(entry.heard, now);
  entry.provisional.erase(inode);
  if (entry.files.insert(inode).second) files_[inode].insert(client);
}

void LeaseTable::openProvisionally(ClientId client, InodeId inode, TimePoint now) {
  Client& entry = clients_[client];
  if (!entry.files.insert(inode).second) return;
  entry.provisional[inode] = now + lease_;
  files_[inode].insert(client);
}

void LeaseTable::remove(ClientId client, InodeId inode) {
  auto file = files_.find(inode);
  if (file == files_.end()) return;
  file->second.erase(client);
  if (file->second.empty()) files_.erase(file);
}

void LeaseTable::close(ClientId client, InodeId inode) {
  auto entry = clients_.find(client);
  if (entry == clients_.end() || entry->second.files.erase(inode) == 0) return;
  entry->second.provisional.erase(inode);
  remove(client, inode);
  if (entry->second.files.empty()) clients_.erase(entry);
}

void LeaseTable::closeAll(InodeId inode) {
  auto file = files_.find(inode);
  if (file == files_.end()) return;
  const std::set<ClientId> holders = file->second;
  for (ClientId client : holders) close(client, inode);
}

void LeaseTable::renew(ClientId client, TimePoint now) {
  auto entry = clients_.find(client);
  if (entry != clients_.end()) entry->second.heard = std::max(entry->second.heard, now);
}

bool LeaseTable::holds(ClientId client, InodeId inode) const {
  auto entry = clients_.find(client);
  return entry != clients_.end() && entry->second.files.contains(inode);
}

std::size_t LeaseTable::writers(InodeId inode) const {
  auto file = files_.find(inode);
  return file == files_.end() ? 0 : file->second.size();
}

std::vector<LeaseTable::Lapsed> LeaseTable::expire(TimePoint now) {
  std::vector<Lapsed> lapsed;
  for (auto entry = clients_.begin(); entry != clients_.end();) {
    Client& client = entry->second;
    const bool silent = now - client.heard >= lease_;
    for (auto file = client.files.begin(); file != client.files.end();) {
      const InodeId inode = *file;
      const auto provisional = client.provisional.find(inode);
      const bool certain = provisional == client.provisional.end();
      if (certain ? !silent : now < provisional->second) {
        ++file;
        continue;
      }
      if (!certain) client.provisional.erase(provisional);
      remove(entry->first, inode);
      lapsed.push_back(Lapsed{entry->first, inode, writers(inode) == 0, !certain});
      file = client.files.erase(file);
    }
    entry = client.files.empty() ? clients_.erase(entry) : std::next(entry);
  }
  return lapsed;
}

}  // namespace vcfs::storage
