#include "client/src/reader.h"

#include "client/src/local_host.h"

namespace vcfs::client {

namespace {

// One read() of a program may come as several requests of its kernel, which asks again for a page of what failed.
constexpr Duration kSameRead = std::chrono::milliseconds(100);

}  // namespace

Reader::Reader(std::shared_ptr<Core> core, std::shared_ptr<Route> route, std::shared_ptr<SizeView> sizes)
    : core_(std::move(core)), route_(std::move(route)), sizes_(std::move(sizes)) {}

bool Reader::sealed() const { return sizes_->state() == FileState::closed || sizes_->state() == FileState::recovered; }

// In-sync replicas in the order in which they are asked.
std::vector<Replica> Reader::candidates() const {
  std::vector<Replica> result;
  for (const Replica& replica : route_->layout().replicas) {
    if (replica.state == ReplicaState::inSync && avoid_.count(replica.storage) == 0) result.push_back(replica);
  }
  if (result.empty()) return result;
  std::rotate(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(route_->inode() % result.size()),
              result.end());
  std::stable_partition(result.begin(), result.end(), [](const Replica& r) { return isLocalAddress(r.address); });
  return result;
}

Task<std::shared_ptr<StorageLink>> Reader::choose(TimePoint deadline) {
  if (!sealed()) co_return co_await route_->connect(deadline);
  if (avoidEpoch_ != route_->epoch()) {
    avoid_.clear();
    chosen_.reset();
  }
  avoidEpoch_ = route_->epoch();
  if (auto link = chosen_.lock(); link && link->alive()) {
    link->lastUsed = core_->now();
    co_return link;
  }
  std::string trouble;
  try {
    std::vector<Replica> replicas = candidates();
    auto link = co_await core_->storages->get(std::move(replicas), deadline);
    chosen_ = link;
    co_return link;
  } catch (const Error& error) {
    trouble = error.what();
  }
  if (core_->now() >= deadline) throw route_->unreachable(trouble);
  // None can be reached: perhaps there is a newer layout; and they may come back.
  avoid_.clear();
  chosen_.reset();
  route_->stale(route_->epoch(), std::nullopt);
  co_return co_await route_->connect(deadline);
}

void Reader::avoid(const StorageLink& link) {
  avoid_.insert(link.id);
  chosen_.reset();
}

void Reader::refused(const Reply& reply, Epoch epoch, StorageLink& link) {
  const Verdict verdict = sealed() ? judgeReplica(reply.code, reply.where) : judgePrimary(reply.code, reply.where);
  switch (verdict) {
    case Verdict::fail:
      throw reply.error();
    case Verdict::later:
      if (sealed()) avoid(link);  // it may be starting for long, and another one have the bytes at hand
      break;
    case Verdict::resendLayout:
      route_->forgetLayout(link);
      break;
    case Verdict::relayout:
      // It is being written again, or this replica fell behind.
      if (reply.code == Errc::notPrimary || reply.code == Errc::notInSync) sizes_->setState(FileState::open);
      route_->stale(epoch, reply.layout);
      // Without a newer layout it would be asked again: first the others, then a tracker.
      if (sealed()) avoid(link);
      break;
    case Verdict::lost:
      // It may have been sealed when it was asked, and this replica not be the primary.
      if (sealed() || !route_->leadsToPrimary(link)) {
        avoid(link);
      } else {
        route_->lost(epoch);
      }
      break;
  }
}

Task<Piece> Reader::fetch(std::uint64_t offset, std::size_t length, TimePoint deadline) {
  auto self = shared_from_this();
  if (gaveUp_ && core_->now() - gaveUpAt_ < kSameRead) throw Error(*gaveUp_);
  try {
    Piece piece = co_await fetchAhead(offset, length, deadline);
    gaveUp_.reset();
    co_return piece;
  } catch (const Error& error) {
    if (core_->now() >= deadline) gaveUp(error);
    throw;
  }
}

void Reader::gaveUp(const Error& error) {
  gaveUp_ = error;
  gaveUpAt_ = core_->now();
}

Task<Piece> Reader::fetchAhead(std::uint64_t offset, std::size_t length, TimePoint deadline) {
  auto self = shared_from_this();
  Retry retry(core_->now(), deadline - core_->now());
  bool pause = false;
  unsigned hurried = 0;
  while (true) {
    if (pause) co_await core_->runtime.clock.sleep(retry.pause(core_->now()));
    std::shared_ptr<StorageLink> link = co_await choose(retry.deadline());
    const Epoch epoch = route_->epoch();
    auto request = link->storage.readRequest();
    address(request, *route_, *link);
    request.setOffset(offset);
    request.setLength(static_cast<std::uint32_t>(length));
    const SizeView::Stamp sent = sizes_->sending();
    auto promise = toReply(request.send());
    const Duration limit = std::min<Duration>(core_->options.requestLimit, retry.remaining(core_->now()));
    Reply reply = co_await receive(core_->runtime, kj::mv(promise), limit);
    if (reply.ok()) {
      route_->confirmLayout(*link, epoch);
      sizes_->observed(sent, reply.info);
      co_return std::move(reply.data);
    }
    if (retry.expired(core_->now())) throw reply.error();
    refused(reply, epoch, *link);
    // Another server or another layout is tried at once, but only a few times in a row.
    const bool another = sealed() && avoid_.contains(link->id) && !candidates().empty();
    const bool moved =
        another || route_->epoch() != epoch || reply.where == Where::transport || reply.code == Errc::needLayout;
    pause = !moved || ++hurried > 3;
  }
}

}  // namespace vcfs::client
