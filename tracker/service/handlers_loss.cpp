#include "common/base/error.h"
#include "schema/convert.h"
#include "tracker/service/handlers.h"
#include "tracker/service/loss.h"
#include "tracker/service/removal.h"

// `vcfs storage remove --accept-loss`: a server is gone for good with what only it had.
namespace vcfs::tracker {

namespace {

constexpr std::uint32_t kMostFiles = 200;

// Whoever may come back within a moment is not gone. That a tracker was cut off from it, or has just started, does not
// count: the coordinator has noted that it is away, and any tracker that hears of it takes that back.
void requireGone(TrackerCore& core, const StorageServer& server) {
  const TimePoint now = core.runtime.clock.now();
  if (core.map.alive(server.id, now)) {
    throw Error(Errc::exists, server.name + " is up: nothing of what it has is lost");
  }
  const Duration grace = core.map.options().unreachableAfter;
  const bool justLost = server.lostAt && now - *server.lostAt < grace;
  const std::int64_t away = core.runtime.clock.wallNs() - server.awaySince;
  const bool noted = server.awaySince != 0 && away >= std::chrono::nanoseconds(grace).count();
  if (noted && !justLost && !core.map.settling(now)) return;
  throw Error(Errc::unavailable, server.name + " was heard of within the last seconds: is it really gone?");
}

schema::LossFate toWire(Fate fate) {
  switch (fate) {
    case Fate::kept:
      return schema::LossFate::KEPT;
    case Fate::lost:
      return schema::LossFate::LOST;
    default:
      return schema::LossFate::WAITS;
  }
}

void fill(schema::LossFile::Builder builder, const LossPage::File& file) {
  builder.setInode(file.row.attr.inode);
  builder.setPath(schema::toData(file.row.path));
  builder.setSize(file.row.attr.size);
  builder.setKept(file.salvage.size);
  builder.setMayHaveGaps(file.salvage.gaps);
  builder.setState(static_cast<schema::FileState>(file.row.attr.state));
  builder.setFate(toWire(file.salvage.fate));
  builder.setSource(file.salvage.source);
  auto unseen = builder.initUnseen(static_cast<unsigned>(file.salvage.unseen.size()));
  for (unsigned i = 0; i < unseen.size(); ++i) unseen.set(i, file.salvage.unseen[i]);
}

}  // namespace

Task<void> Handlers::acceptLoss(AcceptLossContext context) {
  auto p = context.getParams();
  const std::string name = schema::toString(p.getName());
  const InodeId after = p.getAfter();
  const std::uint32_t limit = p.getLimit();
  const bool dryRun = p.getDryRun();
  const bool without = p.getAcceptUnseen();
  if (limit < 1 || limit > kMostFiles) throw Error(Errc::invalid, "limit: 1 to 200");
  co_await core_->loadStorages();
  const StorageServer* server = core_->map.findByName(name);
  if (server == nullptr) throw Error(Errc::notFound, "there is no storage server " + name);
  requireGone(*core_, *server);
  const StorageId gone = server->id;
  // A new disk that took over its id between two pages would be read as empty files.
  Removal removal(core_, *server);
  if (!dryRun) co_await removal.bar();
  LossPage page(core_, gone, without);
  co_await page.look(after, limit);
  if (!dryRun) {
    // Whoever came back while the others were asked is not gone.
    co_await core_->loadStorages();
    server = core_->map.findByName(name);
    if (server == nullptr || server->id != gone) throw Error(Errc::notFound, "storage server " + name + " was removed");
    requireGone(*core_, *server);
    co_await page.giveUp();
  }
  auto results = context.getResults();
  auto list = results.initFiles(static_cast<unsigned>(page.files().size()));
  for (unsigned i = 0; i < list.size(); ++i) fill(list[i], page.files()[i]);
  results.setElsewhere(page.elsewhere());
  results.setOthersAway(page.othersAway());
  results.setLast(page.last());
  results.setMore(page.more());
}

}  // namespace vcfs::tracker
