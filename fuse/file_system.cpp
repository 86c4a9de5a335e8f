#include "fuse/file_system.h"

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/errno_map.h"

namespace vcfs::fuse {

namespace {

// How long the attributes of an open file wait for a tracker before what is remembered must do.
constexpr Duration kTrackerPatience = std::chrono::milliseconds(300);
constexpr Duration kKernelPatience = std::chrono::milliseconds(500);
constexpr std::chrono::milliseconds kBelievedUnsure{10'000};
// At most: then the tracker is asked, though nobody told of a change.
constexpr std::chrono::milliseconds kRemembered{10'000};
constexpr Duration kLookAgain = std::chrono::milliseconds(1);

}  // namespace

FileSystem::FileSystem(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings,
                       KernelCache& kernel)
    : runtime_(runtime),
      cluster_(std::move(cluster)),
      settings_(settings),
      kernel_(&kernel),
      inodes_(runtime.io, settings.inodeCache),
      atimeRules_(atimeRules(settings.mountFlags, settings.readOnly)),
      readsDelay_(settings.atimeDelay),
      reads_(settings.inodeCache),
      readsTold_(runtime.io) {}

void FileSystem::listen() {
  std::weak_ptr<FileSystem> weak = shared_from_this();
  cluster_->onChanged([weak](const Change& change) {
    if (auto self = weak.lock()) self->changed(change);
  });
}

void FileSystem::perform(RequestPtr request, Task<void> operation) {
  asio::co_spawn(runtime_.io, guarded(std::move(request), std::move(operation)), asio::detached);
}

Task<void> FileSystem::guarded(RequestPtr request, Task<void> operation) {
  auto self = shared_from_this();
  int error = 0;
  try {
    co_await std::move(operation);
  } catch (const Error& e) {
    error = toErrno(e.code());
    if (error == errnoStalled()) {
      log::warn("fuse.operation_failed", {{"opcode", request->origin().opcode}, {"reason", e.what()}});
    }
  } catch (const std::exception& e) {
    error = errnoStalled();
    log::warn("fuse.operation_failed", {{"opcode", request->origin().opcode}, {"reason", e.what()}});
  }
  if (!request->answered()) request->error(error != 0 ? error : errnoStalled());
}

// Somebody else changed something. The kernel hears of it on the notifiers' threads.
void FileSystem::changed(const Change& change) {
  if (kernel_ == nullptr) return;
  if (change.everything) return forgetEverything();
  if (change.times) {
    changes_.note(change.inode);
    auto inode = inodes_.find(change.inode);
    if (inode) inode->known = false;
    const bool believed = !inode || std::exchange(inode->believed, false);
    if (believed) forgetAttributes(change.inode);
    return;
  }
  if (change.inode != 0) {
    changes_.note(change.inode);
    plain_.remove(change.inode);
    openedAhead_.drop(change.inode);
    bool pages = change.data;
    bool believed = true;
    if (auto inode = inodes_.find(change.inode)) {
      inode->known = false;
      // Another host may be writing it from now on, or have just finished.
      pages = pages || inode->cachedHandles > 0;
      if (pages) inode->pages.reset();
      believed = std::exchange(inode->believed, false);
    }
    if (pages) {
      const bool asking = questions_.underWay(change.inode);
      const Duration after = asking ? Questions::kTakenUp : questions_.pending(change.inode, runtime_.clock.now());
      kernel_->dropPages(nodeOf(change.inode), after);
    } else if (believed) {
      // Not for our own file's closing, which we hear of too: the kernel knows nothing old.
      forgetAttributes(change.inode);
    }
  }
  if (change.parent != 0 && !change.name.empty()) {
    changes_.note(change.parent);
    keptListings_.forget(change.parent);
    if (auto parent = inodes_.find(change.parent)) parent->known = false;
    forgetAttributes(change.parent);
    kernel_->dropName(nodeOf(change.parent), change.name);
  }
}

void FileSystem::forgetEverything() {
  changes_.noteEverything();
  plain_.clear();
  inodes_.distrustAll();
  keptListings_.clear();
  openedAhead_.clear();
  kernel_->dropEverything();
  inodes_.forEach([this](const Inode& inode) {
    // What is reached without a name: open files, working directories.
    const bool directory = inode.entry.attr.type == FileType::directory;
    if (inode.handles > 0 || directory) kernel_->dropAttributes(nodeOf(inode.id));
  });
}

// Not while the kernel is asking: it gets an answer that it does not believe for long.
void FileSystem::forgetAttributes(InodeId id) {
  if (questions_.underWay(id)) return;
  kernel_->dropAttributes(nodeOf(id), questions_.pending(id, runtime_.clock.now()));
}

double FileSystem::attributesLast(const Entry& entry, std::uint64_t since) {
  if (entry.attr.state == FileState::open || changes_.changedSince(entry.attr.inode, since)) return 0;
  if (auto inode = inodes_.find(entry.attr.inode)) {
    inode->believed = true;
    inode->told = pageVersionOf(entry.attr);
  }
  return toSeconds(believed(settings_.attrCache));
}

// Long only where no change can be missed: several trackers may have lost sight of each other, and a kernel that cannot
// be told to forget everything may have been without a tracker.
std::chrono::milliseconds FileSystem::believed(std::chrono::milliseconds setting) const {
  const bool sure = kernel_ != nullptr && kernel_->dropsEverything() && cluster_->changesAreTold();
  return sure ? setting : std::min(setting, kBelievedUnsure);
}

void FileSystem::notePlain(const Entry& entry, std::uint64_t since) {
  if ((entry.attr.acl & kNoXattrs) == 0 || changes_.changedSince(entry.attr.inode, since)) return;
  plain_.add(entry.attr.inode);
}

fuse_entry_param FileSystem::parameters(const Entry& entry, std::uint64_t since) {
  notePlain(entry, since);
  fuse_entry_param param = {};
  param.ino = nodeOf(entry.attr.inode);
  param.attr = toldStat(entry.attr);
  param.attr_timeout = attributesLast(entry, since);
  param.entry_timeout = toSeconds(believed(settings_.entryCache));
  return param;
}

Task<void> FileSystem::present(Entry& entry, std::uint64_t since, InodeId parent) {
  auto inode = inodes_.remember(entry, runtime_.clock.now());
  if (changes_.changedSince(inode->id, since)) inode->known = false;
  if (parent != 0) inode->parent = parent;
  if (entry.attr.type == FileType::regular) co_await inode->gate.beforeTelling(entry.attr.size);
}

// Of such a file its primary or this mount knows more than a listing.
bool FileSystem::mayBeMoving(const Attr& listed, std::uint64_t since) {
  auto known = inodes_.find(listed.inode);
  const bool inUse = known && (known->handles > 0 || known->gate.busy());
  return listed.state == FileState::open || inUse || changes_.changedSince(listed.inode, since);
}

bool FileSystem::isFresh(const Inode& inode) const {
  return inode.known && runtime_.clock.now() - inode.fetched < Duration(std::min(settings_.attrCache, kRemembered));
}

FileSystem::Asking::Asking(FileSystem& files, InodeId id)
    : files_(files), id_(id), kept_(files.kernel_ != nullptr && files.kernel_->keepAttributes(files.nodeOf(id))) {
  files_.questions_.asked(id_);
}

FileSystem::Asking::~Asking() {
  files_.questions_.answered(id_, files_.runtime_.clock.now());
  // There was no answer: what the kernel knows is as old as it was.
  if (kept_ && files_.kernel_ != nullptr) files_.kernel_->dropAttributes(files_.nodeOf(id_));
}

// What others changed is told to the kernel on another thread. Who opens the file is to see it: attributes that the
// kernel should have forgotten by now would cut what is read.
Task<void> FileSystem::kernelForgot(std::uint64_t node) {
  if (kernel_ == nullptr || !kernel_->forgetting(node)) co_return;
  kernel_->forgetNow(node);  // who opens it has taken up what it asked for
  const TimePoint until = runtime_.clock.now() + kKernelPatience;
  while (kernel_ != nullptr && kernel_->forgetting(node) && runtime_.clock.now() < until) {
    co_await runtime_.clock.sleep(kLookAgain);
  }
}

// Where changes are not told in time, who opens a file may learn of one before the kernel does.
void FileSystem::forgetOlder(const Entry& entry) {
  auto inode = inodes_.find(entry.attr.inode);
  if (kernel_ == nullptr || !inode || !inode->believed) return;
  if (entry.attr.state != FileState::open && inode->told == pageVersionOf(entry.attr)) return;
  inode->believed = false;
  kernel_->dropAttributes(nodeOf(inode->id));
}

Task<Entry> FileSystem::freshEntry(InodeId id) {
  if (auto inode = inodes_.find(id); inode && isFresh(*inode)) co_return inode->entry;
  auto since = changes_.now();
  auto entry = co_await cluster_->getAttr(id);
  auto inode = inodes_.remember(entry, runtime_.clock.now());
  if (changes_.changedSince(id, since)) inode->known = false;
  co_return entry;
}

Task<Entry> FileSystem::entryToOpen(InodeId id) {
  auto inode = inodes_.find(id);
  if (mayOpen(inode)) co_return inode->entry;
  if (auto range = ahead_.missed(id); range && cluster_->changesAreTold()) {
    co_await fetchEntries(*range);
    inode = inodes_.find(id);
    if (mayOpen(inode)) co_return inode->entry;
  }
  if (inode) inode->known = false;
  co_return co_await freshEntry(id);
}

// Close-to-open: whatever another host closed before this open(2) must be seen by it.
bool FileSystem::mayOpen(const InodePtr& inode) const {
  constexpr Duration kJustAsked = std::chrono::milliseconds(1);  // by the lookup of the same open(2)
  if (!inode || !isFresh(*inode)) return false;
  return cluster_->changesAreTold() || runtime_.clock.now() - inode->fetched < kJustAsked;
}

Task<void> FileSystem::fetchEntries(OpenAhead::Range range) {
  auto since = changes_.now();
  DirPage page;
  try {
    page = co_await cluster_->readDir(range.directory, range.after, range.count, true);
  } catch (const Error& error) {
    if (error.code() != Errc::notFound && error.code() != Errc::notDirectory) throw;
  }
  for (const auto& found : page.entries) {
    const Attr& attr = found.entry.attr;
    if (attr.type != FileType::regular || mayBeMoving(attr, since)) continue;
    inodes_.remember(found.entry, runtime_.clock.now());
    if (attr.size > 0 && attr.size <= OpenedAhead::kLargest) co_await openAhead(found.entry);
  }
}

// The bytes of a small file are asked for before it is opened. What is opened ahead is of a sealed file of which every
// change is told before it counts (Cluster::changesAreTold), and dropped when one is.
Task<void> FileSystem::openAhead(Entry entry) {
  const auto version = pageVersionOf(entry.attr);
  const auto id = entry.attr.inode;
  const auto size = entry.attr.size;
  if (openedAhead_.contains(id)) co_return;
  OpenMode mode;
  mode.read = true;
  auto file = co_await cluster_->open(std::move(entry), mode);
  file->willRead(0, size);
  openedAhead_.add(id, version, std::move(file), runtime_.clock.now());
  if (!std::exchange(expiringAhead_, true)) runtime_.spawn("fuse.expire_ahead", expireAhead());
}

Task<void> FileSystem::expireAhead() {
  std::weak_ptr<FileSystem> weak = weak_from_this();
  auto& clock = runtime_.clock;
  while (true) {
    co_await clock.sleep(OpenedAhead::kKept);
    auto self = weak.lock();
    if (!self) co_return;
    self->openedAhead_.expire(clock.now());
    if (!self->openedAhead_.empty()) continue;
    self->expiringAhead_ = false;
    co_return;
  }
}

struct FileSystem::Question {
  explicit Question(asio::io_context& io) : answered(io) {}
  Signal answered;
  std::optional<Entry> entry;
};

Task<void> FileSystem::ask(InodeId id, std::shared_ptr<Question> question) {
  auto self = shared_from_this();
  try {
    question->entry = co_await freshEntry(id);
  } catch (const Error&) {
    // Whoever asked goes on with what is remembered.
  }
  question->answered.notifyAll();
}

Task<Entry> FileSystem::entryOfOpen(InodePtr inode) {
  if (isFresh(*inode)) co_return inode->entry;
  auto question = std::make_shared<Question>(runtime_.io);
  runtime_.spawn("fuse.ask", ask(inode->id, question));
  co_await question->answered.waitFor(runtime_.clock, kTrackerPatience);
  co_return question->entry ? *question->entry : inode->entry;
}

// We changed it: what is on its way to the kernel about it is old.
void FileSystem::noteOwnChange(const Entry& entry) {
  if (entry.attr.inode == 0) return;
  changes_.note(entry.attr.inode);
  openedAhead_.drop(entry.attr.inode);
  auto inode = inodes_.find(entry.attr.inode);
  if (!inode) return;
  inode->entry = entry;
  inode->known = true;
  inode->fetched = runtime_.clock.now();
}

// The kernel asks for a directory's attributes after every change it made in it. The tracker stamps the directory with
// the time it gave the changed inode, so the question can be answered from memory.
void FileSystem::noteOwnChangeIn(InodeId directory, std::int64_t whenNs, int moreLinks) {
  changes_.note(directory);
  auto inode = inodes_.find(directory);
  if (inode) inode->changedHere = true;
  if (!inode || !inode->known) return;
  if (whenNs == 0) {
    inode->known = false;
    return;
  }
  Attr& attr = inode->entry.attr;
  attr.mtimeNs = std::max(attr.mtimeNs, whenNs);
  attr.ctimeNs = std::max(attr.ctimeNs, whenNs);
  attr.nlink += static_cast<std::uint32_t>(moreLinks);
}

std::shared_ptr<FileHandle> FileSystem::fileAt(std::uint64_t handle) const {
  auto file = files_.find(handle);
  if (!file) throw Error(Errc::invalid, "no such open file");
  return file;
}

}  // namespace vcfs::fuse
