// Directories: opendir, readdir, readdirplus, releasedir, fsyncdir.

#include <sys/stat.h>

#include "fuse/convert.h"
#include "fuse/file_system.h"

namespace vcfs::fuse {

namespace {

// Positions in a directory: 0 the start, 1 behind ".", 2 behind "..", then the entries' cookies (ids, which start at
// 1024).
constexpr std::uint64_t kBehindDot = 1;
constexpr std::uint64_t kBehindDotDot = 2;
constexpr std::uint32_t kFirstPage = 256;
constexpr std::uint32_t kNextPage = 2048;

// What fits into one answer.
class Listing {
 public:
  Listing(std::size_t size, bool plus) : plus_(plus), text_(size, '\0') {}

  // False when it does not fit any more.
  bool add(const char* name, const fuse_entry_param& entry, std::uint64_t position) {
    auto left = text_.size() - used_;
    auto* at = text_.data() + used_;
    auto next = static_cast<off_t>(position);
    auto needed = plus_ ? fuse_add_direntry_plus(nullptr, at, left, name, &entry, next)
                        : fuse_add_direntry(nullptr, at, left, name, &entry.attr, next);
    if (needed > left) return false;
    used_ += needed;
    return true;
  }
  const char* data() const { return text_.data(); }
  std::size_t size() const { return used_; }

 private:
  bool plus_;
  std::string text_;
  std::size_t used_ = 0;
};

fuse_entry_param nameOnly(const Attr& attr) {
  fuse_entry_param entry = {};
  entry.attr.st_ino = attr.inode;
  entry.attr.st_mode = modeBits(attr.type);
  return entry;
}

fuse_entry_param dotEntry(InodeId inode) {
  fuse_entry_param entry = {};
  entry.attr.st_ino = inode;
  entry.attr.st_mode = S_IFDIR;
  return entry;
}

}  // namespace

Task<void> FileSystem::opendir(RequestPtr request, std::uint64_t node, int flags) {
  auto directory = std::make_shared<DirHandle>();
  directory->directory = inodeOf(node);
  directory->flags = flags;
  fuse_file_info answer = {};
  answer.cache_readdir = 1;
  answer.keep_cache = co_await mayKeepListing(*directory) ? 1 : 0;
  answer.fh = directories_.add(std::move(directory));
  if (!request->opened(answer)) directories_.remove(answer.fh);
  co_return;
}

// A directory that was listed lately is asked for its ctime, so that what another host did in it is seen by every
// opendir() after it.
Task<bool> FileSystem::mayKeepListing(DirHandle& directory) {
  const auto id = directory.directory;
  if (atimes_->eachListingMoves()) co_return false;  // we do not hear of those from the kernel's pages
  if (!keptListings_.worthAsking(id, runtime_.clock.now())) {
    if (auto inode = known_->inodes.find(id); inode && inode->known) directory.ctimeNs = inode->entry.attr.ctimeNs;
    co_return false;
  }
  try {
    const auto entry = co_await cluster_->getAttr(id);
    directory.ctimeNs = entry.attr.ctimeNs;
  } catch (const Error& error) {
    // Removed under who still stands in it: it can be opened, and has nothing in it.
    if (error.code() != Errc::notFound) throw;
    co_return false;
  }
  co_return keptListings_.holds(id, directory.ctimeNs);
}

Task<InodeId> FileSystem::parentOf(InodeId directory) {
  if (directory == settings_.root) co_return directory;
  auto inode = known_->inodes.find(directory);
  if (inode && inode->parent != 0) co_return inode->parent;
  auto parent = co_await cluster_->parent(directory);
  known_->inodes.get(directory)->parent = parent;
  co_return parent;
}

Task<void> FileSystem::fillPage(std::shared_ptr<DirHandle> directory, std::uint64_t after) {
  auto change = known_->changes.now();
  auto limit = after == 0 ? kFirstPage : kNextPage;
  auto page = co_await cluster_->readDir(directory->directory, after, limit, false);
  for (auto before = after; const auto& found : page.entries) {
    ahead_->listed(directory->directory, before, found.entry.attr.inode);
    before = found.cookie;
  }
  directory->page = std::move(page);
  directory->after = after;
  directory->filled = true;
  directory->fetched = runtime_.clock.now();
  directory->change = change;
}

namespace {

// Where `after` stands in the page: the index of the first entry behind it, if the page can tell.
std::optional<std::size_t> indexBehind(const DirHandle& directory, std::uint64_t after) {
  const auto& entries = directory.page.entries;
  if (!directory.filled || after < directory.after) return std::nullopt;
  auto at = std::upper_bound(entries.begin(), entries.end(), after,
                             [](std::uint64_t cookie, const DirEntry& entry) { return cookie < entry.cookie; });
  if (at == entries.end() && directory.page.more) return std::nullopt;
  return static_cast<std::size_t>(at - entries.begin());
}

}  // namespace

Task<void> FileSystem::readdir(RequestPtr request, std::uint64_t handle, std::uint64_t offset, std::size_t size,
                               bool plus) {
  auto directory = directories_.find(handle);
  if (!directory) throw Error(Errc::invalid, "no such open directory");
  Listing listing(std::min<std::size_t>(size, settings_.maxTransfer), plus);
  bool room = true;
  if (offset == 0) {
    directory->filled = false;  // rewound: what is there now
    const Duration counts = Duration(kernel_->believed(std::min(settings_.entryCache, settings_.attrCache))) / 2;
    keptListings_.began(directory->directory, directory->ctimeNs, runtime_.clock.now() + counts);
    room = listing.add(".", dotEntry(directory->directory), kBehindDot);
    offset = kBehindDot;
  }
  if (room && offset == kBehindDot) {
    auto parent = co_await parentOf(directory->directory);
    room = listing.add("..", dotEntry(parent), kBehindDotDot);
    offset = kBehindDotDot;
  }
  auto after = offset == kBehindDotDot ? 0 : offset;
  while (room) {
    // Attributes that have waited here for too long are not told any more.
    bool old = directory->filled && plus &&
               runtime_.clock.now() - directory->fetched > Duration(kernel_->believed(settings_.attrCache));
    auto index = old ? std::nullopt : indexBehind(*directory, after);
    if (!index) {
      if (listing.size() > 2048) break;  // enough for this answer: do not make the caller wait for the next page
      co_await fillPage(directory, after);
      index = indexBehind(*directory, after);
      if (!index) break;
    }
    auto& entries = directory->page.entries;
    if (*index >= entries.size()) break;  // the end
    for (; *index < entries.size() && room; ++*index) {
      const auto& found = entries[*index];
      auto id = found.entry.attr.inode;
      auto entry = nameOnly(found.entry.attr);
      if (plus) {
        // Of a file that may be growing the kernel gets the name only; it asks for the attributes if somebody wants
        // them.
        const bool moving = known_->mayBeMoving(found.entry.attr, directory->change);
        if (!moving) entry = parameters(found.entry, directory->change);
        if (found.entry.attr.type == FileType::directory) directoryNames_.add(directory->directory, found.name, id);
      }
      room = listing.add(found.name.c_str(), entry, found.cookie);
      if (room) after = found.cookie;
    }
  }
  atimes_->noteReadOf(directory->directory, directory->flags);
  request->bytes(listing.data(), listing.size());
}

void FileSystem::releasedir(std::uint64_t handle) { directories_.remove(handle); }

Task<void> FileSystem::fsyncdir(RequestPtr request, std::uint64_t node) {
  co_await cluster_->syncNames();
  request->done();
}

}  // namespace vcfs::fuse
