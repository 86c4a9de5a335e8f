#pragma once

#include <functional>
#include <memory>

#include "cli/fsck/judge.h"
#include "cli/remote/links.h"

namespace vcfs::cli::fsck {

// A storage server as fsck needs it.
struct Server {
  StorageId id = 0;
  std::string name;
  std::string address;
  std::string data;  // its directory, on its host
  bool up = false;
};

struct FilesPage {
  std::vector<CatalogFile> files;
  std::vector<std::pair<std::string, InodeId>> orphans;  // table and inode
  bool more = false;
};
struct StoredPage {
  std::vector<std::pair<InodeId, Stored>> replicas;
  bool more = false;
};
struct NamesPage {
  std::vector<Name> names;
  bool more = false;
};

// The catalog and the disks, in pages. Every call has a deadline and throws Error.
class Sources {
 public:
  explicit Sources(std::shared_ptr<Links> links) : links_(std::move(links)) {}

  Task<std::vector<Server>> servers();
  Task<std::int64_t> trashRetentionNs();
  Task<FilesPage> files(InodeId after);
  Task<std::vector<CatalogFile>> filesOf(std::vector<InodeId> inodes);  // absent ones have type none; in order
  Task<NamesPage> names(InodeId parent, std::string name);
  Task<std::vector<std::string>> paths(std::vector<InodeId> directories);

  Task<StoredPage> stored(Server server, InodeId after);
  Task<std::map<InodeId, Stored>> inspect(Server server, std::vector<InodeId> inodes);
  Task<std::vector<std::uint32_t>> checksums(Server server, InodeId inode, std::uint64_t offset, std::uint32_t block,
                                             std::uint32_t blocks);
  // False: kept, since it is of a later epoch than `upTo` (0: whatever its epoch), or its disk does not delete it.
  Task<bool> remove(Server server, InodeId inode, Epoch upTo);
  // The layout as it is then, also when nothing was changed (Tracker.adoptNewer).
  Task<Layout> adoptNewer(InodeId inode, Epoch epoch, Epoch newest, std::vector<StorageId> holders);
  // The layout as it is then; it may count the replica still (reportFailure in schema/tracker.capnp).
  Task<Layout> reportLost(InodeId inode, Epoch epoch, StorageId storage);

  Runtime& runtime() { return links_->runtime(); }

 private:
  std::shared_ptr<Links> links_;
};

}  // namespace vcfs::cli::fsck
