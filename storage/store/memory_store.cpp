#include "storage/store/memory_store.h"

#include <algorithm>
#include <cstring>

#include "common/base/error.h"
#include "storage/store/meta.h"

namespace vcfs::storage {

namespace {

// What is left of it on a disk.
ReplicaMeta asStored(const ReplicaMeta& meta) {
  return meta.inode == 0 || meta.epoch == 0 ? meta : parseMeta(formatMeta(meta));
}

}  // namespace

class MemoryFile final : public ReplicaFile {
 public:
  MemoryFile(MemoryStore& store, InodeId inode) : store_(store), inode_(inode) {}

  bool isOpen() const override { return true; }
  void create(const ReplicaMeta& meta, const std::string& user, const std::string& name) override;
  void writeMeta(const ReplicaMeta& meta) override;
  void pwrite(std::span<const std::byte> data, std::uint64_t offset) override;
  std::size_t pread(std::span<std::byte> into, std::uint64_t offset) override;
  std::optional<std::size_t> tryPread(std::span<std::byte> into, std::uint64_t offset) override {
    return pread(into, offset);
  }
  void sync() override;
  void dropCache() override;
  void truncate(std::uint64_t size) override;
  void allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) override;
  std::optional<std::uint64_t> seek(std::uint64_t offset, bool hole) override;
  FileStat stat() override;

 private:
  static void clear(MemoryStore::Entry& entry, std::uint64_t begin, std::uint64_t end);
  void checkWrite() const {
    if (store_.writeError_ != Errc::ok) throw Error(store_.writeError_, "injected");
  }
  MemoryStore& store_;
  const InodeId inode_;
};

void MemoryFile::create(const ReplicaMeta& meta, const std::string& user, const std::string& name) {
  std::lock_guard lock(store_.mutex_);
  checkWrite();
  store_.active_.insert(inode_);
  MemoryStore::Entry& entry = store_.files_[inode_];
  entry.now.meta = asStored(meta);
  entry.user = user;
  entry.name = name;
}

void MemoryFile::writeMeta(const ReplicaMeta& meta) {
  std::lock_guard lock(store_.mutex_);
  checkWrite();
  store_.need(inode_).now.meta = asStored(meta);
}

void MemoryFile::pwrite(std::span<const std::byte> data, std::uint64_t offset) {
  std::lock_guard lock(store_.mutex_);
  checkWrite();
  MemoryStore::Entry& entry = store_.need(inode_);
  if (store_.usedBytes() + data.size() > store_.capacity_) throw Error(Errc::noSpace, "the memory disk is full");
  std::uint64_t done = 0;
  while (done < data.size()) {
    const std::uint64_t at = offset + done;
    const std::uint64_t inChunk = at % MemoryStore::kChunk;
    const std::uint64_t n = std::min<std::uint64_t>(data.size() - done, MemoryStore::kChunk - inChunk);
    std::memcpy(MemoryStore::change(entry, at / MemoryStore::kChunk) + inChunk, data.data() + done, n);
    done += n;
  }
  entry.now.size = std::max<std::uint64_t>(entry.now.size, offset + data.size());
}

std::size_t MemoryFile::pread(std::span<std::byte> into, std::uint64_t offset) {
  std::lock_guard lock(store_.mutex_);
  if (store_.readError_ != Errc::ok) throw Error(store_.readError_, "injected");
  const MemoryStore::Content& content = store_.need(inode_).now;
  if (offset >= content.size) return 0;
  const std::uint64_t length = std::min<std::uint64_t>(into.size(), content.size - offset);
  std::uint64_t done = 0;
  while (done < length) {
    const std::uint64_t at = offset + done;
    const std::uint64_t inChunk = at % MemoryStore::kChunk;
    const std::uint64_t n = std::min(length - done, MemoryStore::kChunk - inChunk);
    auto chunk = content.chunks.find(at / MemoryStore::kChunk);
    if (chunk == content.chunks.end()) {
      std::memset(into.data() + done, 0, n);
    } else {
      std::memcpy(into.data() + done, chunk->second->data() + inChunk, n);
    }
    done += n;
  }
  return length;
}

void MemoryFile::sync() {
  std::lock_guard lock(store_.mutex_);
  MemoryStore::Entry& entry = store_.need(inode_);
  if (store_.syncError_ != Errc::ok) {
    // Pages are given up, not what was freed: that is the filesystem's own record.
    std::erase_if(entry.dirty, [&](std::uint64_t chunk) { return entry.now.chunks.contains(chunk); });
    entry.gaveUp = false;
    ++store_.syncsFailed_;
    throw Error(store_.syncError_, "injected");
  }
  if (std::exchange(entry.gaveUp, false)) {
    ++store_.syncsFailed_;
    throw Error(Errc::io, "a sync of the disk gave bytes of this file up");
  }
  MemoryStore::makeDurable(entry);
}

void MemoryFile::dropCache() {
  std::lock_guard lock(store_.mutex_);
  MemoryStore::Entry& entry = store_.need(inode_);
  std::map<std::uint64_t, std::shared_ptr<const std::string>> seen;
  if (entry.durable) seen = entry.durable->chunks;
  for (std::uint64_t chunk : entry.dirty) {
    auto now = entry.now.chunks.find(chunk);
    seen.erase(chunk);
    if (now != entry.now.chunks.end()) seen.insert(*now);
  }
  entry.now.chunks = std::move(seen);
}

void MemoryFile::clear(MemoryStore::Entry& entry, std::uint64_t begin, std::uint64_t end) {
  auto& chunks = entry.now.chunks;
  auto chunk = chunks.lower_bound(begin / MemoryStore::kChunk);
  while (chunk != chunks.end() && chunk->first * MemoryStore::kChunk < end) {
    const std::uint64_t start = chunk->first * MemoryStore::kChunk;
    const std::uint64_t from = std::max(begin, start) - start;
    const std::uint64_t to = std::min(end, start + MemoryStore::kChunk) - start;
    entry.dirty.insert(chunk->first);
    if (from == 0 && to == MemoryStore::kChunk) {
      chunk = chunks.erase(chunk);
    } else {
      std::memset(MemoryStore::change(entry, chunk->first) + from, 0, to - from);
      ++chunk;
    }
  }
}

void MemoryFile::truncate(std::uint64_t size) {
  std::lock_guard lock(store_.mutex_);
  checkWrite();
  MemoryStore::Entry& entry = store_.need(inode_);
  if (size < entry.now.size) clear(entry, size, UINT64_MAX);
  entry.now.size = size;
}

void MemoryFile::allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) {
  std::lock_guard lock(store_.mutex_);
  checkWrite();
  MemoryStore::Entry& entry = store_.need(inode_);
  if ((mode & ~1u) != 0) clear(entry, offset, offset + length);
  if ((mode & 1u) == 0) entry.now.size = std::max(entry.now.size, offset + length);
}

std::optional<std::uint64_t> MemoryFile::seek(std::uint64_t offset, bool hole) {
  std::lock_guard lock(store_.mutex_);
  const MemoryStore::Content& content = store_.need(inode_).now;
  if (offset >= content.size) return std::nullopt;
  for (std::uint64_t at = offset; at < content.size; at = (at / MemoryStore::kChunk + 1) * MemoryStore::kChunk) {
    if (content.chunks.contains(at / MemoryStore::kChunk) != hole) return at;
  }
  if (hole) return content.size;
  return std::nullopt;
}

FileStat MemoryFile::stat() {
  std::lock_guard lock(store_.mutex_);
  const MemoryStore::Content& content = store_.need(inode_).now;
  return FileStat{content.size, content.chunks.size() * MemoryStore::kChunk / 512, content.meta.mtimeNs};
}

// The bytes of a chunk, to be changed: a copy of its own, since what is durable may share the present one.
char* MemoryStore::change(Entry& entry, std::uint64_t chunk) {
  std::shared_ptr<const std::string>& bytes = entry.now.chunks[chunk];
  if (!bytes) {
    bytes = std::make_shared<std::string>(kChunk, '\0');
  } else if (bytes.use_count() > 1) {
    bytes = std::make_shared<std::string>(*bytes);
  }
  entry.dirty.insert(chunk);
  return const_cast<std::string&>(*bytes).data();
}

void MemoryStore::makeDurable(Entry& entry) {
  if (!entry.durable) entry.durable = Content();
  for (std::uint64_t chunk : entry.dirty) {
    auto now = entry.now.chunks.find(chunk);
    if (now == entry.now.chunks.end()) {
      entry.durable->chunks.erase(chunk);
    } else {
      entry.durable->chunks[chunk] = now->second;
    }
  }
  entry.durable->size = entry.now.size;
  entry.durable->meta = entry.now.meta;
  entry.dirty.clear();
}

MemoryStore::Entry& MemoryStore::need(InodeId inode) {
  auto entry = files_.find(inode);
  if (entry == files_.end()) throw Error(Errc::notFound, "no such replica");
  return entry->second;
}

std::uint64_t MemoryStore::usedBytes() const {
  std::uint64_t used = 0;
  for (const auto& [inode, entry] : files_) used += entry.now.chunks.size() * kChunk;
  return used;
}

std::shared_ptr<ReplicaFile> MemoryStore::file(InodeId inode) { return std::make_shared<MemoryFile>(*this, inode); }

std::optional<LoadedReplica> MemoryStore::load(InodeId inode) {
  std::lock_guard lock(mutex_);
  auto entry = files_.find(inode);
  if (entry == files_.end()) return std::nullopt;
  const Content& content = entry->second.now;
  return LoadedReplica{content.meta,
                       FileStat{content.size, content.chunks.size() * kChunk / 512, content.meta.mtimeNs}};
}

bool MemoryStore::remove(InodeId inode) {
  std::lock_guard lock(mutex_);
  if (removeError_ != Errc::ok) throw Error(removeError_, "injected");
  return files_.erase(inode) != 0;
}

void MemoryStore::scan(const std::function<void(InodeId)>& visit) {
  std::vector<InodeId> inodes;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [inode, entry] : files_) inodes.push_back(inode);
  }
  if (scanError_ != Errc::ok) throw Error(scanError_, "injected");
  for (InodeId inode : inodes) visit(inode);
}

DiskSpace MemoryStore::space() {
  std::lock_guard lock(mutex_);
  const std::uint64_t used = usedBytes();
  return DiskSpace{capacity_, used < capacity_ ? capacity_ - used : 0};
}

void MemoryStore::syncAll() {
  std::lock_guard lock(mutex_);
  if (syncError_ != Errc::ok) {
    for (auto& [inode, entry] : files_) {
      const auto& chunks = entry.now.chunks;
      const std::size_t given =
          std::erase_if(entry.dirty, [&chunks](std::uint64_t chunk) { return chunks.contains(chunk); });
      entry.gaveUp = entry.gaveUp || given > 0;
    }
    throw Error(syncError_, "injected");
  }
  for (auto& [inode, entry] : files_) makeDurable(entry);
}

void MemoryStore::markActive(InodeId inode) {
  std::lock_guard lock(mutex_);
  if (activeError_ != Errc::ok && !active_.contains(inode)) throw Error(activeError_, "injected");
  active_.insert(inode);
}

void MemoryStore::markStable(const std::vector<InodeId>& inodes) {
  std::lock_guard lock(mutex_);
  if (activeError_ != Errc::ok) throw Error(activeError_, "injected");
  for (InodeId inode : inodes) active_.erase(inode);
}

void MemoryStore::syncActiveList() {
  std::lock_guard lock(mutex_);
  durableActive_ = active_;
}

std::vector<InodeId> MemoryStore::activeFiles() {
  std::lock_guard lock(mutex_);
  return {active_.begin(), active_.end()};
}

void MemoryStore::setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) {
  if (writeError_ != Errc::ok) throw Error(writeError_, "injected");
  storageId_ = id;
  cluster_ = cluster;
  uuid_ = uuid;
}

void MemoryStore::losePower() {
  std::lock_guard lock(mutex_);
  machineStayedUp_ = false;
  ++powerLosses_;
  active_ = durableActive_;
  for (auto entry = files_.begin(); entry != files_.end();) {
    if (!entry->second.durable) {
      entry = files_.erase(entry);
    } else {
      entry->second.now = *entry->second.durable;
      entry->second.dirty.clear();
      ++entry;
    }
  }
}

std::string MemoryStore::content(InodeId inode) {
  MemoryFile handle(*this, inode);
  if (!load(inode)) return {};
  std::string bytes(handle.stat().size, '\0');
  std::span<std::byte> into(reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
  bytes.resize(handle.pread(into, 0));
  return bytes;
}

std::string MemoryStore::durable(InodeId inode) {
  std::lock_guard lock(mutex_);
  const auto entry = files_.find(inode);
  if (entry == files_.end() || !entry->second.durable) return {};
  const Content& content = *entry->second.durable;
  std::string bytes(content.size, '\0');
  for (const auto& [chunk, data] : content.chunks) {
    const std::uint64_t at = chunk * kChunk;
    if (at < bytes.size())
      bytes.replace(at, std::min<std::uint64_t>(data->size(), bytes.size() - at), *data, 0,
                    std::min<std::uint64_t>(data->size(), bytes.size() - at));
  }
  return bytes;
}

void MemoryStore::corrupt(InodeId inode, std::uint64_t offset, std::string bytes) {
  MemoryFile handle(*this, inode);
  handle.pwrite(std::span(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()), offset);
}

}  // namespace vcfs::storage
