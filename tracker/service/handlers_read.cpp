#include "common/base/error.h"
#include "schema/convert.h"
#include "tracker/core/usable_space.h"
#include "tracker/service/handlers.h"

// The namespace: reading.
namespace vcfs::tracker {

namespace {

template <class Results>
void answer(TrackerCore& core, Results results, std::optional<Entry>& entry) {
  if (!entry) throw Error(Errc::notFound, "no such name");
  core.fillAddresses(entry->layout);
  schema::fill(results.initEntry(), *entry);
}

void fill(schema::DirEntry::Builder builder, const DirEntry& entry) {
  builder.setName(schema::toData(entry.name));
  builder.setCookie(entry.cookie);
  schema::fill(builder.initEntry(), entry.entry);
}

}  // namespace

Task<void> Handlers::lookup(LookupContext context) {
  auto params = context.getParams();
  const InodeId parent = params.getParent();
  const std::string name = schema::toString(params.getName());
  auto op = [parent, name](SqlTx& tx) { return ops::lookup(tx, parent, name); };
  auto entry = co_await core_->catalog.read(std::move(op));
  if (!entry) {
    // Each file that is made was looked for first: that it is not there is no exception.
    context.getResults().initStatus().setCode(schema::ErrorCode::NOT_FOUND);
    co_return;
  }
  answer(*core_, context.getResults(), entry);
}

Task<void> Handlers::getAttr(GetAttrContext context) {
  const InodeId inode = context.getParams().getInode();
  auto op = [inode](SqlTx& tx) { return ops::getAttr(tx, inode); };
  std::optional<Entry> entry = co_await core_->catalog.read(std::move(op));
  answer(*core_, context.getResults(), entry);
}

Task<void> Handlers::resolve(ResolveContext context) {
  auto params = context.getParams();
  const InodeId base = params.getBase();
  const std::string path = schema::toString(params.getPath());
  const bool follow = params.getFollow();
  auto op = [base, path, follow](SqlTx& tx) { return ops::resolve(tx, base, path, follow); };
  auto entry = co_await core_->catalog.read(std::move(op));
  answer(*core_, context.getResults(), entry);
}

Task<void> Handlers::readDir(ReadDirContext context) {
  auto params = context.getParams();
  const InodeId directory = params.getDirectory();
  const std::uint64_t after = params.getAfter();
  const std::uint32_t limit = params.getLimit();
  const bool layouts = params.getLayouts();
  auto op = [=](SqlTx& tx) { return ops::readDir(tx, directory, after, limit, layouts); };
  DirPage page = co_await core_->catalog.read(std::move(op));
  auto results = context.getResults();
  auto list = results.initEntries(static_cast<unsigned>(page.entries.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    core_->fillAddresses(page.entries[i].entry.layout);
    fill(list[i], page.entries[i]);
  }
  results.setMore(page.more);
}

Task<void> Handlers::readLink(ReadLinkContext context) {
  const InodeId inode = context.getParams().getInode();
  auto op = [inode](SqlTx& tx) { return ops::readLink(tx, inode); };
  const std::string target = co_await core_->catalog.read(std::move(op));
  context.getResults().setTarget(schema::toData(target));
}

Task<void> Handlers::parent(ParentContext context) {
  const InodeId inode = context.getParams().getInode();
  auto op = [inode](SqlTx& tx) { return ops::parentOf(tx, inode); };
  const InodeId parent = co_await core_->catalog.read(std::move(op));
  context.getResults().setParent(parent);
}

Task<void> Handlers::statFs(StatFsContext context) {
  const InodeId directory = context.getParams().getDirectory();
  auto findGroup = [directory](SqlTx& tx) { return ops::groupOf(tx, directory); };
  auto listGroups = [](SqlTx& tx) { return ops::listGroups(tx); };
  SpaceRules rules;
  rules.onlyGroup = co_await core_->catalog.read(std::move(findGroup));
  const auto groups = co_await core_->catalog.read(std::move(listGroups));
  for (const ops::GroupRow& group : groups) rules.copies[group.name] = group.copies;
  rules.trash = co_await core_->trash->get();
  const UsableSpace space = usableSpace(core_->map, rules, core_->runtime.clock.now());
  auto results = context.getResults();
  results.setTotalBytes(space.totalBytes);
  results.setFreeBytes(space.freeBytes);
  results.setFiles(core_->inodes->get());
}

Task<void> Handlers::getXattr(GetXattrContext context) {
  auto params = context.getParams();
  const InodeId inode = params.getInode();
  const std::string name = schema::toString(params.getName());
  auto op = [inode, name](SqlTx& tx) { return ops::getXattr(tx, inode, name); };
  const std::string value = co_await core_->catalog.read(std::move(op));
  context.getResults().setValue(schema::toData(value));
}

Task<void> Handlers::listXattr(ListXattrContext context) {
  const InodeId inode = context.getParams().getInode();
  auto op = [inode](SqlTx& tx) { return ops::listXattr(tx, inode); };
  const auto names = co_await core_->catalog.read(std::move(op));
  auto list = context.getResults().initNames(static_cast<unsigned>(names.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, schema::toData(names[i]));
}

}  // namespace vcfs::tracker
