#include "tracker/service/census.h"

#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::tracker {

namespace {
constexpr std::uint32_t kPage = 500;                              // a few milliseconds of the loop
constexpr std::uint64_t kMostPages = 4000;                        // per server: 2 million files
constexpr Duration kPagePause = std::chrono::milliseconds(1);     // others get in between
constexpr Duration kFreshFor = std::chrono::milliseconds(500);    // an older count is made anew
constexpr Duration kWait = std::chrono::milliseconds(300);        // for a count, when there is an older one
constexpr Duration kFirstWait = std::chrono::milliseconds(2000);  // when there is none
constexpr std::uint32_t kMostRemovals = 1000;
}  // namespace

Census::Census(Runtime& runtime, Catalog& catalog, const ClusterMap& map)
    : runtime_(runtime), catalog_(catalog), map_(map), done_(runtime.io), last_(std::make_shared<Result>()) {}

void Census::stop() {
  stopped_ = true;
  done_.notifyAll();
}

Task<std::shared_ptr<const Census::Result>> Census::get() {
  auto self = shared_from_this();
  const TimePoint now = runtime_.clock.now();
  const bool first = made_ == TimePoint{};
  if (!first && now - made_ < kFreshFor) co_return last_;
  if (!counting_ && !stopped_) {
    counting_ = true;
    runtime_.spawn("census", count());
  }
  const TimePoint deadline = now + (first ? kFirstWait : kWait);
  while (counting_ && !stopped_ && runtime_.clock.now() < deadline) {
    co_await done_.waitFor(runtime_.clock, deadline - runtime_.clock.now());
  }
  co_return last_;
}

Task<void> Census::count() {
  auto self = shared_from_this();
  auto result = std::make_shared<Result>();
  try {
    co_await countAll(result);
    last_ = result;
    made_ = runtime_.clock.now();
  } catch (const Error& error) {
    log::debug("census.failed", {{"reason", error.what()}});
  }
  counting_ = false;
  done_.notifyAll();
}

Task<void> Census::countAll(std::shared_ptr<Result> result) {
  co_await countPages(result, 0);
  std::vector<StorageId> leaving;
  for (const auto& [id, server] : map_.servers()) {
    if (server.draining || server.awaySince != 0) leaving.push_back(id);
  }
  for (StorageId storage : leaving) {
    if (stopped_) co_return;
    co_await countPages(result, storage);
    if (stopped_) co_return;
    auto removals = [storage](SqlTx& tx) { return ops::countRemovals(tx, storage, kMostRemovals); };
    const std::uint64_t toDelete = co_await catalog_.read(std::move(removals));
    auto behind = [storage](SqlTx& tx) { return ops::countBehind(tx, storage, kMostRemovals); };
    result->servers[storage].behind = co_await catalog_.read(std::move(behind));
    result->servers[storage].removals = toDelete;
  }
}

Task<void> Census::countPages(std::shared_ptr<Result> result, StorageId storage) {
  InodeId after = 0;
  for (std::uint64_t pages = 0; !stopped_; ++pages) {
    if (pages == kMostPages) {
      result->complete = false;
      co_return;
    }
    auto op = [storage, after](SqlTx& tx) { return ops::census(tx, storage, after, kPage); };
    const ops::CensusPage page = co_await catalog_.read(std::move(op));
    result->degraded += page.counted;
    result->bytesToGo += page.countedBytes;
    if (storage != 0) {
      Server& server = result->servers[storage];
      server.files += page.files;
      server.bytes += page.bytes;
      server.onlyHere += page.onlyHere;
      if (server.example.empty()) server.example = page.example;
    }
    if (!page.more) co_return;
    after = page.last;
    co_await runtime_.clock.sleep(kPagePause);
  }
}

}  // namespace vcfs::tracker
