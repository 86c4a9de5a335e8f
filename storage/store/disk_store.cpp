#include "storage/store/disk_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "storage/store/disk_file.h"
#include "storage/store/meta.h"

namespace vcfs::storage {

namespace {

bool isLevel(const char* name) {
  return std::strlen(name) == 2 && std::isxdigit(static_cast<unsigned char>(name[0])) &&
         std::isxdigit(static_cast<unsigned char>(name[1]));
}

// 0 when it has told all names, else an errno. What is not there, or is no directory, has none.
template <class Visit>
int eachName(int parent, const char* path, Visit visit) {
  const int fd = ::openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
  DIR* directory = ::fdopendir(fd);
  if (directory == nullptr) {
    const int error = errno;
    ::close(fd);
    return error;
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> closing(directory, &::closedir);  // a visitor may throw
  while (true) {
    errno = 0;  // readdir tells an error from the end by nothing else
    const dirent* entry = ::readdir(directory);
    if (entry == nullptr) return errno;
    visit(::dirfd(directory), entry->d_name);
  }
}

}  // namespace

DiskStore::DiskStore(DiskStoreOptions options)
    : options_(std::move(options)),
      directory_(options_.directory, options_.name),
      active_(directory_.fd(), options_.directory + "/active"),
      descriptors_(options_.openFiles) {}

DiskStore::~DiskStore() = default;

std::shared_ptr<ReplicaFile> DiskStore::file(InodeId inode) { return std::make_shared<DiskFile>(*this, inode); }

std::optional<LoadedReplica> DiskStore::load(InodeId inode) {
  const std::string path = replicaPath(inode);
  const int raw = ::openat(directory_.fd(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (raw < 0 && errno == ENOENT) return std::nullopt;
  if (raw < 0) throw Error(fromErrno(errno), fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  Fd fd(raw);
  char text[kAttributeBytes];
  const ssize_t length = ::fgetxattr(raw, kAttribute, text, sizeof text);
  if (length < 0) {
    throw Error(Errc::corrupted, fmt::format("{} has no attribute user.vcfs; it was not made by vcfs or was copied "
                                             "without its attributes",
                                             path));
  }
  LoadedReplica loaded;
  loaded.meta = parseMeta(std::string(text, static_cast<std::size_t>(length)));
  if (loaded.meta.inode != inode) throw Error(Errc::corrupted, path + " says that it is another file's replica");
  struct stat now {};
  if (::fstat(raw, &now) != 0) throw Error(fromErrno(errno), "cannot stat " + path);
  loaded.stat = FileStat{static_cast<std::uint64_t>(now.st_size), static_cast<std::uint64_t>(now.st_blocks),
                         now.st_mtim.tv_sec * 1'000'000'000LL + now.st_mtim.tv_nsec};
  return loaded;
}

bool DiskStore::remove(InodeId inode) {
  const std::string path = replicaPath(inode);
  if (::unlinkat(directory_.fd(), path.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw Error(fromErrno(errno), fmt::format("cannot remove {}: {}", path, std::strerror(errno)));
}

void DiskStore::scan(const std::function<void(InodeId)>& visit) {
  std::optional<Error> failure;  // the first
  const auto told = [&](const std::string& path, int error) {
    if (error == 0 || failure) return;
    failure = Error(fromErrno(error), fmt::format("cannot list {}: {}", path, std::strerror(error)));
  };
  const auto visitLow = [&](int, const char* name) {
    if (const InodeId inode = parseReplicaName(name); inode != 0) visit(inode);
  };
  const auto visitRoot = [&](int root, const char* high) {
    if (!isLevel(high)) return;
    const auto visitHigh = [&](int level, const char* low) {
      if (isLevel(low)) told(fmt::format("{}/{}", high, low), eachName(level, low, visitLow));
    };
    told(high, eachName(root, high, visitHigh));
  };
  told(options_.directory, eachName(directory_.fd(), ".", visitRoot));
  if (failure) throw *failure;
}

DiskSpace DiskStore::space() {
  struct statvfs now {};
  if (::fstatvfs(directory_.fd(), &now) != 0) throw Error(fromErrno(errno), "cannot ask for the disk's free space");
  DiskSpace space;
  space.capacityBytes = static_cast<std::uint64_t>(now.f_blocks) * now.f_frsize;
  const std::uint64_t free = static_cast<std::uint64_t>(now.f_bavail) * now.f_frsize;
  space.freeBytes = free > options_.reserveBytes ? free - options_.reserveBytes : 0;
  return space;
}

void DiskStore::syncAll() {
  if (::syncfs(directory_.fd()) != 0) throw Error(fromErrno(errno), "cannot sync the disk");
}

}  // namespace vcfs::storage
