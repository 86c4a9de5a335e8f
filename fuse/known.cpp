#include "fuse/known.h"

#include "vcfs/file_capability.h"

namespace vcfs::fuse {

namespace {

// How long the attributes of an open file wait for a tracker before what is remembered must do.
constexpr Duration kTrackerPatience = std::chrono::milliseconds(300);
// At most: then the tracker is asked, though nobody told of a change.
constexpr std::chrono::milliseconds kRemembered{10'000};
constexpr Duration kJustFetched = std::chrono::milliseconds(1);

struct Question {
  explicit Question(asio::io_context& io) : ended(io) {}
  Signal ended;
  bool over = false;  // perhaps before anybody waits
};

Task<void> thenTell(Task<void> task, std::shared_ptr<Question> question) {
  co_await std::move(task);
  question->over = true;
  question->ended.notifyAll();
}

void takePrivileges(Attr& attr, const Attr& told) {
  if (told.changeId < attr.changeId) return;  // what was changed here since is newer
  attr.mode = told.mode;
  attr.uid = told.uid;
  attr.gid = told.gid;
  attr.acl = static_cast<std::uint8_t>((attr.acl & ~kHasCapability) | (told.acl & kHasCapability));
}

}  // namespace

Known::Known(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings)
    : inodes(runtime.io, settings.inodeCache),
      runtime_(runtime),
      cluster_(std::move(cluster)),
      freshFor_(std::min(settings.attrCache, kRemembered)) {}

InodePtr Known::remember(const Entry& entry, std::uint64_t since) {
  auto inode = inodes.remember(entry, runtime_.clock.now());
  if (changes.changedSince(inode->id, since)) inode->known = false;
  return inode;
}

void Known::distrustAll() {
  changes.noteEverything();
  plain.clear();
  inodes.distrustAll();
}

void Known::notePlain(const Entry& entry, std::uint64_t since) {
  if ((entry.attr.acl & kNoXattrs) == 0 || changes.changedSince(entry.attr.inode, since)) return;
  plain.add(entry.attr.inode);
}

bool Known::isFresh(const Inode& inode) const {
  return inode.known && runtime_.clock.now() - inode.fetched < freshFor_;
}

bool Known::justFetched(const Inode& inode) const { return runtime_.clock.now() - inode.fetched < kJustFetched; }

Task<Entry> Known::fresh(InodeId id) {
  auto self = shared_from_this();
  if (auto inode = inodes.find(id); inode && isFresh(*inode)) co_return inode->entry;
  auto since = changes.now();
  auto entry = co_await cluster_->getAttr(id);
  remember(entry, since);
  co_return entry;
}

// Waits for what is asked of trackers, which may be away: after kTrackerPatience it goes on by itself.
Task<void> Known::forAMoment(Task<void> asking) {
  auto self = shared_from_this();
  auto question = std::make_shared<Question>(runtime_.io);
  runtime_.spawn("fuse.ask", thenTell(std::move(asking), question));
  if (!question->over) co_await question->ended.waitFor(runtime_.clock, kTrackerPatience);
}

Task<void> Known::hear(InodeId id, std::shared_ptr<std::optional<Entry>> answer) {
  auto self = shared_from_this();
  try {
    *answer = co_await fresh(id);
  } catch (const Error&) {
    // Whoever asked goes on with what is remembered.
  }
}

Task<Known::Heard> Known::ofOpen(InodePtr inode) {
  auto self = shared_from_this();
  if (isFresh(*inode)) co_return Heard{inode->entry, true};
  auto answer = std::make_shared<std::optional<Entry>>();
  co_await forAMoment(hear(inode->id, answer));
  if (*answer) co_return Heard{**answer, true};
  co_return Heard{inode->entry, false};
}

Task<void> Known::hearNow(InodeId id, std::shared_ptr<Answer> answer) {
  auto self = shared_from_this();
  const auto since = changes.now();
  try {
    answer->entry = co_await cluster_->catalogAttr(id);
    if (!answer->late) co_return;
    co_await cluster_->refresh(*answer->entry);
    remember(*answer->entry, since);
  } catch (const Error& error) {
    answer->absent = error.code() == Errc::notFound;
  }
}

Task<Known::Heard> Known::nowOfOpen(InodePtr inode) {
  auto self = shared_from_this();
  auto answer = std::make_shared<Answer>();
  co_await forAMoment(hearNow(inode->id, answer));
  if (answer->absent) {
    Entry gone = inode->entry;
    gone.attr.nlink = 0;
    co_return Heard{gone, true};
  }
  if (!answer->entry) {
    answer->late = true;
    co_return Heard{inode->entry, false};
  }
  // The end of what grows is its primary's to tell, which may take as long as a failover does.
  Entry entry = *answer->entry;
  co_await cluster_->refresh(entry);
  co_return Heard{entry, true};
}

Task<Attr> Known::permissions(InodeId id) {
  auto self = shared_from_this();
  auto inode = inodes.find(id);
  if (inode && inode->handles > 0) {
    co_await askPrivileges(inode);
    co_return inode->entry.attr;
  }
  if (inode && isFresh(*inode)) co_return inode->entry.attr;
  const Entry entry = co_await cluster_->catalogAttr(id);
  co_return entry.attr;
}

Task<void> Known::hearPrivileges(InodePtr inode) {
  auto self = shared_from_this();
  try {
    const Entry entry = co_await cluster_->catalogAttr(inode->id);
    takePrivileges(inode->entry.attr, entry.attr);
  } catch (const Error&) {
    // Whoever asked goes on with what is remembered.
  }
}

Task<void> Known::askPrivileges(InodePtr inode) {
  auto self = shared_from_this();
  if (!isFresh(*inode)) co_await forAMoment(hearPrivileges(inode));
}

bool Known::askPrivilegesLater(InodePtr inode) {
  if (std::exchange(inode->askingPrivileges, true)) return false;
  runtime_.spawn("fuse.ask", hearPrivilegesLater(inode));
  return true;
}

Task<void> Known::hearPrivilegesLater(InodePtr inode) {
  auto self = shared_from_this();
  co_await hearPrivileges(inode);
  inode->askingPrivileges = false;
}

bool Known::mayBeMoving(const Attr& listed, std::uint64_t since) {
  auto known = inodes.find(listed.inode);
  const bool inUse = known && (known->handles > 0 || known->gate.busy());
  return listed.state == FileState::open || inUse || changes.changedSince(listed.inode, since);
}

std::uint64_t Known::noteOwnChange(InodeId inode, std::uint64_t asked) {
  const bool others = changes.changedSince(inode, asked);
  changes.note(inode);
  return others ? asked : changes.now();
}

std::uint64_t Known::noteOwnChange(const Entry& entry, std::uint64_t asked) {
  const std::uint64_t since = noteOwnChange(entry.attr.inode, asked);
  auto inode = inodes.find(entry.attr.inode);
  if (!inode) return since;
  inode->entry = entry;
  inode->known = !changes.changedSince(entry.attr.inode, since);
  inode->fetched = runtime_.clock.now();
  return since;
}

// The kernel asks for a directory's attributes after every change it made in it. The tracker stamps the directory with
// the time it gave the changed inode, so the question can be answered from memory.
void Known::noteOwnChangeIn(InodeId directory, std::int64_t whenNs, int moreLinks) {
  changes.note(directory);
  auto inode = inodes.find(directory);
  if (inode) inode->changedHere = true;
  if (!inode || !inode->known) return;
  if (whenNs == 0) {
    inode->known = false;
    return;
  }
  Attr& attr = inode->entry.attr;
  // By ctime, which nobody sets: an mtime may have been set to the future.
  if (whenNs <= attr.ctimeNs) {
    if (moreLinks != 0) inode->known = false;  // counted already, maybe
    return;
  }
  attr.mtimeNs = attr.ctimeNs = whenNs;
  attr.nlink += static_cast<std::uint32_t>(moreLinks);
}

}  // namespace vcfs::fuse
