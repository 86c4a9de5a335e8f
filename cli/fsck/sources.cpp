#include "cli/fsck/sources.h"

#include <nlohmann/json.hpp>

namespace vcfs::cli::fsck {

namespace {

using Json = nlohmann::json;
using Tracker = schema::Tracker::Client;
constexpr std::uint32_t kPage = 500;
constexpr std::uint32_t kNamesPage = 1000;
constexpr std::uint32_t kStoredPage = 1000;
constexpr Duration kDiskLimit = std::chrono::seconds(60);  // a page of a disk that is busy
constexpr std::int64_t kNsPerMs = 1'000'000;

CatalogFile toFile(schema::AuditFile::Reader reader) {
  CatalogFile file;
  file.attr = schema::toAttr(reader.getAttr());
  if (reader.hasLayout()) file.layout = schema::toLayout(reader.getLayout());
  for (auto storage : reader.getRemovals()) file.removals.push_back(storage);
  file.trashed = reader.getTrashed();
  file.copies = reader.getCopies();
  return file;
}

Stored toStored(schema::StoredReplica::Reader reader) {
  Stored stored;
  stored.epoch = reader.getEpoch();
  stored.size = reader.getSize();
  stored.state = static_cast<FileState>(reader.getState());
  stored.mtimeNs = reader.getMtimeNs();
  stored.sealedMtimeNs = reader.getSealedMtimeNs();
  stored.gaps = reader.getMayHaveGaps();
  return stored;
}

template <class List>
void fillInodes(List list, const std::vector<InodeId>& inodes) {
  for (unsigned i = 0; i < inodes.size(); ++i) list.set(i, inodes[i]);
}

}  // namespace

Task<std::vector<Server>> Sources::servers() {
  auto build = [](Tracker& tracker) { return tracker.storagesRequest().send(); };
  auto answer = co_await links_->tracker(build);
  std::vector<Server> servers;
  const Json list = Json::parse(schema::toString(answer.getJson()));
  for (const auto& item : list) {
    Server server;
    server.id = item.at("id").get<StorageId>();
    server.name = item.at("name").get<std::string>();
    server.address = item.at("address").get<std::string>();
    server.data = item.at("data").get<std::string>();
    server.up = item.at("state").get<std::string>() == "up";
    servers.push_back(std::move(server));
  }
  co_return servers;
}

Task<std::int64_t> Sources::trashRetentionNs() {
  auto build = [](Tracker& tracker) { return tracker.statusRequest().send(); };
  auto answer = co_await links_->tracker(build);
  const Json status = Json::parse(schema::toString(answer.getJson()));
  co_return status.value("trash_retention_ms", std::int64_t{600'000}) * kNsPerMs;
}

Task<FilesPage> Sources::files(InodeId after) {
  auto build = [after](Tracker& tracker) {
    auto request = tracker.auditFilesRequest();
    request.setAfter(after);
    request.setLimit(kPage);
    return request.send();
  };
  auto answer = co_await links_->tracker(build);
  FilesPage page;
  for (auto file : answer.getFiles()) page.files.push_back(toFile(file));
  for (auto orphan : answer.getOrphans()) {
    page.orphans.emplace_back(schema::toString(orphan.getTable()), orphan.getInode());
  }
  page.more = answer.getMore();
  co_return page;
}

Task<std::vector<CatalogFile>> Sources::filesOf(std::vector<InodeId> inodes) {
  std::vector<InodeId> possible;
  for (InodeId inode : inodes) {
    if (inode <= InodeId{INT64_MAX}) possible.push_back(inode);  // a disk may have files with other names
  }
  auto build = [&possible](Tracker& tracker) {
    auto request = tracker.auditInodesRequest();
    fillInodes(request.initInodes(static_cast<unsigned>(possible.size())), possible);
    return request.send();
  };
  auto answer = co_await links_->tracker(build);
  std::map<InodeId, CatalogFile> known;
  for (auto file : answer.getFiles()) known[file.getAttr().getInode()] = toFile(file);
  std::vector<CatalogFile> files;
  for (InodeId inode : inodes) {
    files.push_back(known[inode]);
    files.back().attr.inode = inode;
  }
  co_return files;
}

Task<NamesPage> Sources::names(InodeId parent, std::string name) {
  auto build = [parent, &name](Tracker& tracker) {
    auto request = tracker.auditNamesRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setLimit(kNamesPage);
    return request.send();
  };
  auto answer = co_await links_->tracker(build);
  NamesPage page;
  for (auto reader : answer.getNames()) {
    Name& entry = page.names.emplace_back();
    entry.parent = reader.getParent();
    entry.name = schema::toString(reader.getName());
    entry.inode = reader.getInode();
    entry.type = static_cast<FileType>(reader.getType());
    entry.inodeType = static_cast<FileType>(reader.getInodeType());
    entry.parentType = static_cast<FileType>(reader.getParentType());
    entry.inodeParent = reader.getInodeParent();
  }
  page.more = answer.getMore();
  co_return page;
}

Task<std::vector<std::string>> Sources::paths(std::vector<InodeId> directories) {
  auto build = [&directories](Tracker& tracker) {
    auto request = tracker.pathsOfRequest();
    fillInodes(request.initDirectories(static_cast<unsigned>(directories.size())), directories);
    return request.send();
  };
  auto answer = co_await links_->tracker(build);
  std::vector<std::string> paths;
  for (auto path : answer.getPaths()) paths.push_back(schema::toString(path));
  co_return paths;
}

Task<StoredPage> Sources::stored(Server server, InodeId after) {
  auto storage = co_await links_->storageAt(server.address);
  auto request = storage.listRequest();
  request.setAfter(after);
  request.setLimit(kStoredPage);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime(), kj::mv(promise), kDiskLimit);
  schema::check(answer.getStatus());
  StoredPage page;
  for (auto replica : answer.getReplicas()) page.replicas.emplace_back(replica.getInode(), toStored(replica));
  page.more = answer.getMore();
  co_return page;
}

Task<std::map<InodeId, Stored>> Sources::inspect(Server server, std::vector<InodeId> inodes) {
  auto storage = co_await links_->storageAt(server.address);
  auto request = storage.inspectRequest();
  fillInodes(request.initInodes(static_cast<unsigned>(inodes.size())), inodes);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime(), kj::mv(promise), kDiskLimit);
  schema::check(answer.getStatus());
  std::map<InodeId, Stored> found;
  for (auto replica : answer.getReplicas()) found[replica.getInode()] = toStored(replica);
  co_return found;
}

Task<std::vector<std::uint32_t>> Sources::checksums(Server server, InodeId inode, std::uint64_t offset,
                                                    std::uint32_t block, std::uint32_t blocks) {
  auto storage = co_await links_->storageAt(server.address);
  auto request = storage.checksumsRequest();
  request.setInode(inode);
  request.setOffset(offset);
  request.setBlockSize(block);
  request.setBlocks(blocks);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime(), kj::mv(promise), kDiskLimit);
  schema::check(answer.getStatus());
  std::vector<std::uint32_t> sums;
  for (auto sum : answer.getCrc32c()) sums.push_back(sum);
  co_return sums;
}

Task<bool> Sources::remove(Server server, InodeId inode, Epoch upTo) {
  auto storage = co_await links_->storageAt(server.address);
  auto request = storage.removeRequest();
  request.initInodes(1).set(0, inode);
  if (upTo != 0) request.initEpochs(1).set(0, upTo);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime(), kj::mv(promise), kDiskLimit);
  schema::check(answer.getStatus());
  co_return answer.getKept().size() == 0;
}

Task<Layout> Sources::adoptNewer(InodeId inode, Epoch epoch, Epoch newest, std::vector<StorageId> holders) {
  auto build = [inode, epoch, newest, &holders](Tracker& tracker) {
    auto request = tracker.adoptNewerRequest();
    request.setInode(inode);
    request.setEpoch(epoch);
    request.setNewest(newest);
    auto list = request.initHolders(static_cast<unsigned>(holders.size()));
    for (unsigned i = 0; i < holders.size(); ++i) list.set(i, holders[i]);
    return request.send();
  };
  auto answer = co_await links_->tracker(build);
  co_return schema::toLayout(answer.getLayout());
}

Task<Layout> Sources::reportLost(InodeId inode, Epoch epoch, StorageId storage) {
  auto build = [inode, epoch, storage](Tracker& tracker) {
    auto request = tracker.reportFailureRequest();
    auto failed = request.initFailed(1)[0];
    failed.setInode(inode);
    failed.setEpoch(epoch);
    failed.setStorage(storage);
    request.setReporter("vcfs fsck");
    return request.send();
  };
  auto answer = co_await links_->tracker(build);
  const auto layouts = answer.getLayouts();
  if (layouts.size() != 1) throw Error(Errc::internal, "reportFailure: an answer of another length");
  co_return schema::toLayout(layouts[0]);
}

}  // namespace vcfs::cli::fsck
