#include "tracker/service/sole_lease.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "schema/types.capnp.h"

namespace vcfs::tracker {

namespace {

constexpr Duration kMargin = std::chrono::milliseconds(300);
// After a lease was revoked: its holder's count ends, then that of the clients it had answered last.
constexpr Duration kUntilForgotten = SoleLease::kValid + std::chrono::milliseconds(schema::NAME_LEASE_MS) + kMargin;
constexpr int kMostLeases = 6;  // looked at for one open

std::string incarnation(Runtime& runtime, const std::string& address) {
  return address + "#" + log::hex(runtime.random());
}

}  // namespace

SoleLease::SoleLease(Runtime& runtime, Catalog& catalog, WatchHub& hub, const std::string& address, bool alone)
    : runtime_(runtime),
      catalog_(catalog),
      hub_(hub),
      address_(address),
      self_(incarnation(runtime, address)),
      alone_(alone),
      endingTerm_(-1) {}

Task<void> SoleLease::start() {
  if (!catalog_.shared()) co_return;
  try {
    co_await step();
  } catch (const Error& error) {
    log::info("sole_lease.not_taken", {{"reason", error.what()}});
  }
  runtime_.spawn("sole_lease.keep", keep());
}

void SoleLease::stop() {
  stopped_ = true;
  lapse_.reset();
}

bool SoleLease::grants() const { return !catalog_.shared() || runtime_.clock.now() < validUntil_; }

void SoleLease::check() {
  if (!granted_ || grants() || stopped_) return;
  granted_ = false;
  log::info("sole_lease.ended");
  hub_.disconnectClients("this tracker may not be the only one any more");
}

Task<void> SoleLease::keep() {
  auto self = shared_from_this();
  while (!stopped_) {
    co_await runtime_.clock.sleep(kInterval);
    if (stopped_) co_return;
    try {
      co_await step();
    } catch (const Error& error) {
      log::debug("sole_lease.not_renewed", {{"reason", error.what()}});
    }
  }
}

Task<void> SoleLease::step() {
  if (grants()) co_return co_await renew();
  auto find = [](SqlTx& tx) { return ops::findSole(tx); };
  const auto row = co_await catalog_.read(std::move(find));
  if (row && row->holder == self_) co_return co_await renew();
  // A holder of the same address is this tracker before it was restarted: its sessions ended with it, and clients trust
  // it for no longer than settle() allows for after a start.
  const bool others = row && !row->holder.empty() && !row->holder.starts_with(address_ + "#");
  if (others) co_return co_await revoke(*row);
  if (alone_ && runtime_.clock.now() >= shyUntil_) co_await take(row);
}

void SoleLease::hold(TimePoint asked) {
  validUntil_ = asked + kValid;
  lapse_ = runtime_.clock.callAt(validUntil_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->check();
  });
}

Task<void> SoleLease::renew() {
  const TimePoint asked = runtime_.clock.now();
  auto op = [self = self_](SqlTx& tx) { return ops::renewSole(tx, self); };
  const bool mine = co_await catalog_.write(std::move(op));
  if (mine) co_return hold(asked);
  validUntil_ = TimePoint{};
  shyUntil_ = runtime_.clock.now() + kShy;
  check();
}

Task<void> SoleLease::take(std::optional<ops::SoleRow> present) {
  const TimePoint asked = runtime_.clock.now();
  auto op = [self = self_, present](SqlTx& tx) { return ops::takeSole(tx, self, present); };
  const bool mine = co_await catalog_.write(std::move(op));
  if (!mine) co_return;
  hold(asked);
  log::info("sole_lease.taken");
}

Task<void> SoleLease::revoke(ops::SoleRow other) {
  log::warn("sole_lease.revoked", {{"holder", other.holder}});
  shyUntil_ = runtime_.clock.now() + kShy;
  auto op = [other](SqlTx& tx) { return ops::revokeSole(tx, other); };
  co_await catalog_.write(std::move(op));
}

Task<void> SoleLease::settle(ClientId origin, Duration limit) {
  auto self = shared_from_this();
  for (int i = 0; catalog_.shared(); ++i) {
    if (i > kMostLeases)
      throw Error(Errc::unavailable, "other trackers take the lease of the only one again and again");
    auto find = [](SqlTx& tx) { return ops::findSole(tx); };
    const auto row = co_await catalog_.read(std::move(find));
    if (!row || row->holder == self_) break;
    if (!row->holder.empty()) {
      co_await revoke(*row);
      continue;
    }
    // It was revoked, at the latest when this tracker saw that first.
    if (row->term != endingTerm_) {
      endingTerm_ = row->term;
      endingAt_ = runtime_.clock.now() + kUntilForgotten;
    }
    const Duration rest = endingAt_ - runtime_.clock.now();
    if (rest > Duration(0)) co_await runtime_.clock.sleep(rest);
    auto forget = [term = row->term](SqlTx& tx) { return ops::forgetSole(tx, term); };
    co_await catalog_.write(std::move(forget));
  }
  co_await hub_.heard(origin, limit, alone_ || !catalog_.shared());
}

}  // namespace vcfs::tracker
