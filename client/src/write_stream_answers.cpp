// What the primary says to what a WriteStream sent, and what becomes of it when the primary is lost: who is asked next,
// what is sent again, what fails.
#include "client/src/write_stream.h"

#include <algorithm>

#include "common/base/log.h"

namespace vcfs::client {

namespace {
// What is slow may be something else than that server: not from one to the next in a circle. Twice as long each time.
constexpr Duration kLeaveAgain = std::chrono::seconds(5);
constexpr int kLeaveDoublings = 6;
// How much farther than a tracker: else it is this host that is far away. The one measures quicker than the other.
constexpr int kMuchFarther = 4;
}  // namespace

// ---- answers

// A sync may have gigabytes to bring to the disk, also one that came with a write. Of the stall limit a third is left
// to report a primary that does not answer, and to go on at another one.
Duration WriteStream::answerLimit(bool syncs) const {
  const std::chrono::milliseconds most = core_->options.stallLimit;
  const std::chrono::milliseconds limit = std::min(core_->options.requestLimit, most);
  return syncs ? std::max(limit, most * 2 / 3) : limit;
}

Task<void> WriteStream::await(Sequence sequence, bool syncs, std::uint64_t generation, Epoch epoch,
                              SizeView::Stamp sent, std::shared_ptr<StorageLink> link, kj::Promise<Reply> promise) {
  auto self = shared_from_this();
  Reply reply = co_await receive(core_->runtime, kj::mv(promise), answerLimit(syncs));
  if (generation != generation_) co_return;  // the window was replayed since: that answer counts
  if (reply.ok()) {
    route_->confirmLayout(*link, epoch);
    answered(sequence, epoch, sent, reply);
  } else {
    refused(sequence, reply, epoch, *link);
  }
}

void WriteStream::answered(Sequence sequence, Epoch epoch, SizeView::Stamp sent, const Reply& reply) {
  auto item = window_.finish(sequence);
  if (!item) return;
  abandoned_ = false;
  progressAt_ = core_->now();
  pauses_ = 0;
  lostAt_ = 0;
  applied(*item, epoch, sent, reply);
  if (auto waiting = outcomes_.find(sequence); waiting != outcomes_.end()) waiting->second.reply = reply;
  charge();
  if (progress_.hasWaiters()) progress_.notifyAll();
  pump();
}

void WriteStream::applied(const SendWindow::Item& item, Epoch epoch, SizeView::Stamp sent, const Reply& reply) {
  constexpr std::uint32_t kKeepSize = 1;
  // What this acknowledges was executed by the one that says so.
  heard(reply.info);
  if (item.kind != SendWindow::Kind::sync && item.kind != SendWindow::Kind::close) {
    unsynced_.acknowledged(item.sequence);
  }
  if (item.kind == SendWindow::Kind::sync || item.syncs) unsynced_.synced(item.sequence);
  if (item.closes || item.kind == SendWindow::Kind::close) {
    leaseEpoch_ = 0;
  } else if (item.kind != SendWindow::Kind::sync) {
    leaseEpoch_ = epoch;
  }
  if (item.changesFile() && reply.info.mtimeNs != 0 && reply.info.mtimeNs < item.writtenNs) {
    core_->clockLead.seen(item.writtenNs - reply.info.mtimeNs, core_->now());
  }
  switch (item.kind) {
    case SendWindow::Kind::write:
      sizes_->wrote(sent, reply.info, (item.append ? reply.offset : item.offset) + item.length);
      break;
    case SendWindow::Kind::truncate:
      sizes_->truncated(reply.info, item.length);
      break;
    case SendWindow::Kind::allocate:
      sizes_->wrote(sent, reply.info, (item.mode & kKeepSize) != 0 ? 0 : item.end());
      break;
    case SendWindow::Kind::copy:
      sizes_->wrote(sent, reply.info, reply.copied != 0 ? item.offset + reply.copied : 0);
      break;
    case SendWindow::Kind::sync:
    case SendWindow::Kind::close:
      sizes_->settled(sent, reply.info);
      break;
  }
}

void WriteStream::refused(Sequence sequence, const Reply& reply, Epoch epoch, StorageLink& link) {
  switch (judgePrimary(reply.code, reply.where)) {
    case Verdict::fail:
      return failed(sequence, reply);
    case Verdict::later:
      return recover(true);
    case Verdict::lost:
      if (reply.where == Where::status && refusedAt_ == epoch) return failed(sequence, reply);
      if (reply.where == Where::status) refusedAt_ = epoch;
      route_->lost(epoch);
      // The same server again: it takes connections and drops them. Not in a tight loop.
      return recover(std::exchange(lostAt_, epoch) == epoch);
    case Verdict::relayout:
      route_->stale(epoch, reply.layout);
      return recover(route_->epoch() == epoch);
    case Verdict::resendLayout: {
      const bool known = !route_->mustSendLayout(link);
      route_->forgetLayout(link);
      return recover(!known);
    }
  }
}

void WriteStream::note(const Error& error) {
  ++errors_;
  lastError_ = error;
}

void WriteStream::heard(const FileInfo& info) {
  if (!unsynced_.lostWith(info.powerLoss)) return;
  ++losses_;
  log::error("client.power_loss", {{"inode", log::hex(route_->inode())},
                                   {"loss", log::hex(info.powerLoss)},
                                   {"reason", "what was written since the last fsync may be gone"}});
}

Error WriteStream::lossError() const {
  return Error(Errc::io, "every server of file " + log::hex(route_->inode()) +
                             " lost power or was given up: what was written may be gone");
}

void WriteStream::failed(Sequence sequence, Reply reply) {
  auto item = window_.finish(sequence);
  if (!item) return;
  log::warn("client.write.failed", {{"inode", log::hex(route_->inode())},
                                    {"offset", item->offset},
                                    {"length", item->length},
                                    {"reason", reply.error().what()}});
  progressAt_ = core_->now();
  if (item->kind == SendWindow::Kind::write) {
    // The program has given away what else is in the window without knowing of this. Servers refuse of it what would
    // leave a gap here; they go by `first`.
    if (sequence > unawareTo_) {
      unawareFrom_ = sequence;
      unawareTo_ = window_.last();
    }
    note(reply.error());
  }
  if (auto waiting = outcomes_.find(sequence); waiting != outcomes_.end()) waiting->second.reply = std::move(reply);
  charge();
  progress_.notifyAll();
  pump();
}

void WriteStream::failAll(const Error& error) {
  log::error("client.write.abandoned", {{"inode", log::hex(route_->inode())}, {"reason", error.what()}});
  note(error);
  abandoned_ = true;
  Reply reply;
  reply.code = error.code();
  reply.detail = error.detail();
  for (auto& [sequence, outcome] : outcomes_) {
    if (!outcome.reply) outcome.reply = reply;
  }
  window_.clear();
  charge();
  progress_.notifyAll();
}

// ---- failover

void WriteStream::linkLost(const StorageLink& link) {
  watched_.reset();
  leaseEpoch_ = 0;
  if (window_.empty() && !keepLease_) return;
  route_->lost(link);
  recover(false);
}

// A cable that carries little and late does not end the connection, nor its pings, and one call waits for several of
// its losses in turn. So the primary is another one as soon as an answer is late for as long as a silent server has, if
// there is one in sync, and if it is not this host that is far from everybody.
void WriteStream::linkSlow(const StorageLink& link) {
  if (!tooSlow(link)) return;
  leaveAgain_ = core_->now() + kLeaveAgain;
  core_->runtime.spawn("leave slow primary", leave(link.id));
}

bool WriteStream::tooSlow(const StorageLink& link) const {
  const TimePoint now = core_->now();
  const auto since = window_.waitingSince();
  if (recovering_ || now < leaveAgain_ || !since || now - *since < Duration(core_->options.pingLimit)) return false;
  if (!route_->leadsToPrimary(link)) return false;
  const auto tracker = core_->trackers->roundTrip();
  if (!tracker || *tracker * kMuchFarther > link.connection->link().roundTrip()) return false;
  return !othersInSync(link.id).empty();
}

std::vector<Replica> WriteStream::othersInSync(StorageId storage) const {
  std::vector<Replica> others = route_->layout().replicas;
  std::erase_if(others, [&](const Replica& r) { return r.storage == storage || r.state != ReplicaState::inSync; });
  return others;
}

// One that counts as in sync may hang without anybody knowing yet: that may be what the slow primary waits for.
Task<bool> WriteStream::anotherAnswers(StorageId slow) {
  auto self = shared_from_this();
  const Duration limit = Duration(core_->options.pingLimit) / 2;
  try {
    const auto link = co_await core_->storages->get(othersInSync(slow), core_->now() + limit);
    auto pong = link->storage.pingRequest().send();
    co_await rpc::call(core_->runtime, kj::mv(pong), limit);
    co_return true;
  } catch (const std::exception&) {
    co_return false;
  }
}

// Nothing is given up before a tracker has named another one: it may know that no other is in sync.
Task<void> WriteStream::leave(StorageId slow) {
  auto self = shared_from_this();
  const Epoch epoch = route_->epoch();
  if (co_await anotherAnswers(slow) && route_->epoch() == epoch && !recovering_) {
    try {
      Layout layout = co_await core_->failures->report(route_->inode(), epoch, slow);
      route_->adopt(layout);
    } catch (const Error&) {  // no tracker in time: nothing has changed
    }
  }
  const Replica* primary = route_->layout().primary();
  if (primary == nullptr || primary->storage == slow) {
    leaveAgain_ = core_->now() + Duration(core_->options.pingLimit);
    co_return;
  }
  leaveAgain_ = core_->now() + kLeaveAgain * (1 << std::min(left_++, kLeaveDoublings));
  log::info("client.primary.left", {{"inode", log::hex(route_->inode())}, {"storage", slow}, {"reason", "slow"}});
  recover(false);
}

void WriteStream::watchLink(const std::shared_ptr<StorageLink>& link) {
  auto watched = watched_.lock();
  if (watched == link) return;
  if (watched) watched->removeUser(this);
  link->addUser(this, weak_from_this());
  watched_ = link;
}

void WriteStream::recover(bool pause) {
  if (recovering_) return;
  recovering_ = true;
  ++generation_;
  core_->runtime.spawn("write recovery", recovery(pause));
}

Task<void> WriteStream::recovery(bool pause) {
  auto self = shared_from_this();
  if (pause)
    co_await core_->runtime.clock.sleep(std::min(Retry::kFirst * (1 << std::min(pauses_++, 8u)), Retry::kMost));
  std::optional<Error> failure;
  std::shared_ptr<StorageLink> link;
  const TimePoint since = window_.empty() ? core_->now() : progressAt_;
  try {
    link = co_await route_->connect(since + core_->options.stallLimit);
  } catch (const std::exception& error) {
    failure = asError(error);
  }
  const bool stalled = !window_.empty() && core_->now() - progressAt_ >= core_->options.stallLimit;
  if (!failure && stalled) {
    failure =
        Error(Errc::unavailable, "file " + log::hex(route_->inode()) + ": its storage servers took no writes for " +
                                     std::to_string(core_->options.stallLimit.count()) + " ms");
  }
  recovering_ = false;
  window_.rewind();
  // A primary that has not heard of the failed write would wait for its repeat.
  unawareTo_ = 0;
  if (failure) {
    if (!window_.empty()) failAll(*failure);
    co_return;
  }
  watchLink(link);
  leaseEpoch_ = 0;
  pump();
  if (window_.empty() && keepLease_) co_await renewLease();
}

void WriteStream::keepLease(bool keep) {
  keepLease_ = keep;
  if (keep) {
    if (auto link = route_->ready()) watchLink(link);
  }
}

Task<void> WriteStream::takeLease() { return tellOpen(false); }

Task<void> WriteStream::renewLease() { return tellOpen(true); }

Task<void> WriteStream::tellOpen(bool whileKept) {
  auto self = shared_from_this();
  auto route = route_;
  Epoch told = 0;
  PrimaryCall build = [this, &told, whileKept, route, client = core_->clientId](StorageLink& link) {
    if (whileKept && !keepLease_) throw Error(Errc::cancelled, "it was closed meanwhile");
    auto request = link.storage.openRequest();
    address(request, *route, link);
    request.setClient(client);
    told = route->epoch();
    return toReply(request.send());
  };
  const SizeView::Stamp sent = sizes_->sending();
  Reply reply = co_await callPrimary(core_, route_, build, core_->options.stallLimit, core_->options.requestLimit);
  sizes_->observed(sent, reply.info);
  heard(reply.info);
  leaseEpoch_ = told;
  if (auto link = route_->ready()) watchLink(link);
}

}  // namespace vcfs::client
