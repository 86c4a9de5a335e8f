#include "common/base/error.h"
#include "schema/convert.h"
#include "tracker/service/handlers.h"

// The namespace: changing.
namespace vcfs::tracker {

namespace {

constexpr Duration kHeardLimit = std::chrono::milliseconds(300);
constexpr unsigned kMaxPins = 1000;
constexpr unsigned kMaxReads = 1000;
// Of more than this nobody is told: who reads so much is not watched file by file, and the others' caches end in time.
constexpr std::size_t kToldReads = 100;

FileType toType(schema::FileType type) {
  const auto value = static_cast<std::uint16_t>(type);
  if (value > static_cast<std::uint16_t>(FileType::charDevice)) throw Error(Errc::invalid, "unknown type of file");
  return static_cast<FileType>(value);
}

ops::SetAttrParams toParams(schema::SetAttr::Reader set) {
  ops::SetAttrParams params;
  params.mask = set.getMask();
  params.mode = set.getMode();
  params.uid = set.getUid();
  params.gid = set.getGid();
  params.atimeNs = set.getAtimeNs();
  params.mtimeNs = set.getMtimeNs();
  params.ctimeNs = set.getCtimeNs();
  return params;
}

}  // namespace

Task<void> Handlers::create(CreateContext context) {
  auto p = context.getParams();
  ops::CreateParams params;
  params.parent = p.getParent();
  params.name = schema::toString(p.getName());
  params.type = toType(p.getType());
  params.mode = p.getMode();
  params.uid = p.getOwner().getUid();
  params.gid = p.getOwner().getGid();
  params.exclusive = p.getExclusive();
  params.symlinkTarget = schema::toString(p.getSymlinkTarget());
  params.rdev = p.getRdev();
  params.umask = p.getUmask();
  ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  occasion.freshId = co_await core_->ids->take();
  auto op = [params, occasion](SqlTx& tx) { return ops::create(tx, params, occasion); };
  Names names{{params.parent, params.name}};
  const ops::Outcome outcome =
      co_await makeName(occasion.request, ops::RequestOp::create, std::move(names), std::move(op));
  if (outcome.created) {
    core_->inodes->made();
    for (const Replica& replica : outcome.entry.layout.replicas) core_->map.placed(replica.storage);
  }
  auto results = context.getResults();
  schema::fill(results.initEntry(), outcome.entry);
  results.setCreated(outcome.created);
}

Task<void> Handlers::mkdir(MkdirContext context) {
  auto p = context.getParams();
  ops::CreateParams params;
  params.parent = p.getParent();
  params.name = schema::toString(p.getName());
  params.type = FileType::directory;
  params.mode = p.getMode();
  params.umask = p.getUmask();
  params.uid = p.getOwner().getUid();
  params.gid = p.getOwner().getGid();
  ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  occasion.freshId = co_await core_->ids->take();
  auto op = [params, occasion](SqlTx& tx) { return ops::mkdir(tx, params, occasion); };
  Names names{{params.parent, params.name}};
  const ops::Outcome outcome =
      co_await makeName(occasion.request, ops::RequestOp::mkdir, std::move(names), std::move(op));
  core_->inodes->made();
  schema::fill(context.getResults().initEntry(), outcome.entry);
}

Task<void> Handlers::unlink(UnlinkContext context) {
  auto p = context.getParams();
  const InodeId parent = p.getParent();
  const std::string name = schema::toString(p.getName());
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [parent, name, occasion](SqlTx& tx) { return ops::unlink(tx, parent, name, occasion); };
  Names names{{parent, name}};
  const ops::Outcome outcome =
      co_await mutate(occasion.request, ops::RequestOp::unlink, std::move(names), std::move(op));
  schema::fill(context.getResults().initEntry(), outcome.entry);
}

Task<void> Handlers::rmdir(RmdirContext context) {
  auto p = context.getParams();
  const InodeId parent = p.getParent();
  const std::string name = schema::toString(p.getName());
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [parent, name, occasion](SqlTx& tx) { return ops::rmdir(tx, parent, name, occasion); };
  Names names{{parent, name}};
  co_await mutate(occasion.request, ops::RequestOp::rmdir, std::move(names), std::move(op));
}

Task<void> Handlers::rename(RenameContext context) {
  auto p = context.getParams();
  ops::RenameParams params;
  params.parent = p.getParent();
  params.name = schema::toString(p.getName());
  params.newParent = p.getNewParent();
  params.newName = schema::toString(p.getNewName());
  params.flags = p.getFlags();
  ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  occasion.freshId = co_await core_->ids->take();
  auto op = [params, occasion](SqlTx& tx) { return ops::rename(tx, params, occasion); };
  Names names{{params.parent, params.name}, {params.newParent, params.newName}};
  const ops::Outcome outcome =
      co_await makeName(occasion.request, ops::RequestOp::rename, std::move(names), std::move(op));
  auto results = context.getResults();
  schema::fill(results.initEntry(), outcome.entry);
  if (outcome.replaced) schema::fill(results.initReplaced(), *outcome.replaced);
}

Task<void> Handlers::link(LinkContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const InodeId parent = p.getNewParent();
  const std::string name = schema::toString(p.getNewName());
  ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  occasion.freshId = co_await core_->ids->take();
  auto op = [inode, parent, name, occasion](SqlTx& tx) { return ops::link(tx, inode, parent, name, occasion); };
  Names names{{parent, name}};
  const ops::Outcome outcome =
      co_await makeName(occasion.request, ops::RequestOp::link, std::move(names), std::move(op));
  schema::fill(context.getResults().initEntry(), outcome.entry);
}

Task<void> Handlers::setAttr(SetAttrContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const ops::SetAttrParams params = toParams(p.getSet());
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [inode, params, occasion](SqlTx& tx) { return ops::setAttr(tx, inode, params, occasion); };
  const ops::Outcome outcome = co_await mutate(occasion.request, ops::RequestOp::setAttr, std::move(op));
  schema::fill(context.getResults().initEntry(), outcome.entry);
}

Task<void> Handlers::openForWrite(OpenForWriteContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const ClientId client = session_->client;
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [inode, client, occasion](SqlTx& tx) { return ops::openForWrite(tx, inode, client, occasion); };
  const ops::Outcome outcome = co_await mutate(occasion.request, ops::RequestOp::openForWrite, std::move(op));
  // What others cached of the sealed file must not outlive what is written into it now: who opens the file after this
  // writer has closed it finds its bytes and its size.
  co_await core_->sole->settle(client, kHeardLimit);
  schema::fill(context.getResults().initEntry(), outcome.entry);
}

Task<void> Handlers::syncNames(SyncNamesContext) { co_await core_->catalog.sync(); }

Task<void> Handlers::setXattr(SetXattrContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  ops::SetXattrParams params;
  params.name = schema::toString(p.getName());
  params.value = schema::toString(p.getValue());
  params.flags = p.getFlags();
  params.mode = p.getMode();
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [inode, params, occasion](SqlTx& tx) { return ops::setXattr(tx, inode, params, occasion); };
  co_await mutate(occasion.request, ops::RequestOp::setXattr, std::move(op));
}

Task<void> Handlers::removeXattr(RemoveXattrContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const std::string name = schema::toString(p.getName());
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [inode, name, occasion](SqlTx& tx) { return ops::removeXattr(tx, inode, name, occasion); };
  co_await mutate(occasion.request, ops::RequestOp::removeXattr, std::move(op));
}

Task<void> Handlers::pin(PinContext context) {
  auto p = context.getParams();
  if (p.getInodes().size() > kMaxPins) throw Error(Errc::invalid, "pin: at most 1000 inodes per call");
  std::vector<InodeId> inodes;
  for (InodeId inode : p.getInodes()) inodes.push_back(inode);
  const ClientId client = p.getClient();
  const std::int64_t expires = core_->runtime.clock.wallNs() + std::chrono::nanoseconds(core_->options.pinTime).count();
  auto op = [inodes, client, expires](SqlTx& tx) { return ops::pin(tx, inodes, client, expires); };
  co_await core_->catalog.write(std::move(op));
}

Task<void> Handlers::noteReads(NoteReadsContext context) {
  auto list = context.getParams().getReads();
  if (list.size() > kMaxReads) throw Error(Errc::invalid, "noteReads: at most 1000 per call");
  std::vector<ReadTime> reads;
  std::vector<Change> changes;
  for (auto reader : list) {
    ReadTime read;
    read.inode = reader.getInode();
    if (!reader.getUnknown()) read.oldNs = reader.getOldNs();
    read.newNs = reader.getNewNs();
    Change change;
    change.inode = read.inode;
    change.times = true;
    if (list.size() <= kToldReads) changes.push_back(std::move(change));
    reads.push_back(read);
  }
  auto op = [reads](SqlTx& tx) { return ops::noteReads(tx, reads); };
  co_await core_->catalog.write(std::move(op));
  core_->hub.publish(changes, session_->client);
}

}  // namespace vcfs::tracker
