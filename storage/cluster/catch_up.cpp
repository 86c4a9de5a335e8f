// How a syncing replica gets what it missed. The story is in DESIGN.md, "Catch-up".
#include "common/base/log.h"
#include "common/rpc/bulk.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "storage/core/catch_up_plan.h"
#include "storage/core/crc32c.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kBlock = 64u << 10;
constexpr std::uint32_t kWindowBlocks = 512;  // 32 MiB are compared in one call
constexpr std::uint64_t kPiece = 1u << 20;
constexpr std::size_t kAhead = 4;  // pieces asked for before the first of them is here

bool allZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// The layout that came with a refusal; inode 0 when there was none.
Layout layoutOf(schema::Status::Reader status) {
  return status.hasLayout() ? schema::toLayout(status.getLayout()) : Layout();
}

}  // namespace

// One pass over one file: its state while coroutines suspend. Lives in catchUpOnce()'s frame.
class CatchUp {
 public:
  CatchUp(NodePtr node, FilePtr file) : node_(std::move(node)), file_(std::move(file)) {
    source_ = file_->replica.primaryAddress();
    const Replica* primary = file_->replica.layout().primary();
    if (primary != nullptr) sourceId_ = primary->storage;
  }
  ~CatchUp() { file_->bytesToGo = 0; }

  Task<void> run();

 private:
  // What must not change from the moment the primary said that this replica has joined: a replica that was given up and
  // added again meanwhile lacks what was written in between, and is probed again or told an epoch that follows on
  // nothing.
  struct Joined {
    std::uint64_t probes = 0;
    Epoch since = 0;
    friend bool operator==(const Joined&, const Joined&) = default;
  };
  Joined joinedNow() const { return Joined{file_->probes, file_->replica.since()}; }
  void checkStill() const;
  Task<void> waitJoined();
  Task<void> prepareOwn();
  Task<std::uint64_t> sourceSize();
  Task<std::vector<std::uint32_t>> sourceSums(std::uint64_t offset);
  Task<void> copyAll();
  using Fetched = capnp::RemotePromise<schema::Storage::FetchResults>;
  struct Fetching {
    Fetching(Range what, Fetched answer) : range(what), promise(kj::mv(answer)) {}
    Range range;
    Fetched promise;
  };
  Fetching fetch(Range range);
  Task<void> copyPieces(std::vector<Range> todo);
  Task<void> writePiece(Range range, schema::Storage::FetchResults::Reader answer);
  template <class Job>
  Task<std::invoke_result_t<Job&>> inOrder(Job job);
  Task<void> writeOwn(std::uint64_t offset, std::span<const std::byte> bytes);
  Task<void> extend(std::uint64_t size);
  Task<void> finish();
  Task<void> yieldToLive(std::uint64_t bytes);

  struct Info {
    std::uint64_t size = 0;
    FileState state = FileState::open;
    std::int64_t mtimeNs = 0;
    std::uint64_t bytesToGo = 0;
  };
  Task<Info> ask();

  NodePtr node_;
  FilePtr file_;
  std::string source_;
  StorageId sourceId_ = 0;
  std::shared_ptr<PeerSession> session_;
  std::optional<Joined> joined_;
  std::uint64_t total_ = 0;    // the source's size when the pass began
  std::uint64_t ownSize_ = 0;  // this replica's, of what is not live
};

void CatchUp::checkStill() const {
  if (file_->removed || node_->stopping_ || file_->replica.role() != Role::syncing) {
    throw Error(Errc::cancelled, "the replica is not syncing any more");
  }
  if (file_->replica.primaryAddress() != source_) throw Error(Errc::staleEpoch, "another primary");
  if (joined_ && *joined_ != joinedNow()) throw Error(Errc::staleEpoch, "this replica was lost and has joined again");
}

Task<CatchUp::Info> CatchUp::ask() {
  auto request = session_->client.statRequest();
  request.setInode(file_->inode);
  request.setEpoch(file_->replica.epoch());
  schema::fill(request.initLayout(), file_->replica.layout());
  auto promise = request.send();
  const Duration limit = node_->options.pingLimit * 2;
  auto answer = co_await rpc::call(node_->runtime, kj::mv(promise), limit);
  checkStill();
  Layout newer = layoutOf(answer.getStatus());
  if (newer.inode == file_->inode && newer.epoch > file_->replica.epoch()) node_->adopt(file_, newer);
  schema::check(answer.getStatus());
  Info info;
  info.size = answer.getInfo().getSize();
  info.mtimeNs = answer.getInfo().getMtimeNs();
  info.bytesToGo = answer.getInfo().getBytesToGo();
  const auto state = answer.getInfo().getState();
  if (state == schema::FileState::CLOSED) info.state = FileState::closed;
  if (state == schema::FileState::RECOVERED) info.state = FileState::recovered;
  co_return info;
}

// Until the primary sends this replica every write. Before that a copy could miss one that came in between.
Task<void> CatchUp::waitJoined() {
  Duration pause = 2ms;
  for (int i = 0; i < 100; ++i) {
    // An answer from before another probe is about the slot that was given up.
    const Joined before = joinedNow();
    const Info info = co_await ask();
    // Who has executed what must be known too: an append is not to be executed twice after the next failover.
    const bool told = file_->clientsOf == file_->probes && file_->probes != 0;
    if (info.bytesToGo == 0 && told && before == joinedNow()) {
      joined_ = before;
      co_return;
    }
    co_await node_->pause(pause);
    checkStill();
    pause = std::min<Duration>(pause * 2, 100ms);
  }
  throw Error(Errc::unavailable, "the primary does not let this replica join");
}

// A job on the write pool that counts as one of the file's: while it is under way no live write runs inline past it.
// Submitted in the very turn in which this is awaited.
template <class Job>
Task<std::invoke_result_t<Job&>> CatchUp::inOrder(Job job) {
  const NodePtr node = node_;
  const FilePtr file = file_;
  ++file->localQueued;
  const auto leave = kj::defer([node, file] { node->localFinished(file); });
  auto pending = node->pools.writes->run(std::move(job));
  co_return co_await std::move(pending);
}

// While bytes are missing the file says `open` on the disk, so that a restart does not trust it.
Task<void> CatchUp::prepareOwn() {
  node_->store.markActive(file_->inode);
  file_->meta.state = FileState::open;
  file_->state = FileState::open;
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  const bool create = !file_->onDisk;
  const ReplicaMeta meta = file_->meta;
  const Layout layout = file_->replica.layout();
  file_->onDisk = true;
  node_->newestMade_ = std::max(node_->newestMade_, file_->inode);
  file_->metaChanged = false;
  auto job = [disk, create, meta, layout] {
    if (meta.unstable) disk->dropCache();
    if (create)
      disk->create(meta, layout.user, layout.name);
    else
      disk->writeMeta(meta);
    return disk->stat().size;
  };
  try {
    ownSize_ = co_await inOrder(std::move(job));
  } catch (const Error&) {
    if (create) file_->onDisk = false;
    throw;
  }
  checkStill();
  // A live truncate that was put in order behind this has set the end already.
  if (!file_->live.openEnded()) file_->localEnd = std::max(file_->localEnd, ownSize_);
}

Task<std::uint64_t> CatchUp::sourceSize() {
  auto request = session_->client.fetchRequest();
  request.setInode(file_->inode);
  auto promise = request.send();
  const Duration limit = node_->options.syncLimit;
  auto answer = co_await rpc::call(node_->runtime, kj::mv(promise), limit);
  checkStill();
  schema::check(answer.getStatus());
  co_return answer.getSize();
}

Task<std::vector<std::uint32_t>> CatchUp::sourceSums(std::uint64_t offset) {
  auto request = session_->client.checksumsRequest();
  request.setInode(file_->inode);
  request.setOffset(offset);
  request.setBlockSize(kBlock);
  request.setBlocks(kWindowBlocks);
  auto promise = request.send();
  const Duration limit = node_->options.syncLimit;
  auto answer = co_await rpc::call(node_->runtime, kj::mv(promise), limit);
  checkStill();
  schema::check(answer.getStatus());
  std::vector<std::uint32_t> sums;
  for (std::uint32_t sum : answer.getCrc32c()) sums.push_back(sum);
  co_return sums;
}

Task<void> CatchUp::writeOwn(std::uint64_t offset, std::span<const std::byte> bytes) {
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  auto job = [disk, offset, bytes] { disk->pwrite(bytes, offset); };
  file_->localEnd = std::max<std::uint64_t>(file_->localEnd, offset + bytes.size());
  co_await inOrder(std::move(job));
}

CatchUp::Fetching CatchUp::fetch(Range range) {
  auto request = session_->client.fetchRequest();
  request.setInode(file_->inode);
  request.setOffset(range.begin);
  request.setLength(static_cast<std::uint32_t>(range.end - range.begin));
  return Fetching(range, request.send());
}

// The next pieces are on their way while one is written.
Task<void> CatchUp::copyPieces(std::vector<Range> todo) {
  const Duration limit = node_->options.syncLimit;
  std::deque<Fetching> ahead;
  std::size_t next = 0;
  while (next < todo.size() || !ahead.empty()) {
    while (ahead.size() < kAhead && next < todo.size()) {
      const std::vector<Range> wanted = file_->live.gaps(todo[next].begin, todo[next].end);
      for (const Range range : wanted) ahead.push_back(fetch(range));
      ++next;
    }
    if (ahead.empty()) continue;
    Fetching one = std::move(ahead.front());
    ahead.pop_front();
    file_->bytesToGo = total_ - std::min(total_, one.range.begin);
    auto answer = co_await rpc::call(node_->runtime, kj::mv(one.promise), limit);
    checkStill();
    schema::check(answer.getStatus());
    co_await writePiece(one.range, answer);
    co_await yieldToLive(answer.getData().size());
    checkStill();
  }
}

Task<void> CatchUp::writePiece(Range range, schema::Storage::FetchResults::Reader answer) {
  auto data = answer.getData();
  const auto* bytes = reinterpret_cast<const std::byte*>(data.begin());
  // What live writes covered while this was on its way is newer. From here to the queue nothing intervenes.
  const std::vector<Range> parts = file_->live.gaps(range.begin, range.begin + data.size());
  for (const Range part : parts) {
    const std::vector<Range> still = file_->live.gaps(part.begin, part.end);
    for (const Range now : still) {
      const std::span<const std::byte> content(bytes + (now.begin - range.begin), now.end - now.begin);
      const bool hole = now.begin >= ownSize_ && allZero(content);
      if (!hole) co_await writeOwn(now.begin, content);
      checkStill();
    }
  }
  node_->counters.caughtUpBytes += data.size();
}

// Live traffic goes first: a copy waits while the disk's queue is not short, and keeps to its rate.
Task<void> CatchUp::yieldToLive(std::uint64_t bytes) {
  for (int i = 0; i < 20 && node_->pools.writes->queued() > 4; ++i) {
    const Duration pause = 1ms;
    co_await node_->pause(pause);
  }
  const std::int64_t rate = node_->options.catchUpBytesPerSecond;
  if (rate <= 0) co_return;
  const Duration pause(static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * 1e9));
  co_await node_->pause(pause);
}

Task<void> CatchUp::copyAll() {
  total_ = co_await sourceSize();
  const std::uint64_t keep = cutTo(total_, file_->live, file_->localEnd);
  if (file_->localEnd > keep) {
    std::shared_ptr<ReplicaFile> disk = file_->disk;
    auto job = [disk, keep] { disk->truncate(keep); };
    file_->localEnd = keep;
    ownSize_ = std::min(ownSize_, keep);
    co_await inOrder(std::move(job));
    checkStill();
  }
  for (std::uint64_t offset = 0; offset < total_; offset += static_cast<std::uint64_t>(kBlock) * kWindowBlocks) {
    file_->bytesToGo = total_ - offset;
    const std::uint64_t end =
        std::min<std::uint64_t>(total_, offset + static_cast<std::uint64_t>(kBlock) * kWindowBlocks);
    std::vector<Range> todo;
    if (offset >= ownSize_) {
      todo = pieces(offset, end, kPiece);
    } else {
      std::shared_ptr<ReplicaFile> disk = file_->disk;
      auto job = [disk, offset] {
        std::vector<std::uint32_t> sums;
        std::vector<std::byte> block(kBlock);
        for (std::uint32_t i = 0; i < kWindowBlocks; ++i) {
          std::size_t size = 0;
          try {
            size = disk->pread(block, offset + static_cast<std::uint64_t>(i) * kBlock);
          } catch (const Error&) {
            break;  // what cannot be read here is copied
          }
          if (size == 0) break;
          sums.push_back(crc32c(std::span(block.data(), size)));
          if (size < kBlock) break;
        }
        return sums;
      };
      auto pending = node_->pools.reads->run(std::move(job));
      const std::vector<std::uint32_t> source = co_await sourceSums(offset);
      const std::vector<std::uint32_t> own = co_await std::move(pending);
      todo = differing(offset, kBlock, source, own, total_, kPiece);
    }
    co_await copyPieces(std::move(todo));
  }
  co_await extend(total_);
}

// A hole at the source's end is a matter of size alone.
Task<void> CatchUp::extend(std::uint64_t size) {
  if (file_->localEnd >= size || file_->live.gaps(size - 1, size).empty()) co_return;
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  auto job = [disk, size] {
    if (disk->stat().size < size) disk->truncate(size);
  };
  file_->localEnd = size;
  co_await inOrder(std::move(job));
  checkStill();
}

Task<void> CatchUp::finish() {
  bool stateKnown = false;
  for (int i = 0; i < 10 && !stateKnown; ++i) {
    const std::uint64_t seen = file_->replicatedOps;
    const Info info = co_await ask();
    if (info.bytesToGo != 0) throw Error(Errc::unavailable, "the primary began anew with this replica");
    // While it is written, how it is sealed comes as an operation too.
    stateKnown = info.state == FileState::open || seen == file_->replicatedOps;
    if (info.state != FileState::open && stateKnown) {
      if (file_->localEnd != info.size) throw Error(Errc::corrupted, "sizes differ after catch-up");
      Mutation seal;
      seal.kind = Mutation::Kind::seal;
      seal.sealAs = info.state;
      seal.size = info.size;
      seal.mtimeNs = info.mtimeNs;
      file_->heldSeal = seal;
    }
  }
  if (!stateKnown) throw Error(Errc::unavailable, "operations of a sealed file keep coming");
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  kj::Promise<void> idle = node_->localBarrier(*file_);
  const Duration limit = node_->options.syncLimit;
  co_await rpc::await<void>(node_->runtime, kj::mv(idle), limit);
  auto job = [disk] { disk->sync(); };
  auto pending = node_->pools.syncs->run(std::move(job));
  try {
    co_await std::move(pending);
  } catch (const Error&) {
    node_->markUnstable(file_);
    throw;
  }
  checkStill();
  if (file_->unstable()) {  // everything was compared with what the disk has, and what differed is there now
    file_->meta.unstable = false;
    node_->persistMeta(file_);
  }
  for (int i = 0; i < 5 && file_->replica.role() == Role::syncing; ++i) {
    checkStill();
    const Layout layout = co_await node_->trackers->caughtUp(file_->inode, file_->replica.epoch());
    if (layout.inode == file_->inode) node_->adopt(file_, layout);
    if (layout.inode == 0) throw Error(Errc::notFound, "the file is gone");
  }
}

Task<void> CatchUp::run() {
  if (source_.empty()) throw Error(Errc::unavailable, "no replica is in sync");
  // Nothing of an earlier pass is under way: what another primary's writes covered counts no more, nor how the file was
  // sealed then. It may have been opened again, and have grown, while this replica was given up.
  file_->live.clear();
  file_->heldSeal.reset();
  session_ = co_await node_->peers->session(source_, sourceId_);
  checkStill();
  co_await waitJoined();
  co_await prepareOwn();
  co_await copyAll();
  co_await finish();
}

void Node::startCatchUp(FilePtr file) {
  if (file->catchingUp || file->replica.role() != Role::syncing || stopping_) return;
  file->catchingUp = true;
  catchUpQueue_.push_back(file);
  catchUpNext();
}

void Node::catchUpNext() {
  while (catchingUp_ < options.catchUpFiles && !catchUpQueue_.empty()) {
    FilePtr file = std::move(catchUpQueue_.front());
    catchUpQueue_.pop_front();
    ++catchingUp_;
    run("storage.catchup", catchUpFile(std::move(file)));
  }
}

Task<void> Node::catchUpFile(FilePtr file) {
  auto self = shared_from_this();
  Duration pause = 100ms;
  while (!stopping_ && !file->removed && file->replica.role() == Role::syncing) {
    try {
      CatchUp pass(self, file);
      co_await pass.run();
    } catch (const Error& error) {
      log::info("catchup.again", {{"inode", log::hex(file->inode)}, {"reason", error.what()}});
      if (error.code() == Errc::notFound) break;
    }
    if (file->replica.role() != Role::syncing) break;
    // Let others have the place while this one waits.
    co_await this->pause(pause);
    pause = std::min<Duration>(pause * 2, 5s);
  }
  if (file->replica.role() == Role::follower) {
    ++counters.caughtUp;
    log::info("catchup.done", {{"inode", log::hex(file->inode)}, {"bytes", file->localEnd}});
  }
  file->catchingUp = false;
  file->live.clear();
  --catchingUp_;
  if (!stopping_) catchUpNext();
}

}  // namespace vcfs::storage
