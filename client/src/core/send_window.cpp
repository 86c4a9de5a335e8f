#include "client/src/core/send_window.h"

#include <algorithm>
#include <cstring>

namespace vcfs::client {

namespace {

constexpr std::size_t kSmallestBuffer = 4096;
constexpr std::uint64_t kItemCost = 256;  // an item without bytes of its own is not free either

}  // namespace

SendWindow::SendWindow(Limits limits, Sequence first)
    : limits_(limits), start_(first), first_(first), nextToSend_(first) {}

// ---- filling

const SendWindow::Item* SendWindow::newest() const {
  if (items_.empty() || items_.back().state != Item::State::gathering) return nullptr;
  return &items_.back();
}

bool SendWindow::mergeable(const Item& item, std::uint64_t offset, std::size_t length, bool append) const {
  if (append || item.append) return append && item.append && item.length + length <= limits_.segment;
  return offset >= item.offset && offset <= item.end() && offset + length - item.offset <= limits_.segment;
}

// Sizes of buffers go in steps of four, so that a file which gathers a few KiB per max lag holds little, and one that
// is written at full speed soon gets whole segments without copying them again.
std::size_t SendWindow::capacityFor(std::size_t length) const {
  std::size_t capacity = kSmallestBuffer;
  while (capacity < length) capacity *= 4;
  return capacity;
}

std::uint64_t SendWindow::costOf(std::uint64_t offset, std::size_t length, bool append, bool owned) const {
  if (owned) return length + kItemCost;
  if (const Item* item = newest(); item != nullptr && mergeable(*item, offset, length, append)) {
    const std::size_t needed = append ? item->length + length : offset + length - item->offset;
    const std::size_t held = item->buffer->capacity();
    return needed <= held ? 0 : capacityFor(std::max(needed, held + 1)) - held;
  }
  return capacityFor(std::max(length, usualLength_)) + kItemCost;
}

SendWindow::Item& SendWindow::push(Item::State state) {
  if (!items_.empty() && items_.back().state == Item::State::gathering) seal(items_.back());
  Item& item = items_.emplace_back();
  item.sequence = last();
  item.state = state;
  return item;
}

void SendWindow::seal(Item& item) {
  item.state = Item::State::ready;
  usualLength_ = item.length;
  // What goes over the wire is rounded up to whole words: nothing of an earlier use of the memory may go with it.
  std::memset(item.buffer->data() + item.length, 0, 8);
}

void SendWindow::grow(Item& item, std::size_t length) {
  auto larger = rpc::Buffer::allocate(capacityFor(std::max(length, item.buffer->capacity() + 1)));
  std::memcpy(larger->data(), item.buffer->data(), item.length);
  charged_ += larger->capacity() - item.buffer->capacity();
  item.charged += larger->capacity() - item.buffer->capacity();
  item.buffer = std::move(larger);
  item.data = item.buffer->data();
  item.owner = item.buffer;
}

void SendWindow::merge(Item& item, std::uint64_t offset, std::span<const std::byte> data) {
  const std::size_t at = item.append ? item.length : offset - item.offset;
  const std::size_t end = at + data.size();
  if (end > item.buffer->capacity()) grow(item, end);
  std::memcpy(item.buffer->data() + at, data.data(), data.size());
  item.length = std::max<std::uint64_t>(item.length, end);
}

void SendWindow::write(std::uint64_t offset, std::span<const std::byte> data, std::shared_ptr<const void> owner,
                       bool append, TimePoint now, std::int64_t writtenNs) {
  if (!owner && newest() != nullptr && mergeable(items_.back(), offset, data.size(), append)) {
    items_.back().writtenNs = writtenNs;
    return merge(items_.back(), offset, data);
  }
  Item& item = push(owner ? Item::State::ready : Item::State::gathering);
  item.append = append;
  item.offset = append ? 0 : offset;
  item.length = data.size();
  item.born = now;
  item.writtenNs = writtenNs;
  if (owner) {
    item.data = data.data();
    item.owner = std::move(owner);
    item.charged = data.size() + kItemCost;
  } else {
    item.buffer = rpc::Buffer::allocate(capacityFor(std::max(data.size(), usualLength_)));
    std::memcpy(item.buffer->data(), data.data(), data.size());
    item.data = item.buffer->data();
    item.owner = item.buffer;
    item.charged = item.buffer->capacity() + kItemCost;
  }
  charged_ += item.charged;
}

SendWindow::Sequence SendWindow::truncate(std::uint64_t size, std::int64_t writtenNs) {
  Item& item = push(Item::State::ready);
  item.kind = Kind::truncate;
  item.length = size;
  item.writtenNs = writtenNs;
  return item.sequence;
}

SendWindow::Sequence SendWindow::allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode,
                                          std::int64_t writtenNs) {
  Item& item = push(Item::State::ready);
  item.kind = Kind::allocate;
  item.offset = offset;
  item.length = length;
  item.mode = mode;
  item.writtenNs = writtenNs;
  return item.sequence;
}

SendWindow::Sequence SendWindow::copy(std::uint64_t offset, std::uint64_t length, std::shared_ptr<const Source> source,
                                      std::int64_t writtenNs) {
  Item& item = push(Item::State::ready);
  item.kind = Kind::copy;
  item.offset = offset;
  item.length = length;
  item.source = std::move(source);
  item.writtenNs = writtenNs;
  return item.sequence;
}

bool SendWindow::hasOnlyUnsentWrite() const {
  return items_.size() == 1 && nextToSend_ == first_ && items_.front().kind == Kind::write && !items_.front().everSent;
}

SendWindow::Item* SendWindow::onlyUnsentWrite() { return hasOnlyUnsentWrite() ? &items_.front() : nullptr; }

SendWindow::Sequence SendWindow::sync() {
  if (Item* write = onlyUnsentWrite()) {
    if (write->state == Item::State::gathering) seal(*write);
    write->syncs = true;
    return write->sequence;
  }
  Item& item = push(Item::State::ready);
  item.kind = Kind::sync;
  return item.sequence;
}

SendWindow::Sequence SendWindow::close() {
  if (Item* write = onlyUnsentWrite()) {
    if (write->state == Item::State::gathering) seal(*write);
    write->closes = true;
    return write->sequence;
  }
  Item& item = push(Item::State::ready);
  item.kind = Kind::close;
  return item.sequence;
}

// ---- sending

bool SendWindow::ready(const Item& item, TimePoint now) const {
  return item.state == Item::State::ready || item.length >= limits_.segment || item.sequence <= flushUpTo_ ||
         now >= item.born + limits_.maxLag;
}

bool SendWindow::admits(const Item& item) const {
  if (inFlightRequests_ == 0) return true;
  if (barrierInFlight_ || item.barrier() || inFlightRequests_ >= limits_.requests) return false;
  return inFlightBytes_ + item.length <= limits_.inFlight;
}

const SendWindow::Item* SendWindow::next(TimePoint now) {
  while (nextToSend_ <= last() && at(nextToSend_).state == Item::State::done) ++nextToSend_;
  if (nextToSend_ > last()) return nullptr;
  Item& item = at(nextToSend_);
  if (!admits(item) || !ready(item, now)) return nullptr;
  if (item.state == Item::State::gathering) seal(item);
  item.state = Item::State::inFlight;
  item.everSent = true;
  item.sentAt = now;
  ++nextToSend_;
  ++inFlightRequests_;
  if (item.kind == Kind::write) inFlightBytes_ += item.length;
  barrierInFlight_ = item.barrier();
  return &item;
}

std::optional<TimePoint> SendWindow::due() const {
  const Item* item = newest();
  if (item == nullptr || nextToSend_ != item->sequence || !admits(*item)) return std::nullopt;
  return item->born + limits_.maxLag;
}

void SendWindow::release(Item& item) {
  if (item.state == Item::State::inFlight) {
    --inFlightRequests_;
    if (item.kind == Kind::write) inFlightBytes_ -= item.length;
    if (item.barrier()) barrierInFlight_ = false;
  }
  charged_ -= item.charged;
  item.charged = 0;
  item.owner.reset();
  item.buffer.reset();
  item.data = nullptr;
  item.state = Item::State::done;
}

std::optional<SendWindow::Item> SendWindow::finish(Sequence sequence) {
  if (sequence < first_ || sequence > last() || at(sequence).state == Item::State::done) return std::nullopt;
  release(at(sequence));
  Item finished = at(sequence);
  while (!items_.empty() && items_.front().state == Item::State::done) {
    items_.pop_front();
    ++first_;
  }
  nextToSend_ = std::max(nextToSend_, first_);
  return finished;
}

void SendWindow::rewind() {
  for (Item& item : items_) {
    if (item.state == Item::State::inFlight) item.state = Item::State::ready;
  }
  nextToSend_ = first_;
  inFlightRequests_ = 0;
  inFlightBytes_ = 0;
  barrierInFlight_ = false;
}

void SendWindow::clear() {
  first_ += items_.size();
  items_.clear();
  nextToSend_ = first_;
  inFlightRequests_ = 0;
  inFlightBytes_ = 0;
  barrierInFlight_ = false;
  charged_ = 0;
}

// ---- asking

bool SendWindow::allSent() const { return nextToSend_ > last(); }

std::optional<TimePoint> SendWindow::waitingSince() const {
  if (items_.empty() || items_.front().state != Item::State::inFlight) return std::nullopt;
  return items_.front().sentAt;
}

bool SendWindow::wholeAndUnsent() const { return first_ == start_ && hasOnlyUnsentWrite(); }

bool SendWindow::overlaps(std::uint64_t offset, std::uint64_t length) const {
  const auto touches = [&](const Item& item) {
    if (item.state == Item::State::done) return false;
    if (!item.changesFile()) return false;
    if (item.kind != Kind::write || item.append) return true;
    return item.offset < offset + length && offset < item.end();
  };
  return std::any_of(items_.begin(), items_.end(), touches);
}

std::int64_t SendWindow::newestChangeNs() const {
  const auto newest = std::find_if(items_.rbegin(), items_.rend(), [](const Item& item) { return item.changesFile(); });
  return newest == items_.rend() || newest->state == Item::State::done ? 0 : newest->writtenNs;
}

std::uint64_t SendWindow::projectedSize(std::uint64_t size) const {
  constexpr std::uint32_t kKeepSize = 1;
  for (const Item& item : items_) {
    if (item.state == Item::State::done) continue;
    if (item.kind == Kind::truncate) size = item.length;
    if (item.kind == Kind::allocate && (item.mode & kKeepSize) == 0) size = std::max(size, item.end());
    if (item.kind == Kind::copy) size = std::max(size, item.end());
    if (item.kind == Kind::write) size = item.append ? size + item.length : std::max(size, item.end());
  }
  return size;
}

}  // namespace vcfs::client
