#include "tracker/service/name_recall.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/call.h"

namespace vcfs::tracker {

namespace {
constexpr Duration kAnswerLimit = std::chrono::milliseconds(300);
constexpr Duration kGiveBackLimit = std::chrono::seconds(2);  // only who wants another lease waits
constexpr Duration kLease = std::chrono::milliseconds(schema::NAME_LEASE_MS);
}  // namespace

struct NameRecall::Round {
  explicit Round(asio::io_context& io) : answered(io) {}
  std::size_t owed = 0;
  Signal answered;
};

NameRecall::NameRecall(Runtime& runtime, WatchHub& hub) : runtime_(runtime), hub_(hub), leases_({}) {}

NameRecall::Making::Making(NameRecall& recall, InodeId directory, std::uint64_t session)
    : recall_(recall), directory_(directory), session_(session) {
  recall_.leases_.begin(directory_, session_);
}

NameRecall::Making::~Making() { recall_.leases_.end(directory_, session_); }

Task<void> NameRecall::clear(InodeId directory, std::uint64_t session) {
  const auto holders = leases_.recall(directory, session);
  std::shared_ptr<Round> round;
  if (auto found = rounds_.find(directory); found != rounds_.end()) round = found->second;
  if (!holders.empty() && !round) {
    round = std::make_shared<Round>(runtime_.io);
    rounds_[directory] = round;
  }
  if (!round) co_return;
  for (std::uint64_t holder : holders) {
    ++round->owed;
    runtime_.spawn("names.recall", ask(holder, directory, round));
  }
  while (round->owed > 0) co_await round->answered.wait();
  if (auto found = rounds_.find(directory); found != rounds_.end() && found->second == round) rounds_.erase(found);
}

// The lease counts until the client has answered: a name that is made there meanwhile recalls it as any other.
Task<bool> NameRecall::grant(InodeId directory, std::uint64_t session) {
  if (leases_.grant(directory, session)) co_return true;
  const auto oldest = leases_.toGiveBack(directory, session);
  if (!oldest) co_return false;
  try {
    co_await recall(session, oldest->directory, kGiveBackLimit);
  } catch (const Error& error) {
    log::info("names.not_given_back", {{"session", session}, {"reason", error.what()}});
    co_return false;
  }
  leases_.givenBack(session, *oldest);
  co_return hub_.watcherOf(session) != nullptr&& leases_.grant(directory, session);
}

// Returns when the holder denies no names of the directory by the leases that it was granted so far.
Task<void> NameRecall::recall(std::uint64_t holder, InodeId directory, Duration limit) {
  KJ_IF_MAYBE (watcher, hub_.watcherOf(holder)) {
    auto request = watcher->recallNamesRequest();
    request.setDirectory(directory);
    auto promise = request.send();
    co_await rpc::call(runtime_, kj::mv(promise), limit);
    co_return;
  }
  throw Error(Errc::unavailable, "it watches no more");
}

Task<void> NameRecall::ask(std::uint64_t holder, InodeId directory, std::shared_ptr<Round> round) {
  std::string failure;
  try {
    co_await recall(holder, directory, kAnswerLimit);
  } catch (const Error& error) {
    failure = error.what();
  }
  if (!failure.empty()) {
    // It may be cut off and go on for as long as its lease lasts; from now on it hears nothing that would renew it.
    log::info("names.recall_unanswered", {{"session", holder}, {"reason", failure}});
    hub_.disconnect(holder, "names were not given back");
    co_await runtime_.clock.sleep(kLease);
  }
  --round->owed;
  round->answered.notifyAll();
}

}  // namespace vcfs::tracker
