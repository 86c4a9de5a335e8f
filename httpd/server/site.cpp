#include "httpd/server/site.h"

#include "httpd/core/file_reply.h"
#include "httpd/core/http_date.h"
#include "httpd/core/response_head.h"

namespace vcfs::httpd {
namespace {

constexpr std::size_t kScratch = 16 << 10;
constexpr std::size_t kCachedEntries = 10'000;
constexpr std::chrono::seconds kFindOutLimit(1);

std::string joined(const std::vector<std::string>& components) {
  std::string path;
  for (const std::string& component : components) {
    if (!path.empty()) path += '/';
    path += component;
  }
  return path;
}

void requireSame(Version& version, const Entry& now, std::uint64_t asked) {
  if (etagOf(now.attr) != etagOf(version.entry.attr)) throw Error(Errc::io, "the file was changed while it was sent");
  if (now.attr.state != FileState::open) version.since = asked;  // while it is open, writes are not told of
}

}  // namespace

// Is a file still what it was? Asked on its own, so that nobody's bytes wait for trackers that are away.
struct Question {
  Question(asio::io_context& io, InodeId i, std::uint64_t now) : over(io), inode(i), asked(now) {}
  Signal over;
  const InodeId inode;
  const std::uint64_t asked;  // EntryCache::sequence()
  std::optional<Entry> answer;
  std::exception_ptr error;
  bool open() const { return !answer && !error; }
};

// A block on its way, and what came of it.
struct Site::Loading {
  explicit Loading(asio::io_context& io) : over(io) {}
  Signal over;
  BlockPtr block;
  std::exception_ptr error;
};

Site::Site(Runtime& r, HttpOptions o)
    : runtime(r),
      options(std::move(o)),
      commonLines("X-Content-Type-Options: nosniff\r\n" + corsLines(options.corsOrigin)),
      blocks(options.cacheBytes),
      entries(r.clock, options.entryAge, kCachedEntries),
      clusterMetrics(std::make_shared<ClusterMetrics>(r)),
      scratch(kScratch, '\0') {}

void Site::setCluster(std::shared_ptr<Cluster> c) {
  cluster = std::move(c);
  std::weak_ptr<Site> weak = weak_from_this();
  cluster->onChanged([weak](const Change& change) {
    if (auto site = weak.lock()) site->entries.changed(change);
  });
}

Task<std::optional<Entry>> Site::find(std::vector<std::string> components) {
  std::string path = joined(components);
  if (const Entry* known = entries.find(path)) co_return *known;
  std::uint64_t askedAt = entries.sequence();
  std::optional<Entry> entry;
  if (path.empty()) {
    entry = co_await cluster->getAttr(kRootInode);
  } else {
    entry = co_await cluster->resolve(kRootInode, path, true);
  }
  if (!entry) co_return std::nullopt;
  if (entry->attr.type == FileType::regular && entry->attr.state == FileState::open) {
    // The primary may know already that it is sealed; what the catalog has not heard of is not pushed to us either, so
    // it is asked again each time.
    co_await cluster->refresh(*entry);
    co_return entry;
  }
  entries.put(path, components, *entry, askedAt);
  co_return entry;
}

Task<std::optional<Entry>> Site::findById(InodeId inode) {
  std::string key = "//" + std::to_string(inode);  // no path looks like this
  if (const Entry* known = entries.find(key)) co_return *known;
  std::uint64_t askedAt = entries.sequence();
  std::optional<Entry> entry;
  try {
    entry = co_await cluster->getAttr(inode);
  } catch (const Error& e) {
    if (e.code() != Errc::notFound) throw;
  }
  if (!entry || entry->attr.nlink == 0) co_return std::nullopt;  // in the trash
  entries.put(key, {}, *entry, askedAt);
  co_return entry;
}

Task<BlockPtr> Site::block(BlockKey key, Version& version) {
  if (BlockPtr found = blocks.find(key)) co_return found;
  auto known = loading_.find(key);
  if (known == loading_.end()) {
    auto mine = std::make_shared<Loading>(runtime.io);
    loading_[key] = mine;
    co_return co_await load(key, version, mine);
  }
  std::shared_ptr<Loading> other = known->second;
  co_await other->over.wait();
  if (other->error) std::rethrow_exception(other->error);
  co_return other->block;
}

Task<BlockPtr> Site::load(BlockKey key, Version& version, std::shared_ptr<Loading> loading) {
  try {
    loading->block = co_await readBlock(key, version);
    if (version.certain) blocks.insert(key, loading->block);
  } catch (...) {
    loading->error = std::current_exception();
  }
  loading_.erase(key);
  loading->over.notifyAll();
  if (loading->error) std::rethrow_exception(loading->error);
  co_return loading->block;
}

Task<BlockPtr> Site::readBlock(BlockKey key, Version& version) {
  std::uint64_t offset = key.block * kBlockSize;
  std::uint64_t length = std::min(kBlockSize, version.entry.attr.size - offset);
  std::vector<Piece> pieces = co_await read(version, offset, length);
  BlockPtr block = makeBlock(std::move(pieces));
  if (block->size != length) throw Error(Errc::io, "the file became shorter while it was read");
  co_return block;
}

Task<std::vector<Piece>> Site::read(Version& version, std::uint64_t offset, std::uint64_t length) {
  if (!version.file) {
    OpenMode mode;
    version.file = co_await cluster->open(version.entry, mode);
  }
  std::vector<Piece> pieces = co_await version.file->read(offset, length);
  // Nobody gets a sealed file open for writing before this process is told.
  if (version.sealed()) co_await requireUnchanged(version);
  co_return pieces;
}

Task<void> Site::requireUnchanged(Version& version) {
  const InodeId inode = version.entry.attr.inode;
  version.certain = true;
  if (entries.heardSince(inode, version.since) == EntryCache::Heard::lostTrack && !co_await foundOut(version)) {
    version.certain = false;
    co_return;
  }
  if (entries.heardSince(inode, version.since) == EntryCache::Heard::nothing) co_return;
  const std::uint64_t asked = entries.sequence();
  requireSame(version, co_await cluster->getAttr(inode), asked);
}

// False: not yet.
Task<bool> Site::foundOut(Version& version) {
  if (!version.question) {
    version.question = std::make_shared<Question>(runtime.io, version.entry.attr.inode, entries.sequence());
    runtime.spawn("version check", ask(version.question));
  }
  std::shared_ptr<Question> question = version.question;
  if (question->open() && !version.late) co_await question->over.waitFor(runtime.clock, kFindOutLimit);
  version.late = question->open();
  if (version.late) co_return false;
  version.question.reset();
  try {
    if (question->error) std::rethrow_exception(question->error);
  } catch (const Error& e) {
    if (remedyOf(e.code()) != Remedy::retry) throw;
    version.late = true;
    co_return false;
  }
  requireSame(version, *question->answer, question->asked);
  co_return true;
}

Task<void> Site::ask(std::shared_ptr<Question> question) {
  auto self = shared_from_this();
  try {
    question->answer = co_await cluster->getAttr(question->inode);
  } catch (...) {
    question->error = std::current_exception();
  }
  question->over.notifyAll();
}

Figures Site::figures() const { return {counters, blocks.bytes(), blocks.hits(), blocks.misses()}; }

const std::string& Site::date() {
  std::int64_t now = wholeSeconds(runtime.clock.wallNs());
  if (now != dateSecond_) {
    dateSecond_ = now;
    date_ = formatHttpDate(now);
  }
  return date_;
}

}  // namespace vcfs::httpd
