#include "common/base/error.h"
#include "common/base/log.h"
#include "schema/convert.h"
#include "tracker/service/handlers.h"

// For `vcfs fsck`: the catalog in pages, and what it repairs there.
namespace vcfs::tracker {

namespace {

constexpr std::uint32_t kMaxPage = 1000;
constexpr unsigned kMaxPaths = 100;

std::uint32_t checkLimit(std::uint32_t limit) {
  if (limit < 1 || limit > kMaxPage) throw Error(Errc::invalid, "limit: 1 to 1000");
  return limit;
}

std::vector<InodeId> toInodes(capnp::List<std::uint64_t>::Reader list, unsigned most) {
  if (list.size() > most) throw Error(Errc::invalid, "at most " + std::to_string(most) + " inodes per call");
  std::vector<InodeId> inodes;
  for (InodeId inode : list) {
    if (inode == 0 || inode > InodeId{INT64_MAX}) throw Error(Errc::invalid, "no inode has that number");
    inodes.push_back(inode);
  }
  return inodes;
}

void fillFiles(TrackerCore& core, capnp::List<schema::AuditFile>::Builder list, std::vector<ops::AuditFile>& files) {
  for (unsigned i = 0; i < list.size(); ++i) {
    ops::AuditFile& file = files[i];
    schema::AuditFile::Builder builder = list[i];
    schema::fill(builder.initAttr(), file.attr);
    if (file.layout.inode != 0) {
      core.fillAddresses(file.layout);
      schema::fill(builder.initLayout(), file.layout);
    }
    auto removals = builder.initRemovals(static_cast<unsigned>(file.removals.size()));
    for (unsigned j = 0; j < removals.size(); ++j) removals.set(j, file.removals[j]);
    builder.setTrashed(file.trashed);
    builder.setParent(file.parent);
    builder.setCopies(file.copies);
  }
}

schema::FileType wireType(FileType type) { return static_cast<schema::FileType>(type); }

}  // namespace

Task<void> Handlers::auditFiles(AuditFilesContext context) {
  const InodeId after = std::min(context.getParams().getAfter(), InodeId{INT64_MAX});
  const std::uint32_t limit = checkLimit(context.getParams().getLimit());
  auto op = [after, limit](SqlTx& tx) { return ops::auditFiles(tx, after, limit); };
  ops::AuditPage page = co_await core_->catalog.read(std::move(op));
  auto results = context.getResults();
  fillFiles(*core_, results.initFiles(static_cast<unsigned>(page.files.size())), page.files);
  auto orphans = results.initOrphans(static_cast<unsigned>(page.orphans.size()));
  for (unsigned i = 0; i < orphans.size(); ++i) {
    orphans[i].setTable(page.orphans[i].table);
    orphans[i].setInode(page.orphans[i].inode);
  }
  results.setMore(page.more);
}

Task<void> Handlers::auditInodes(AuditInodesContext context) {
  const std::vector<InodeId> inodes = toInodes(context.getParams().getInodes(), kMaxPage);
  auto op = [inodes](SqlTx& tx) { return ops::auditInodes(tx, inodes); };
  ops::AuditPage page = co_await core_->catalog.read(std::move(op));
  fillFiles(*core_, context.getResults().initFiles(static_cast<unsigned>(page.files.size())), page.files);
}

Task<void> Handlers::auditNames(AuditNamesContext context) {
  const InodeId parent = std::min(context.getParams().getParent(), InodeId{INT64_MAX});
  const std::string name = schema::toString(context.getParams().getName());
  const std::uint32_t limit = checkLimit(context.getParams().getLimit());
  auto op = [=](SqlTx& tx) { return ops::auditNames(tx, parent, name, limit); };
  ops::NamesPage page = co_await core_->catalog.read(std::move(op));
  auto results = context.getResults();
  auto list = results.initNames(static_cast<unsigned>(page.names.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const ops::AuditName& entry = page.names[i];
    list[i].setParent(entry.parent);
    list[i].setName(schema::toData(entry.name));
    list[i].setInode(entry.inode);
    list[i].setType(wireType(entry.type));
    list[i].setInodeType(wireType(entry.inodeType));
    list[i].setParentType(wireType(entry.parentType));
    list[i].setInodeParent(entry.inodeParent);
  }
  results.setMore(page.more);
}

Task<void> Handlers::pathsOf(PathsOfContext context) {
  const std::vector<InodeId> directories = toInodes(context.getParams().getDirectories(), kMaxPaths);
  auto op = [directories](SqlTx& tx) { return ops::pathsOf(tx, directories); };
  const std::vector<std::string> paths = co_await core_->catalog.read(std::move(op));
  auto list = context.getResults().initPaths(static_cast<unsigned>(paths.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, schema::toData(paths[i]));
}

Task<void> Handlers::adoptNewer(AdoptNewerContext context) {
  auto p = context.getParams();
  ops::Newest newest;
  newest.inode = p.getInode();
  newest.epoch = p.getEpoch();
  newest.newest = p.getNewest();
  for (StorageId holder : p.getHolders()) newest.holders.push_back(holder);
  const ops::Occasion occasion = core_->occasion(ops::Request());
  auto op = [newest, occasion](SqlTx& tx) { return ops::adoptNewer(tx, newest, occasion); };
  ops::LayoutChange change = co_await core_->catalog.write(std::move(op), Durability::stable);
  core_->fillAddresses(change.layout);
  if (change.changed) {
    log::warn("replicas.adopted", {{"inode", log::hex(newest.inode)}, {"epoch", change.layout.epoch}});
    std::vector<Layout> layouts(1, change.layout);
    co_await core_->announce(std::move(layouts), 0, core_->options.adoptWait);
  }
  schema::fill(context.getResults().initLayout(), change.layout);
  context.getResults().setChanged(change.changed);
}

}  // namespace vcfs::tracker
