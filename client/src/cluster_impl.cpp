#include "client/src/cluster_impl.h"

#include "client/src/file_handle.h"
#include "client/src/options.h"
#include "client/src/tracker_call.h"
#include "common/base/log.h"

namespace vcfs {

Task<std::shared_ptr<Cluster>> Cluster::connect(Runtime& runtime, ClusterOptions options) {
  client::validate(options);
  ClientId id = 0;
  while (id == 0) id = runtime.random();
  auto cluster = std::make_shared<client::ClusterImpl>(runtime, std::move(options), id);
  co_await cluster->start();
  std::shared_ptr<Cluster> result = cluster;
  co_return result;
}

}  // namespace vcfs

namespace vcfs::client {

namespace {

constexpr Duration kTick = std::chrono::seconds(4);
constexpr unsigned kTicksPerPin = 5;  // each 20 s
constexpr std::size_t kPinsPerCall = 1000;
constexpr Duration kPinGather = std::chrono::milliseconds(10);
constexpr Duration kPinPause = std::chrono::seconds(1);  // after one that failed

struct Ending {
  Ending(asio::io_context& io, std::size_t files) : changed(io), left(files) {}
  Signal changed;
  std::size_t left;
  std::optional<Error> failure;
};

Task<void> finishThenTell(std::shared_ptr<FileNode> node, std::shared_ptr<Ending> ending) {
  try {
    co_await node->finish();
  } catch (const Error& error) {
    ending->failure = error;
  }
  --ending->left;
  ending->changed.notifyAll();
}

}  // namespace

ClusterImpl::ClusterImpl(Runtime& runtime, ClusterOptions options, ClientId client)
    : core_(std::make_shared<Core>(runtime, std::move(options), client)),
      names_(std::make_shared<NameLog>(core_)),
      leases_(std::make_shared<NameLeases>(core_)),
      locks_(std::make_shared<LockClient>(core_)) {}

ClusterImpl::~ClusterImpl() {
  locks_->stop();
  core_->trackers->stop();
  core_->storages->stop();
}

Task<void> ClusterImpl::start() {
  std::weak_ptr<ClusterImpl> weak = weak_from_this();
  core_->trackers->onChanged([weak](const Change& change) {
    if (auto self = weak.lock()) self->changed(change);
  });
  core_->nameless = [weak](InodeId inode) {
    if (auto self = weak.lock()) self->pinSoon(inode);
  };
  core_->trackers->onRecall([weak](InodeId directory) {
    if (auto self = weak.lock()) self->leases_->recalled(directory);
  });
  co_await core_->trackers->start();
  armTick();
}

Task<void> ClusterImpl::shutdown() {
  auto self = shared_from_this();
  if (std::exchange(stopped_, true)) co_return;
  tickTimer_.reset();
  toPin_.timer.reset();
  unpinned_.timer.reset();
  core_->nameless = nullptr;
  std::vector<std::shared_ptr<FileNode>> nodes;
  for (auto& [inode, weak] : core_->nodes) {
    if (auto node = weak.lock()) nodes.push_back(std::move(node));
  }
  // All at once: each may take the stall limit.
  auto ending = std::make_shared<Ending>(core_->runtime.io, nodes.size());
  for (auto& node : nodes) core_->runtime.spawn("client.finish", finishThenTell(node, ending));
  while (ending->left > 0) co_await ending->changed.wait();
  locks_->stop();
  core_->trackers->stop();
  core_->storages->stop();
  if (ending->failure) throw Error(*ending->failure);
}

// ---- what others changed

std::shared_ptr<FileNode> ClusterImpl::known(InodeId inode) const {
  auto found = core_->nodes.find(inode);
  return found == core_->nodes.end() ? nullptr : found->second.lock();
}

void ClusterImpl::changed(const Change& change) {
  if (change.locks) return locks_->told(change.inode);
  if (change.everything) {
    locks_->toldAll();
    leases_->lost();
    std::vector<std::shared_ptr<FileNode>> nodes;
    for (auto& [inode, weak] : core_->nodes) {
      if (auto node = weak.lock()) nodes.push_back(std::move(node));
    }
    for (auto& node : nodes) node->changed(change);
  } else {
    if (change.unlinked) lostNames_.told(change.inode, core_->now());
    auto node = known(change.inode);
    if (node) node->changed(change);
    if (node && change.unlinked && node->handles > 0) pinSoon(change.inode);
  }
  if (callback_) callback_(change);
}

void ClusterImpl::gone(const Entry& entry) {
  // Who has it open, or one of its other names, may sync it.
  if (entry.attr.nlink != 0 || known(entry.attr.inode)) names_->changed(entry.attr.inode);
  if (entry.attr.nlink != 0 || entry.attr.type != FileType::regular) return;
  lostNames_.told(entry.attr.inode, core_->now());
  auto node = known(entry.attr.inode);
  if (!node || node->handles == 0) return;
  node->setUnlinked(true);
  pinSoon(entry.attr.inode);
}

void ClusterImpl::armTick() {
  std::weak_ptr<ClusterImpl> weak = weak_from_this();
  tickTimer_ = core_->runtime.clock.callAt(core_->now() + kTick, [weak] {
    auto self = weak.lock();
    if (!self || self->stopped_) return;
    self->tick();
    self->armTick();
  });
}

// What open files need now and then: pins of unlinked ones, leases of those that are held open and not written.
void ClusterImpl::tick() {
  const bool pinning = ++ticks_ % kTicksPerPin == 0;
  std::vector<InodeId> pins;
  for (auto& [inode, weak] : core_->nodes) {
    auto node = weak.lock();
    if (!node || node->handles == 0) continue;
    if (pinning && node->unlinked()) pins.push_back(inode);
    if (node->needsKeepAlive()) core_->runtime.spawn("keep alive", node->keepAlive());
  }
  if (!pins.empty()) core_->runtime.spawn("pin", pin(std::move(pins)));
}

// Those that lose their names together are told together.
void ClusterImpl::pinSoon(InodeId inode) {
  toPin_.inodes.insert(inode);
  armPins(toPin_, kPinGather);
}

// Where there is no room, what nobody has pinned for a minute is gone: that is not left to the next round.
void ClusterImpl::pinAgain(std::span<const InodeId> inodes) {
  unpinned_.inodes.insert(inodes.begin(), inodes.end());
  armPins(unpinned_, kPinPause);
}

void ClusterImpl::armPins(Pins& pins, Duration pause) {
  if (stopped_ || pins.timer) return;
  std::weak_ptr<ClusterImpl> weak = weak_from_this();
  pins.timer = core_->runtime.clock.callAt(core_->now() + pause, [weak, &pins] {
    if (auto self = weak.lock()) self->pinGathered(pins);
  });
}

void ClusterImpl::pinGathered(Pins& pins) {
  pins.timer.reset();
  std::vector<InodeId> open;
  for (InodeId inode : std::exchange(pins.inodes, {})) {
    const auto node = known(inode);
    if (node && node->handles > 0) open.push_back(inode);
  }
  if (!open.empty()) core_->runtime.spawn("pin", pin(std::move(open)));
}

Task<void> ClusterImpl::pin(std::vector<InodeId> inodes) {
  auto self = shared_from_this();
  auto core = core_;
  for (std::size_t from = 0; from < inodes.size(); from += kPinsPerCall) {
    const std::size_t count = std::min(kPinsPerCall, inodes.size() - from);
    auto fill = [&](auto& request) {
      auto list = request.initInodes(static_cast<unsigned>(count));
      for (unsigned i = 0; i < count; ++i) list.set(i, inodes[from + i]);
      request.setClient(core->clientId);
    };
    try {
      co_await askFor(*core, kTick, &Tracker::pinRequest, fill);
    } catch (const Error& error) {
      log::warn("client.pin.failed", {{"files", inodes.size()}, {"reason", error.what()}});
      pinAgain(std::span(inodes).subspan(from, count));
    }
  }
}

// ---- files

Task<std::shared_ptr<File>> ClusterImpl::open(Entry entry, OpenMode mode) {
  auto self = shared_from_this();
  if (stopped_) throw Error(Errc::cancelled, "the client was shut down");
  if (entry.attr.type == FileType::directory) throw Error(Errc::isDirectory, "inode " + log::hex(entry.attr.inode));
  if (entry.attr.type != FileType::regular || entry.layout.inode != entry.attr.inode) {
    throw Error(Errc::invalid, "inode " + log::hex(entry.attr.inode) + " is not a regular file with a layout");
  }
  auto node = FileNode::of(core_, entry);
  if (lostNames_.has(entry.attr.inode, core_->now())) node->setUnlinked(true);
  auto handle = std::make_shared<FileHandle>(node, mode, weak_from_this(), names_);
  if (node->unlinked() && node->handles == 1) pinSoon(entry.attr.inode);
  const bool fresh = fresh_.erase(entry.attr.inode) != 0;
  co_await handle->begin(fresh);
  std::shared_ptr<File> result = handle;
  co_return result;
}

Task<std::shared_ptr<File>> ClusterImpl::openPath(std::string path, OpenMode mode, bool create) {
  auto self = shared_from_this();
  std::optional<Entry> entry = co_await resolve(kRootInode, path, true);
  if (!entry && !create) throw Error(Errc::notFound, "no file " + path);
  if (!entry) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    const std::size_t slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
    InodeId parent = kRootInode;
    if (!folder.empty()) {
      std::optional<Entry> found = co_await resolve(kRootInode, folder, true);
      if (!found) throw Error(Errc::notFound, "no directory " + folder);
      parent = found->attr.inode;
    }
    entry = co_await createIn(parent, name);
  }
  Entry target = std::move(*entry);
  co_return co_await open(std::move(target), mode);
}

Task<Entry> ClusterImpl::createIn(InodeId parent, std::string name) {
  CreateRequest request;
  request.parent = parent;
  request.name = std::move(name);
  Created created = co_await create(std::move(request));
  co_return std::move(created.entry);
}

Task<Entry> ClusterImpl::truncate(InodeId inode, std::uint64_t size) {
  auto self = shared_from_this();
  Entry entry = co_await catalogAttr(inode);
  OpenMode mode;
  mode.read = false;
  mode.write = true;
  auto file = co_await open(entry, mode);
  co_await file->truncate(size);
  co_await file->close();
  co_return co_await getAttr(inode);
}

}  // namespace vcfs::client
