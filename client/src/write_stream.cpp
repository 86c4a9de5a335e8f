#include "client/src/write_stream.h"

#include <algorithm>

namespace vcfs::client {

namespace {

constexpr std::size_t kReferenceFrom = 256u << 10;  // owned bytes from this size are not copied
constexpr std::size_t kCopyIntoMessage = 4u << 10;  // smaller bodies go into the message itself
constexpr std::size_t kInFlight = 8u << 20;         // bytes of one file under way at once

SendWindow::Limits limitsOf(const ClusterOptions& options) {
  SendWindow::Limits limits;
  limits.segment = std::min<std::uint64_t>(schema::MAX_TRANSFER, options.sendWindow);
  limits.inFlight = std::min<std::uint64_t>(kInFlight, options.sendWindow);
  limits.maxLag = options.maxLag;
  return limits;
}

}  // namespace

WriteStream::WriteStream(std::shared_ptr<Core> core, std::shared_ptr<Route> route, std::shared_ptr<SizeView> sizes)
    : core_(std::move(core)),
      route_(std::move(route)),
      sizes_(std::move(sizes)),
      window_(limitsOf(core_->options), core_->sequenceFloor + 1),
      progress_(core_->runtime.io) {}

WriteStream::~WriteStream() {
  if (auto link = watched_.lock()) link->removeUser(this);
  window_.clear();
  charge();
}

// ---- writing

// How much of `length` may be taken now; all of it or nothing for what must not be split.
std::size_t WriteStream::room(std::uint64_t offset, std::size_t length, bool append, bool owned) const {
  const std::uint64_t cost = window_.costOf(offset, length, append, owned);
  if (cost == 0) return length;
  const std::uint64_t held = window_.charged();
  if (!core_->sendBudget.fits(cost)) return 0;
  if (held == 0) return length;
  if (held + cost > core_->options.sendWindow || held + cost > core_->sendBudget.share(held)) return 0;
  return length;
}

std::size_t WriteStream::take(std::uint64_t offset, std::span<const std::byte> data,
                              const std::shared_ptr<const void>& owner, bool append) {
  const TimePoint now = core_->now();
  const std::size_t segment = limitsOf(core_->options).segment;
  if (window_.empty()) progressAt_ = now;
  std::size_t taken = 0;
  while (taken < data.size()) {
    const std::size_t piece = std::min(segment, data.size() - taken);
    const bool owned = owner != nullptr && piece >= kReferenceFrom;
    if (room(offset + taken, piece, append, owned) == 0) break;
    window_.write(offset + taken, data.subspan(taken, piece), owned ? owner : nullptr, append, now, timeOfChange());
    charge();
    taken += piece;
  }
  if (taken < data.size()) window_.flush();
  pump();
  return taken;
}

Task<void> WriteStream::waitRoom() {
  window_.flush();
  pump();
  // Room comes from our own acknowledgements or from other files'; whichever is first, have a look now and then.
  const Duration look = std::chrono::milliseconds(20);
  if (window_.empty()) {
    co_await core_->sendBudget.waitFreed(core_->runtime.clock, look);
  } else {
    co_await progress_.waitFor(core_->runtime.clock, look);
  }
}

void WriteStream::charge() {
  const std::uint64_t held = window_.charged();
  if (held > charged_) core_->sendBudget.take(held - charged_);
  if (held < charged_) core_->sendBudget.give(charged_ - held);
  charged_ = held;
}

std::int64_t WriteStream::timeOfChange() {
  // What is acknowledged is known by the time that the server told; one of a clock that was wrong is forgotten with it.
  const std::int64_t own = window_.newestChangeNs() != 0 ? lastChangeNs_ : 0;
  const std::int64_t clock = core_->runtime.clock.wallNs() - core_->clockLead.ns(core_->now());
  lastChangeNs_ = std::max({clock, laterThan(own), laterThan(sizes_->latestNs())});
  return lastChangeNs_;
}

// ---- sending

void WriteStream::pumpUntil(TimePoint now) {
  if (recovering_ || window_.allSent()) return;
  auto link = route_->ready();
  if (!link) return recover(false);
  while (const SendWindow::Item* item = window_.next(now)) send(*item, link);
  armLag();
}

void WriteStream::armLag() {
  if (lagArmed_) return;
  const auto due = window_.due();
  if (!due) return;
  lagArmed_ = true;
  core_->lags->add(weak_from_this(), *due);
}

void WriteStream::lagPassed(TimePoint until) {
  lagArmed_ = false;
  pumpUntil(until);
}

void WriteStream::send(const SendWindow::Item& item, const std::shared_ptr<StorageLink>& link) {
  watchLink(link);
  // Now and not when this stream ends: a coroutine may still hold it when the file is opened anew.
  core_->sequenceFloor = std::max(core_->sequenceFloor, item.sequence);
  const SizeView::Stamp sent = sizes_->sending();
  kj::Promise<Reply> promise = request(item, *link);
  const bool syncs = item.syncs || item.kind == SendWindow::Kind::sync;
  core_->runtime.spawn("write", await(item.sequence, syncs, generation_, route_->epoch(), sent, link, kj::mv(promise)));
}

void WriteStream::fillWriter(schema::Writer::Builder writer, const SendWindow::Item& item) const {
  writer.setClient(core_->clientId);
  writer.setSequence(item.sequence);
  const bool unaware = item.sequence <= unawareTo_;
  writer.setFirst(unaware ? std::min(unawareFrom_, window_.first()) : window_.first());
  if (!item.changesFile()) return;
  writer.setWrittenNs(item.writtenNs);
  writer.setSentNs(core_->runtime.clock.wallNs());
}

kj::Promise<Reply> WriteStream::request(const SendWindow::Item& item, StorageLink& link) {
  const auto fill = [&](auto& request) {
    address(request, *route_, link);
    fillWriter(request.initWriter(), item);
  };
  switch (item.kind) {
    case SendWindow::Kind::write:
      break;
    case SendWindow::Kind::truncate: {
      auto request = link.storage.truncateRequest();
      fill(request);
      request.setSize(item.length);
      return toReply(request.send());
    }
    case SendWindow::Kind::allocate: {
      auto request = link.storage.allocateRequest();
      fill(request);
      request.setOffset(item.offset);
      request.setLength(item.length);
      request.setMode(item.mode);
      return toReply(request.send());
    }
    case SendWindow::Kind::copy: {
      auto request = link.storage.copyRangeRequest();
      fill(request);
      request.setOffset(item.offset);
      request.setLength(static_cast<std::uint32_t>(item.length));
      schema::fill(request.initSource(), item.source->layout);
      request.setSourceOpen(item.source->open);
      request.setSourceOffset(item.source->offset);
      return toReply(request.send());
    }
    case SendWindow::Kind::sync: {
      auto request = link.storage.syncRequest();
      fill(request);
      return toReply(request.send());
    }
    case SendWindow::Kind::close: {
      auto request = link.storage.closeRequest();
      fill(request);
      return toReply(request.send());
    }
  }
  return writeRequest(item, link);
}

kj::Promise<Reply> WriteStream::writeRequest(const SendWindow::Item& item, StorageLink& link) {
  const bool copied = item.length <= kCopyIntoMessage;
  auto request = link.storage.writeRequest(capnp::MessageSize{64 + (copied ? item.length / 8 : 0), 0});
  address(request, *route_, link);
  fillWriter(request.initWriter(), item);
  request.setOffset(item.offset);
  request.setFlags(static_cast<std::uint16_t>((item.append ? schema::WRITE_FLAG_APPEND : 0) |
                                              (item.closes ? schema::WRITE_FLAG_CLOSE : 0) |
                                              (item.syncs ? schema::WRITE_FLAG_SYNC : 0)));
  if (copied) {
    request.setData(capnp::Data::Reader(reinterpret_cast<const capnp::byte*>(item.data), item.length));
  } else {
    schema::Storage::WriteParams::Builder params = request;
    link.connection->link().hold(item.data, item.owner);
    request.adoptData(rpc::reference(params, item.data, item.length));
  }
  return toReply(request.send());
}

// ---- draining

Task<void> WriteStream::drain() {
  auto self = shared_from_this();
  const Sequence target = window_.last();
  if (window_.finishedUpTo(target)) co_return;
  window_.flush();
  pump();
  while (!window_.finishedUpTo(target)) co_await progress_.wait();
}

Task<void> WriteStream::confirm() {
  auto self = shared_from_this();
  if (!unsynced_.any() || leaseKnown() || !keepLease_) co_return;
  if (abandoned_) co_return;  // nobody could be asked a moment ago, and that was told
  try {
    co_await renewLease();
  } catch (const Error& error) {
    if (error.code() != Errc::cancelled) throw;  // else it was closed meanwhile
  }
}

Task<Reply> WriteStream::run(Sequence sequence) {
  auto self = shared_from_this();
  struct Forget {
    std::map<Sequence, Outcome>& outcomes;
    Sequence sequence;
    ~Forget() {
      if (--outcomes[sequence].waiters == 0) outcomes.erase(sequence);
    }
  };
  ++outcomes_[sequence].waiters;
  Forget forget{outcomes_, sequence};
  window_.flush();
  pump();
  while (!outcomes_[sequence].reply) co_await progress_.wait();
  Reply reply = *outcomes_[sequence].reply;
  if (!reply.ok()) throw reply.error();
  co_return reply;
}

Task<Reply> WriteStream::truncate(std::uint64_t size) {
  if (window_.empty()) progressAt_ = core_->now();
  return run(window_.truncate(size, timeOfChange()));
}

Task<Reply> WriteStream::allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) {
  if (window_.empty()) progressAt_ = core_->now();
  return run(window_.allocate(offset, length, mode, timeOfChange()));
}

Task<Reply> WriteStream::copy(std::uint64_t offset, std::uint64_t length,
                              std::shared_ptr<const SendWindow::Source> source) {
  if (window_.empty()) progressAt_ = core_->now();
  return run(window_.copy(offset, length, std::move(source), timeOfChange()));
}

Task<Reply> WriteStream::sync() {
  if (window_.empty()) progressAt_ = core_->now();
  return run(window_.sync());
}

Task<Reply> WriteStream::close() {
  if (window_.empty()) progressAt_ = core_->now();
  return run(window_.close());
}

}  // namespace vcfs::client
