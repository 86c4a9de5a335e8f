#include "client/src/file_node.h"

#include "vcfs/set_times.h"

namespace vcfs::client {

namespace {
constexpr Duration kCloseAgain = std::chrono::seconds(2);
constexpr Duration kCloseAgainFor = std::chrono::hours(1);
// Questions to trackers after changes that are under way at once. One may be pausing, as trackers were away; the one
// that has just told of a change answers.
constexpr unsigned kRefreshes = 2;
}  // namespace

std::shared_ptr<FileNode> FileNode::of(const std::shared_ptr<Core>& core, const Entry& entry) {
  auto& slot = core->nodes[entry.attr.inode];
  auto node = slot.lock();
  if (!node) {
    node = std::make_shared<FileNode>(core, entry.attr.inode);
    core->nodes[entry.attr.inode] = node;
  }
  node->adopt(entry);
  return node;
}

FileNode::FileNode(std::shared_ptr<Core> core, InodeId inode)
    : core_(std::move(core)),
      inode_(inode),
      route_(std::make_shared<Route>(core_, inode)),
      sizes_(std::make_shared<SizeView>()),
      reader_(std::make_shared<Reader>(core_, route_, sizes_)),
      lifecycle_(core_->runtime.io) {}

FileNode::~FileNode() {
  auto found = core_->nodes.find(inode_);
  if (found != core_->nodes.end() && found->second.expired()) core_->nodes.erase(found);
}

WriteStream& FileNode::writes() {
  if (!writes_) writes_ = std::make_shared<WriteStream>(core_, route_, sizes_);
  return *writes_;
}

std::shared_ptr<ReadStream> FileNode::makeReadStream() {
  auto stream = std::make_shared<ReadStream>(core_, reader_, sizes_);
  std::erase_if(readers_, [](const auto& weak) { return weak.expired(); });
  readers_.push_back(stream);
  return stream;
}

// Nobody told it: there was no tracker to do that, perhaps.
void FileNode::sawLinks(const Attr& attr) {
  if (attr.nlink != 0 || std::exchange(unlinked_, true)) return;
  if (handles > 0 && core_->nameless) core_->nameless(inode_);
}

void FileNode::adopt(const Entry& entry) {
  const bool first = route_->epoch() == 0;
  const bool newer = route_->adopt(entry.layout);
  sawLinks(entry.attr);
  // A caller's cache may hand in an old entry: only what the catalog changed since counts.
  const bool news = first || entry.attr.changeId > catalogChange_;
  catalogChange_ = std::max(catalogChange_, entry.attr.changeId);
  sizes_->changedAt(entry.attr.ctimeNs);
  if (entry.attr.state == FileState::open) {
    if (first) sizes_->known(entry.attr);
    if (writers_ == 0) sizes_->setState(FileState::open);  // at worst the primary says that it is not
  } else if (writers_ == 0 && (news || newer)) {
    sizes_->known(entry.attr);  // sealed: nothing moves any more
  }
}

// ---- being open for writing

Task<void> FileNode::addWriter(bool fresh) {
  auto self = shared_from_this();
  auto lock = co_await lifecycle_.lock();
  if (!writable_) {
    if (!fresh) co_await reopen();
    writable_ = true;
  }
  ++writers_;
  writes().keepLease(true);
}

// First the primary, then the catalog: the primary lets a closing that it is just reporting arrive, and takes back one
// that it has not reported yet. So what the catalog says from now on is `open`, until the file is closed again. Its
// size is the one that the primary told: what the catalog has may be from before the closing that was taken back.
Task<void> FileNode::reopen() {
  bool opened = false;  // at the primary
  try {
    co_await writes().takeLease();
    opened = true;
    co_await openInCatalog();
  } catch (const std::exception& error) {
    // No handle will close it. A primary whose answer did not come may well have it open.
    if (opened || remedyOf(asError(error).code()) == Remedy::retry) closeLater();
    throw;
  }
}

Task<void> FileNode::openInCatalog() {
  RequestTag tag(*core_);
  auto build = [&](schema::Tracker::Client& tracker) {
    auto request = tracker.openForWriteRequest();
    request.setInode(inode_);
    tag.fill(request.initRequest());
    return request.send();
  };
  auto answer = co_await core_->trackers->call(build);
  Entry entry = schema::toEntry(answer.getEntry());
  route_->adopt(entry.layout);
  sawLinks(entry.attr);
  catalogChange_ = std::max(catalogChange_, entry.attr.changeId);
  sizes_->changedAt(entry.attr.ctimeNs);
  sizes_->setState(FileState::open);
}

bool FileNode::needsKeepAlive() const {
  return writers_ > 0 && writable() && writes_ && !writes_->leaseKnown() && writes_->window().empty() && !keepingAlive_;
}

Task<void> FileNode::keepAlive() {
  auto self = shared_from_this();
  keepingAlive_ = true;
  struct Done {
    bool& flag;
    ~Done() { flag = false; }
  } done{keepingAlive_};
  co_await writes().renewLease();
  if (!open()) writable_ = false;  // sealed behind our back: the next write opens it again
}

Task<void> FileNode::ensureWritable() {
  auto self = shared_from_this();
  if (writable()) co_return;
  auto lock = co_await lifecycle_.lock();
  if (writable_) co_return;
  co_await reopen();
  writable_ = true;
  writes().keepLease(true);
}

Task<void> FileNode::flush(bool mayClose) {
  auto self = shared_from_this();
  if (mayClose && writers_ == 1 && writable_) {
    auto lock = co_await lifecycle_.lock();
    if (writers_ <= 1 && writable_) {
      co_await seal();
      co_return;
    }
  }
  co_await drainAndConfirm();
}

Task<void> FileNode::drainAndConfirm() {
  auto self = shared_from_this();
  if (!writes_) co_return;
  const std::uint64_t errors = writes_->errorCount();
  co_await writes_->drain();
  if (writes_->errorCount() == errors) co_await writes_->confirm();  // else there is something to tell already
}

Task<void> FileNode::drain() {
  auto self = shared_from_this();
  if (writes_) co_await writes_->drain();
}

Task<void> FileNode::finish() {
  auto self = shared_from_this();
  auto lock = co_await lifecycle_.lock();
  if (writable_) co_await seal();
}

// Tells the primary that we have finished; with lifecycle_ held.
Task<void> FileNode::seal() {
  closing_ = true;
  writes().keepLease(false);
  std::optional<Error> failure;
  try {
    co_await writes().close();
  } catch (const Error& error) {
    failure = error;
  } catch (...) {
    closing_ = false;  // the caller was interrupted; the close itself goes on
    writes().keepLease(true);
    throw;
  }
  closing_ = false;
  writable_ = false;
  if (!failure) co_return;
  if (remedyOf(failure->code()) == Remedy::retry) closeLater();
  throw *failure;
}

// The primary may believe that this client still has the file open, and this host's sign of life would keep it open.
void FileNode::closeLater() {
  if (closingLater_) return;
  closingLater_ = true;
  core_->runtime.spawn("close later", closeWhenHeard());
}

Task<void> FileNode::closeWhenHeard() {
  auto self = shared_from_this();
  struct Done {
    bool& flag;
    ~Done() { flag = false; }
  } done{closingLater_};
  const TimePoint until = core_->now() + kCloseAgainFor;
  while (core_->now() < until) {
    co_await core_->runtime.clock.sleep(kCloseAgain);
    auto lock = co_await lifecycle_.lock();
    if (writable_) co_return;  // opened again: that handle closes it
    try {
      co_await writes().close();
      co_return;
    } catch (const Error& error) {
      if (remedyOf(error.code()) != Remedy::retry) co_return;
    }
  }
}

Task<void> FileNode::removeWriter() {
  auto self = shared_from_this();
  // First of all, so that of two handles that are closed at once the second one seals.
  --writers_;
  if (writers_ > 0) {
    co_await drainAndConfirm();
    co_return;
  }
  auto lock = co_await lifecycle_.lock();
  if (writable_ && writers_ == 0) {  // else opened again meanwhile: that handle's close seals
    co_await seal();
  } else if (writes_) {
    co_await writes_->drain();
  }
}

// ---- size and attributes

std::uint64_t FileNode::size() const {
  return writes_ ? writes_->window().projectedSize(sizes_->size()) : sizes_->size();
}

void FileNode::mtimeWasSet(const Attr& attr) {
  setMtimeNs_ = attr.mtimeNs;
  setAtNs_ = attr.ctimeNs;
  sizes_->changedAt(attr.ctimeNs);
}

// When the bytes were last changed, with this process's own changes. What the primary will say of those is known before
// it has them; where it has told of something later it will be another time than any that was told.
std::int64_t FileNode::changedNs() const {
  const std::int64_t own = writes_ ? writes_->window().newestChangeNs() : 0;
  if (own == 0) return sizes_->info().mtimeNs;
  return own >= sizes_->toldMtimeNs() ? own : laterThan(sizes_->toldMtimeNs());
}

void FileNode::merge(Attr& attr) {
  const FileInfo& info = sizes_->info();
  const bool local = writes_ && !writes_->window().empty();
  attr.state = sizes_->state() == FileState::none ? attr.state : sizes_->state();
  attr.size = size();
  // 0 of a file that has bytes means that nobody knows yet, unless a server said so; of an empty one it is what is
  // stored.
  if (info.blocks != 0 || attr.size == 0 || sizes_->heard()) attr.blocks = info.blocks;
  if (local) {
    const std::uint64_t whole = (attr.size + 4095) / 4096 * 8;
    attr.blocks = std::max(attr.blocks, std::min(attr.blocks + writes_->window().charged() / 512, whole));
  }
  // Never nothing: tar takes a file without blocks for one big hole.
  if (attr.size > 0) attr.blocks = std::max<std::uint64_t>(attr.blocks, 8);
  // A write moves mtime and ctime; a later utimens or chmod (which the catalog knows) is not undone by an older write.
  const std::int64_t written = changedNs();
  sizes_->changedAt(attr.ctimeNs);
  const bool set = (attr.acl & kMtimeSet) != 0;
  if (set && setMtimeNs_ != attr.mtimeNs) mtimeWasSet(attr);
  if (!set || written > attr.ctimeNs || written > setAtNs_) {
    attr.mtimeNs = set || written > attr.ctimeNs ? written : std::max(attr.mtimeNs, written);
    attr.acl &= static_cast<std::uint8_t>(~kMtimeSet);  // these attributes may come here once more
  }
  attr.ctimeNs = std::max(attr.ctimeNs, written);
}

Task<void> FileNode::stat() {
  auto self = shared_from_this();
  if (!open()) co_return;
  auto route = route_;
  PrimaryCall build = [route](StorageLink& link) {
    auto request = link.storage.statRequest();
    address(request, *route, link);
    return toReply(request.send());
  };
  const SizeView::Stamp sent = sizes_->sending();
  Reply reply = co_await callPrimary(core_, route, build, core_->options.stallLimit, core_->options.requestLimit);
  sizes_->observed(sent, reply.info);
}

Task<Growth> FileNode::waitForGrowth(std::uint64_t known, Duration limit) {
  auto self = shared_from_this();
  const TimePoint deadline = core_->now() + limit;
  // What is known here may be the catalog's or of some time ago; the primary is asked at least once.
  for (bool asked = false;; asked = true) {
    const Duration rest = deadline - core_->now();
    Growth growth;
    growth.size = sizes_->size();
    growth.state = sizes_->state();
    if (!open() || (asked && (growth.size != known || rest <= Duration(0)))) co_return growth;
    const auto ms = std::clamp<std::int64_t>(rest.count() / 1'000'000, 1, 30'000);
    auto route = route_;
    PrimaryCall build = [route, known, ms](StorageLink& link) {
      auto request = link.storage.waitGrowthRequest();
      address(request, *route, link);
      request.setKnownSize(known);
      request.setTimeoutMs(static_cast<std::uint32_t>(ms));
      return toReply(request.send());
    };
    const SizeView::Stamp sent = sizes_->sending();
    const Duration answer = std::chrono::milliseconds(ms) + core_->options.requestLimit;
    Reply reply = co_await callPrimary(core_, route, build, core_->options.stallLimit + answer, answer);
    sizes_->observed(sent, reply.info);
  }
}

Task<std::uint64_t> FileNode::seek(std::uint64_t offset, bool hole) {
  auto self = shared_from_this();
  if (writes_) co_await writes_->drain();
  auto route = route_;
  PrimaryCall build = [route, offset, hole](StorageLink& link) {
    auto request = link.storage.seekRequest();
    address(request, *route, link);
    request.setOffset(offset);
    request.setHole(hole);
    return toReply(request.send());
  };
  Reply reply = co_await callPrimary(core_, route, build, core_->options.stallLimit, core_->options.requestLimit);
  co_return reply.offset;
}

// ---- changes

void FileNode::invalidate(std::uint64_t offset, std::uint64_t length) {
  for (const auto& weak : readers_) {
    if (auto reader = weak.lock()) reader->invalidate(offset, length);
  }
}

void FileNode::changed(const Change& change) {
  if (change.unlinked) unlinked_ = true;
  if (change.data || change.everything) invalidate(0);
  if (handles == 0) return;
  // Perhaps the layout is another one: a writer must move its lease to the new primary, a reader its requests.
  if (refreshes_ == kRefreshes) {
    refreshAgain_ = true;  // what is on its way may have been asked before this change
    return;
  }
  ++refreshes_;
  core_->runtime.spawn("layout refresh", refreshLayout());
}

Task<void> FileNode::refreshLayout() {
  auto self = shared_from_this();
  do {
    refreshAgain_ = false;
    co_await refreshOnce();
  } while (refreshAgain_);
  --refreshes_;
}

Task<void> FileNode::refreshOnce() {
  auto self = shared_from_this();
  try {
    auto build = [this](schema::Tracker::Client& tracker) {
      auto request = tracker.getAttrRequest();
      request.setInode(inode_);
      return request.send();
    };
    auto answer = co_await core_->trackers->call(build);
    Entry entry = schema::toEntry(answer.getEntry());
    const Epoch before = route_->epoch();
    adopt(entry);
    const bool left = writes_ && (route_->epoch() != before || writes_->leaseLeft());
    if (writers_ > 0 && writable_ && left) co_await writes_->renewLease();
  } catch (const std::exception&) {
    // The next call finds out by itself.
  }
}

}  // namespace vcfs::client
