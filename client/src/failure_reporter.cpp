#include "client/src/failure_reporter.h"

#include "common/base/advertise.h"
#include "common/base/log.h"

namespace vcfs::client {

namespace {

constexpr Duration kGather = std::chrono::milliseconds(1);
constexpr std::size_t kPerCall = 1000;

}  // namespace

struct FailureReporter::Batch {
  Batch(asio::io_context& io, TimePoint by) : sendBy(by), done(io) {}
  struct Item {
    InodeId inode = 0;
    Epoch epoch = 0;
    StorageId storage = 0;
    bool unasked = false;
    std::optional<Layout> layout;
  };
  const TimePoint sendBy;
  std::vector<Item> items;
  std::optional<Error> failure;
  bool finished = false;
  Signal done;
};

Task<Layout> FailureReporter::report(InodeId inode, Epoch epoch, StorageId storage, bool unasked) {
  if (!gathering_) {
    gathering_ = std::make_shared<Batch>(runtime_.io, runtime_.clock.now() + kFresh);
    runtime_.spawn("failure report", send(gathering_));
  }
  std::shared_ptr<Batch> batch = gathering_;
  const std::size_t index = batch->items.size();
  Batch::Item item;
  item.inode = inode;
  item.epoch = epoch;
  item.storage = storage;
  item.unasked = unasked;
  batch->items.push_back(std::move(item));
  while (!batch->finished) co_await batch->done.wait();
  std::optional<Layout>& layout = batch->items[index].layout;
  if (!layout && batch->failure) throw Error(*batch->failure);
  if (!layout || layout->inode == 0)
    throw Error(Errc::notFound, "file " + log::hex(inode) + " does not exist any more");
  co_return *layout;
}

Task<void> FailureReporter::send(std::shared_ptr<Batch> batch) {
  auto self = shared_from_this();
  co_await runtime_.clock.sleep(kGather);
  if (gathering_ == batch) gathering_.reset();
  log::debug("client.failure.reported",
             {{"files", batch->items.size()}, {"storage", batch->items.empty() ? 0 : batch->items.front().storage}});
  try {
    for (std::size_t from = 0; from < batch->items.size(); from += kPerCall) co_await sendPart(batch, from);
  } catch (const std::exception& error) {
    batch->failure = asError(error);
  }
  batch->finished = true;
  batch->done.notifyAll();
}

Task<void> FailureReporter::sendPart(std::shared_ptr<Batch> batch, std::size_t from) {
  const std::size_t count = std::min(kPerCall, batch->items.size() - from);
  auto build = [&](schema::Tracker::Client& tracker) {
    auto request = tracker.reportFailureRequest();
    auto failed = request.initFailed(static_cast<unsigned>(count));
    for (unsigned i = 0; i < count; ++i) {
      failed[i].setInode(batch->items[from + i].inode);
      failed[i].setEpoch(batch->items[from + i].epoch);
      failed[i].setStorage(batch->items[from + i].storage);
      failed[i].setUnasked(batch->items[from + i].unasked);
    }
    request.setReporter(hostName());
    return request.send();
  };
  auto answer = co_await trackers_->callFor(build, kLimit, Errc::ok, batch->sendBy);
  auto layouts = answer.getLayouts();
  for (unsigned i = 0; i < std::min<std::size_t>(count, layouts.size()); ++i) {
    batch->items[from + i].layout = schema::toLayout(layouts[i]);
  }
}

}  // namespace vcfs::client
