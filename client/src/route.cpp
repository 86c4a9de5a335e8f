#include "client/src/route.h"

#include "common/base/log.h"

namespace vcfs::client {

struct Route::Repair {
  explicit Repair(asio::io_context& io) : over(io) {}
  Signal over;
  TimePoint until;  // the latest deadline of those who wait
  bool finished = false;
  std::optional<Error> hopeless;
  std::string trouble;  // of the last attempt
};

Route::Route(std::shared_ptr<Core> core, InodeId inode) : core_(std::move(core)), inode_(inode) {}

bool Route::adopt(const Layout& layout) {
  if (layout.inode != inode_ || layout.epoch < layout_.epoch) return false;
  const bool newer = layout.epoch > layout_.epoch;
  layout_ = layout;  // also of the same epoch: a server may have another address now
  if (newer) {
    suspect_ = Suspect::none;
    link_.reset();
  }
  return newer;
}

std::shared_ptr<StorageLink> Route::ready() {
  if (suspect_ != Suspect::none) return nullptr;
  auto link = link_.lock();
  if (link && link->alive()) {
    link->lastUsed = core_->now();
    return link;
  }
  const Replica* primary = layout_.primary();
  if (primary == nullptr) return nullptr;
  link = core_->storages->find(primary->address, primary->storage);
  link_ = link;
  return link;
}

bool Route::leadsToPrimary(const StorageLink& link) const {
  const Replica* primary = layout_.primary();
  return primary != nullptr && primary->storage == link.id;
}

void Route::lost(const StorageLink& link) {
  if (leadsToPrimary(link)) lost(layout_.epoch);
}

void Route::lost(Epoch epoch) {
  if (epoch != layout_.epoch) return;
  suspect_ = Suspect::lost;
  lostAt_ = core_->now();
}

void Route::stale(Epoch epoch, const std::optional<Layout>& better) {
  if (better && adopt(*better)) return;
  if (epoch == layout_.epoch && suspect_ == Suspect::none) suspect_ = Suspect::stale;
}

Task<std::shared_ptr<StorageLink>> Route::connect(TimePoint deadline) {
  auto self = shared_from_this();
  while (true) {
    if (auto link = ready()) co_return link;
    std::shared_ptr<Repair> mine = repair_;
    if (!mine) {
      mine = repair_ = std::make_shared<Repair>(core_->runtime.io);
      mine->until = deadline;
      core_->runtime.spawn("route repair", repairing(mine));  // what fails at once is over when this returns
    }
    mine->until = std::max(mine->until, deadline);
    while (!mine->finished && core_->now() < deadline) {
      co_await mine->over.waitFor(core_->runtime.clock, deadline - core_->now());
    }
    if (mine->hopeless) throw Error(*mine->hopeless);
    if (core_->now() >= deadline && !ready()) throw unreachable(mine->trouble);
  }
}

Error Route::unreachable(const std::string& trouble) const {
  const std::string why = trouble.empty() ? "none has answered" : trouble;
  return Error(Errc::unavailable, "file " + log::hex(inode_) + ": its storage servers cannot be reached (" + why + ")");
}

Task<void> Route::repairing(std::shared_ptr<Repair> repair) {
  auto self = shared_from_this();
  for (unsigned attempt = 0; !ready() && (attempt == 0 || core_->now() < repair->until); ++attempt) {
    const Epoch before = layout_.epoch;
    std::optional<Error> failure;
    try {
      co_await repairOnce();
    } catch (const std::exception& error) {
      failure = asError(error);
    }
    if (!failure || layout_.epoch != before) continue;
    repair->trouble = failure->what();
    if (remedyOf(failure->code()) != Remedy::retry && remedyOf(failure->code()) != Remedy::refreshLayout) {
      repair->hopeless = failure;
      break;
    }
    // The first failure only told that the server must be reported: do that at once.
    if (attempt == 0) continue;
    co_await core_->runtime.clock.sleep(std::min(Retry::kFirst * (1 << std::min(attempt - 1, 8u)), Retry::kMost));
  }
  repair->finished = true;
  repair_.reset();
  repair->over.notifyAll();
}

// One step: ask about the layout when it is in doubt, then connect to the primary it names.
Task<void> Route::repairOnce() {
  const Epoch before = layout_.epoch;
  if (suspect_ != Suspect::none || layout_.primary() == nullptr) co_await relayout();
  const Replica* primary = layout_.primary();
  if (primary == nullptr && layout_.epoch != 0 && layout_.replicas.empty()) {
    // Nobody comes back: waiting would help nobody.
    throw Error(Errc::io, "file " + log::hex(inode_) + " is lost: no server has its data any more");
  }
  if (primary == nullptr) throw Error(Errc::unavailable, "no replica is in sync");
  if (primary->address.empty()) {
    // A tracker that has not heard yet of a server that registered with another one.
    stale(before, std::nullopt);
    throw Error(Errc::unavailable,
                "the tracker does not know yet where storage server " + std::to_string(primary->storage) + " is");
  }
  std::vector<Replica> wanted(1, *primary);
  std::optional<Error> failure;
  std::shared_ptr<StorageLink> link;
  // Not the callers' deadline: what is over for them says nothing about the server.
  const TimePoint deadline = core_->now() + core_->options.connectLimit;
  try {
    link = co_await core_->storages->get(std::move(wanted), deadline);
  } catch (const Error& error) {
    failure = error;
  }
  if (link && leadsToPrimary(*link)) link_ = link;  // else another layout came meanwhile
  if (!failure) co_return;
  if (!failure->unasked()) {
    lost(before);
  } else if (layout_.epoch == before && suspect_ == Suspect::none) {
    suspect_ = Suspect::unasked;
  }
  throw Error(*failure);
}

Task<void> Route::relayout() {
  const Suspect suspect = std::exchange(suspect_, Suspect::none);
  // Who saw it gave up, and nobody has tried since: the server may be well again.
  if (suspect == Suspect::lost && core_->now() - lostAt_ > FailureReporter::kFresh) co_return;
  std::optional<Error> failure;
  try {
    const Replica* primary = layout_.primary();
    const bool unasked = suspect == Suspect::unasked;
    if ((suspect == Suspect::lost || unasked) && primary != nullptr) {
      const StorageId storage = primary->storage;
      Layout layout = co_await core_->failures->report(inode_, layout_.epoch, storage, unasked);
      adopt(layout);
    } else {
      auto build = [this](schema::Tracker::Client& tracker) {
        auto request = tracker.getAttrRequest();
        request.setInode(inode_);
        return request.send();
      };
      auto answer = co_await core_->trackers->callFor(build, FailureReporter::kLimit);
      Entry entry = schema::toEntry(answer.getEntry());
      adopt(entry.layout);
    }
  } catch (const Error& error) {
    failure = error;
  }
  // Without a tracker the only hope is that the server comes back: go on and try to connect.
  if (failure && remedyOf(failure->code()) != Remedy::retry) throw *failure;
}

bool Route::mustSendLayout(const StorageLink& link) const {
  for (const Confirmed& c : confirmed_) {
    if (c.link == &link && c.epoch == layout_.epoch) return false;
  }
  return true;
}

void Route::confirmLayout(const StorageLink& link, Epoch epoch) {
  for (Confirmed& c : confirmed_) {
    if (c.link == &link) {
      c.epoch = epoch;
      return;
    }
  }
  confirmed_[nextConfirmed_] = Confirmed{&link, epoch};
  nextConfirmed_ = (nextConfirmed_ + 1) % confirmed_.size();
}

void Route::forgetLayout(const StorageLink& link) {
  for (Confirmed& c : confirmed_) {
    if (c.link == &link) c = Confirmed{};
  }
}

Task<Reply> callPrimary(std::shared_ptr<Core> core, std::shared_ptr<Route> route, PrimaryCall build, Duration limit,
                        Duration answerLimit) {
  Retry retry(core->now(), limit);
  std::optional<Error> refused;  // the server's disk said no: another replica may do, but not the same one again
  Epoch refusedAt = 0;
  while (true) {
    std::shared_ptr<StorageLink> link = co_await route->connect(retry.deadline());
    const Epoch epoch = route->epoch();
    if (refused && refusedAt == epoch) throw *refused;
    auto promise = build(*link);
    Reply reply = co_await receive(core->runtime, kj::mv(promise), std::min(answerLimit, retry.remaining(core->now())));
    if (reply.ok()) {
      route->confirmLayout(*link, epoch);
      co_return reply;
    }
    const Verdict verdict = judgePrimary(reply.code, reply.where);
    if (verdict == Verdict::fail || retry.expired(core->now())) throw reply.error();
    if (verdict == Verdict::lost) route->lost(epoch);
    if (verdict == Verdict::lost && reply.where == Where::status) {
      refused = reply.error();
      refusedAt = epoch;
    }
    if (verdict == Verdict::relayout) route->stale(epoch, reply.layout);
    const bool knewLayout = !route->mustSendLayout(*link);
    if (verdict == Verdict::resendLayout) route->forgetLayout(*link);
    const bool atOnce =
        verdict == Verdict::lost || route->epoch() != epoch || (verdict == Verdict::resendLayout && knewLayout);
    if (!atOnce) co_await core->runtime.clock.sleep(retry.pause(core->now()));
  }
}

}  // namespace vcfs::client
