// The bytes that a syncing replica missed: what differs from the primary's is fetched, and written where no live write
// was since. The story is in DESIGN.md, "Catch-up".
#include "common/base/log.h"
#include "common/rpc/bulk.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "storage/cluster/catch_up.h"
#include "storage/core/catch_up_plan.h"
#include "storage/store/block_sums.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kBlock = 64u << 10;
constexpr std::uint32_t kWindowBlocks = 128;  // 8 MiB are compared in one call
constexpr std::uint64_t kPiece = 256u << 10;
constexpr Duration kLongestYield = 1ms;
constexpr std::size_t kAhead = 4;  // pieces asked for before the first of them is here

bool allZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Of as many of the window's blocks as this replica has and can read: what cannot be read is copied.
std::vector<std::uint32_t> ownSums(ReplicaFile& disk, std::uint64_t offset) {
  std::vector<std::uint32_t> sums;
  try {
    appendBlockSums(disk, offset, kBlock, kWindowBlocks, sums);
  } catch (const Error& error) {
    log::warn("disk.failed", {{"reason", error.what()}});
  }
  return sums;
}

}  // namespace

// What live writes covered is known in full only up to a bound.
void CatchUp::checkCopying() const {
  checkStill();
  checkSyncs();
  if (file_->live.full()) throw Error(Errc::unavailable, "it is written at too many places at once");
}

Task<std::uint64_t> CatchUp::sourceSize() {
  auto request = session_->client.fetchRequest();
  request.setInode(file_->inode);
  auto promise = request.send();
  const Duration limit = node_->options.syncLimit;
  auto answer = co_await rpc::call(node_->runtime, kj::mv(promise), limit);
  checkCopying();
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
  checkCopying();
  schema::check(answer.getStatus());
  std::vector<std::uint32_t> sums;
  for (std::uint32_t sum : answer.getCrc32c()) sums.push_back(sum);
  co_return sums;
}

Task<void> CatchUp::writeOwn(std::uint64_t offset, std::span<const std::byte> bytes) {
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  auto job = [disk, offset, bytes] { disk->pwriteUncached(bytes, offset); };
  file_->localEnd = std::max<std::uint64_t>(file_->localEnd, offset + bytes.size());
  const bool quietly = true;
  co_await inOrder(std::move(job), quietly);
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
  TimePoint begun = node_->runtime.clock.now();
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
    checkCopying();
    schema::check(answer.getStatus());
    co_await writePiece(one.range, answer);
    co_await yieldToLive(answer.getData().size(), node_->runtime.clock.now() - begun);
    begun = node_->runtime.clock.now();
    checkCopying();
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
      checkCopying();
    }
  }
  node_->counters.caughtUpBytes += data.size();
}

// Live traffic goes first. A copy waits while the disk's queue is not short; and as long as a piece took nothing is
// done, so that what is recorded and watched finds the processors, the loops and the disks free half of the time, also
// at the source, whose pieces come no faster than they are asked for. What is slow by itself leaves room enough: no
// pause is longer than kLongestYield.
Task<void> CatchUp::yieldToLive(std::uint64_t bytes, Duration took) {
  for (int i = 0; i < 20 && node_->pools.writes->queued() > 4; ++i) {
    const Duration pause = 1ms;
    co_await node_->pause(pause);
  }
  const std::int64_t rate = node_->options.catchUpBytesPerSecond;
  Duration pause = std::min<Duration>(took, kLongestYield);
  if (rate > 0) {
    const Duration wanted(static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * 1e9));
    pause = std::max(pause, wanted - took);
  }
  co_await node_->pause(pause);
}

// The source's size, and one that is still to be told from what is here: what came since may have moved the end of this
// file beyond the source's as it was told, over bytes that nobody compares.
Task<void> CatchUp::learnSize() {
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t reshaped = file_->reshaped;
    total_ = co_await sourceSize();
    const bool between = ownSize_ > total_ && !file_->live.gaps(total_, file_->liveEnd).empty();
    if (reshaped == file_->reshaped && !between) co_return;
  }
  throw Error(Errc::unavailable, "the file's size changes all the time");
}

// Behind the source's end nothing stays, but for what live writes put there.
Task<void> CatchUp::cutOwn() {
  const std::uint64_t keep = cutTo(total_, file_->live, file_->liveEnd, file_->localEnd);
  if (file_->localEnd <= keep) co_return;
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  auto job = [disk, keep] { disk->truncate(keep); };
  file_->localEnd = keep;
  ownSize_ = std::min(ownSize_, keep);
  co_await inOrder(std::move(job));
  checkCopying();
}

// What has to be fetched of one window.
Task<std::vector<Range>> CatchUp::missing(std::uint64_t offset, std::uint64_t end) {
  if (offset >= ownSize_) co_return pieces(offset, end, kPiece);
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  auto job = [disk, offset] { return ownSums(*disk, offset); };
  auto pending = node_->pools.reads->runQuiet(std::move(job));
  const std::vector<std::uint32_t> source = co_await sourceSums(offset);
  const std::vector<std::uint32_t> own = co_await std::move(pending);
  checkCopying();
  co_return differing(offset, kBlock, source, own, total_, kPiece);
}

Task<void> CatchUp::copyAll() {
  co_await learnSize();
  co_await cutOwn();
  constexpr std::uint64_t kWindow = std::uint64_t{kBlock} * kWindowBlocks;
  for (std::uint64_t offset = 0; offset < total_; offset += kWindow) {
    file_->bytesToGo = total_ - offset;
    std::vector<Range> todo = co_await missing(offset, std::min(total_, offset + kWindow));
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
  checkCopying();
}

}  // namespace vcfs::storage
