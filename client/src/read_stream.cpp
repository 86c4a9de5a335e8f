#include "client/src/read_stream.h"

namespace vcfs::client {

namespace {

constexpr std::uint64_t kChunk = schema::MAX_TRANSFER;
// What was read ahead of a file that somebody writes is used this long: an overwrite elsewhere is told by nobody. Of a
// sealed file an overwrite is pushed by the trackers, and close-to-open is all that is promised.
constexpr Duration kFreshWhileOpen = std::chrono::milliseconds(100);
constexpr Duration kFreshWhileSealed = std::chrono::seconds(30);
constexpr std::uint64_t kKeepBehind = 2u << 20;  // requests of a kernel overtake each other

}  // namespace

struct ReadStream::Chunk {
  Chunk(asio::io_context& io, std::uint64_t o, std::uint64_t l) : offset(o), length(l), ready(io) {}
  std::uint64_t offset;
  std::uint64_t length;  // as asked for
  Piece piece;           // shorter when the file ended there at that time
  bool loaded = false;
  std::optional<Error> failure;
  TimePoint asked;
  bool whileOpen = false;  // somebody was writing when it was asked for
  std::uint64_t changeId = 0;
  std::uint64_t used = 0;  // bytes that were handed out
  Signal ready;
};

ReadStream::ReadStream(std::shared_ptr<Core> core, std::shared_ptr<Reader> reader, std::shared_ptr<SizeView> sizes)
    : core_(std::move(core)),
      reader_(std::move(reader)),
      sizes_(std::move(sizes)),
      plan_(core_->options.readAhead, kChunk) {}

ReadStream::~ReadStream() { core_->readBudget.give(held_); }

std::uint64_t ReadStream::roomAhead() const {
  const std::uint64_t share = std::min(core_->readBudget.share(held_), core_->options.readAhead + kChunk);
  return share > held_ ? share - held_ : 0;
}

void ReadStream::start(std::uint64_t offset, std::uint64_t length) {
  auto chunk = std::make_shared<Chunk>(core_->runtime.io, offset, length);
  chunk->asked = core_->now();
  chunk->whileOpen = sizes_->state() == FileState::open;
  chunk->changeId = sizes_->info().changeId;
  auto place = std::find_if(chunks_.begin(), chunks_.end(), [&](const auto& c) { return c->offset > offset; });
  chunks_.insert(place, chunk);
  held_ += length;
  core_->readBudget.take(length);
  core_->runtime.spawn("read ahead", load(chunk));
}

void ReadStream::fetchAhead(std::uint64_t offset, std::uint64_t length) {
  length = std::min(length, kChunk);
  if (length == 0 || length > roomAhead() || find(offset) || nextChunkAfter(offset) < offset + length) return;
  start(offset, length);
}

Task<void> ReadStream::load(std::shared_ptr<Chunk> chunk) {
  auto reader = reader_;
  try {
    chunk->piece = co_await reader->fetchAhead(chunk->offset, chunk->length, chunk->asked + core_->options.stallLimit);
  } catch (const std::exception& error) {
    chunk->failure = asError(error);  // whoever wants the bytes asks himself, if he has time left
  }
  chunk->loaded = true;
  chunk->ready.notifyAll();
}

std::shared_ptr<ReadStream::Chunk> ReadStream::find(std::uint64_t offset) const {
  for (const auto& chunk : chunks_) {
    if (chunk->offset <= offset && offset < chunk->offset + chunk->length) return chunk;
  }
  return nullptr;
}

std::uint64_t ReadStream::nextChunkAfter(std::uint64_t offset) const {
  for (const auto& chunk : chunks_) {
    if (chunk->offset > offset) return chunk->offset;
  }
  return UINT64_MAX;
}

void ReadStream::drop(const std::shared_ptr<Chunk>& chunk) {
  auto found = std::find(chunks_.begin(), chunks_.end(), chunk);
  if (found == chunks_.end()) return;
  held_ -= chunk->length;
  core_->readBudget.give(chunk->length);
  chunks_.erase(found);
}

void ReadStream::invalidate(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = offset + length < offset ? UINT64_MAX : offset + length;
  auto doomed = chunks_;
  for (const auto& chunk : doomed) {
    if (chunk->offset < end && offset < chunk->offset + chunk->length) drop(chunk);
  }
  if (chunks_.size() != doomed.size()) plan_.reset();
}

void ReadStream::trim(std::uint64_t position) {
  while (!chunks_.empty()) {
    const auto& chunk = chunks_.front();
    const bool consumed = chunk->loaded && chunk->used >= chunk->piece.data.size();
    const bool behind = chunk->offset + chunk->length + kKeepBehind <= position;
    if (!(consumed && chunk->offset + chunk->length <= position) && !behind) return;
    drop(chunks_.front());
  }
}

bool ReadStream::outdated(const Chunk& chunk) const {
  const bool open = chunk.whileOpen || sizes_->state() == FileState::open;
  if (core_->now() - chunk.asked > (open ? kFreshWhileOpen : kFreshWhileSealed)) return true;
  return chunk.changeId != sizes_->info().changeId && chunk.changeId != 0;
}

Task<std::vector<Piece>> ReadStream::read(std::uint64_t offset, std::size_t length, bool mayReadAhead) {
  auto self = shared_from_this();
  // A follower that reads now and then would use nothing of it in time.
  const bool slow = sizes_->state() == FileState::open && core_->now() - lastRead_ > kFreshWhileOpen / 2;
  lastRead_ = core_->now();
  if (mayReadAhead && !slow) {
    // What was asked for before the first read (fetchAhead) is for it.
    if (plan_.started() && !plan_.sequential() && !chunks_.empty()) invalidate(0);
    for (const auto& range : plan_.onRead(offset, length, sizes_->size(), roomAhead())) {
      // A chunk that is there already (the plan was reset) is not asked for twice.
      if (!find(range.offset) && nextChunkAfter(range.offset) >= range.offset + range.length) {
        start(range.offset, range.length);
      }
    }
  }
  std::vector<Piece> pieces;
  const Duration limit = core_->options.stallLimit;
  TimePoint deadline = core_->now() + limit;  // of the next piece
  const std::uint64_t end = offset + length;
  for (std::uint64_t at = offset; at < end;) {
    if (auto chunk = find(at)) {
      while (!chunk->loaded) co_await chunk->ready.wait();
      if (chunk->failure && core_->now() >= deadline) {
        reader_->gaveUp(*chunk->failure);
        drop(chunk);
        throw Error(*chunk->failure);
      }
      const std::uint64_t skip = at - chunk->offset;
      if (chunk->failure || outdated(*chunk) || chunk->piece.data.size() <= skip) {
        drop(chunk);
        continue;
      }
      Piece piece;
      piece.data = chunk->piece.data.subspan(skip, std::min<std::uint64_t>(chunk->piece.data.size() - skip, end - at));
      piece.owner = chunk->piece.owner;
      chunk->used += piece.data.size();
      at += piece.data.size();
      pieces.push_back(std::move(piece));
      deadline = core_->now() + limit;
      continue;
    }
    const std::uint64_t until = std::min({end, at + kChunk, nextChunkAfter(at)});
    Piece piece = co_await reader_->fetch(at, until - at, deadline);
    deadline = core_->now() + limit;
    const std::uint64_t got = piece.data.size();
    if (got > 0) pieces.push_back(std::move(piece));
    at += got;
    if (at < until) break;  // the published size
  }
  trim(offset + length);
  co_return pieces;
}

}  // namespace vcfs::client
