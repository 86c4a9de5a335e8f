#include "client/src/file_handle.h"

#include <cstring>

#include "client/src/name_log.h"
#include "common/base/log.h"

namespace vcfs::client {

namespace {
constexpr std::uint64_t kMostPerCopy = 64u << 20;  // a caller who is killed meanwhile should not leave much behind
}

FileHandle::FileHandle(std::shared_ptr<FileNode> node, OpenMode mode, std::weak_ptr<Cluster> cluster,
                       std::shared_ptr<NameLog> names)
    : node_(std::move(node)), mode_(mode), cluster_(std::move(cluster)), names_(std::move(names)) {
  ++node_->handles;
}

namespace {

Task<void> closeInBackground(std::shared_ptr<FileNode> node) {
  try {
    co_await node->removeWriter();
  } catch (const Error& error) {
    log::error("client.close.failed", {{"inode", log::hex(node->inode())}, {"reason", error.what()}});
  }
}

}  // namespace

FileHandle::~FileHandle() {
  --node_->handles;
  if (!counted_) return;
  Runtime& runtime = node_->core().runtime;
  runtime.spawn("close of a dropped file", closeInBackground(node_));
}

Task<void> FileHandle::begin(bool fresh) {
  if (mode_.write) {
    co_await node_->addWriter(fresh);
    counted_ = true;
  }
  if (!node_->hasWrites()) co_return;
  lossesSeen_ = node_->writes().lossCount();
  errorsSeen_ = toldByWrite_ = node_->writes().errorCount();
}

void FileHandle::requireWrite(const char* what) const {
  if (!mode_.write || closed_) {
    throw Error(Errc::invalid, std::string(what) + ": the handle of file " + log::hex(inode()) +
                                   (closed_ ? " is closed" : " was not opened for writing"));
  }
}

void FileHandle::checkRange(std::uint64_t offset, std::uint64_t length) const {
  if (offset > schema::MAX_FILE_SIZE || length > schema::MAX_FILE_SIZE - offset) {
    throw Error(Errc::tooLarge, "offset " + std::to_string(offset) + " + " + std::to_string(length) +
                                    " is beyond the largest file size, 128 TiB");
  }
}

void FileHandle::throwNewError(std::uint64_t& told) {
  if (!node_->hasWrites()) return;
  WriteStream& writes = node_->writes();
  if (writes.errorCount() == told) return;
  told = writes.errorCount();
  toldByWrite_ = told;
  throw Error(*writes.lastError());
}

void FileHandle::throwNewLoss() {
  if (!node_->hasWrites() || node_->writes().lossCount() == lossesSeen_) return;
  lossesSeen_ = node_->writes().lossCount();
  throw node_->writes().lossError();
}

// ---- reading

namespace {

std::uint64_t bytesOf(const std::vector<Piece>& pieces) {
  std::uint64_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.data.size();
  return bytes;
}

}  // namespace

Task<std::vector<Piece>> FileHandle::read(std::uint64_t offset, std::size_t length) {
  if (!mode_.read) throw Error(Errc::invalid, "read: the handle was not opened for reading");
  std::vector<Piece> nothing;
  if (length == 0 || offset > schema::MAX_FILE_SIZE) co_return nothing;
  length = std::min<std::uint64_t>(length, schema::MAX_FILE_SIZE - offset);
  auto self = shared_from_this();
  bool ahead = true;
  if (node_->hasWrites() && !node_->writes().window().empty()) {
    const SendWindow& window = node_->writes().window();
    // Beyond what the primary knows lies either the end or something of ours that makes a hole there.
    const bool touches = window.overlaps(offset, length) || offset + length > node_->sizes().size();
    if (touches && offset < node_->size()) co_await node_->writes().drain();
    ahead = node_->writes().window().empty();
  }
  if (!reads_) reads_ = node_->makeReadStream();
  auto reads = reads_;
  std::vector<Piece> pieces = co_await reads->read(offset, length, ahead);
  // What is known of a file's size just after it was opened again may be the catalog's, from before it was cut: then
  // something of ours that makes a hole here was not waited for. Nothing but the end of the file ends a read early.
  if (!node_->hasWrites() || bytesOf(pieces) >= length || offset + bytesOf(pieces) >= node_->size()) co_return pieces;
  co_await node_->writes().drain();
  co_return co_await reads->read(offset, length, false);
}

void FileHandle::willRead(std::uint64_t offset, std::size_t length) {
  if (!mode_.read || node_->hasWrites() || offset >= node_->size()) return;
  if (!reads_) reads_ = node_->makeReadStream();
  reads_->fetchAhead(offset, std::min<std::uint64_t>(length, node_->size() - offset));
}

void FileHandle::willPause() {
  if (node_->core().readBudget.scarce()) reads_.reset();
}

Task<std::size_t> FileHandle::readInto(std::uint64_t offset, std::span<std::byte> out) {
  std::vector<Piece> pieces = co_await read(offset, out.size());
  std::size_t filled = 0;
  for (const Piece& piece : pieces) {
    std::memcpy(out.data() + filled, piece.data.data(), piece.data.size());
    filled += piece.data.size();
  }
  co_return filled;
}

// ---- writing

Task<void> FileHandle::write(std::uint64_t offset, std::span<const std::byte> data, std::shared_ptr<const void> owner) {
  requireWrite("write");
  if (!mode_.append) checkRange(offset, data.size());
  throwNewError(toldByWrite_);
  if (data.empty()) co_return;
  TimePoint moved = node_->core().now();
  while (true) {
    if (!node_->writable()) co_await node_->ensureWritable();
    const std::size_t taken = node_->writes().take(offset, data, owner, mode_.append);
    node_->invalidate(offset, taken);
    if (taken == data.size()) co_return;
    if (taken > 0) moved = node_->core().now();
    offset += taken;
    data = data.subspan(taken);
    // The files before us are given up after the stall limit; a little more, so that their error comes first.
    if (node_->core().now() - moved > node_->core().options.stallLimit + std::chrono::seconds(5)) {
      throw Error(Errc::unavailable,
                  "no room in the send window for " + std::to_string(node_->core().options.stallLimit.count()) + " ms");
    }
    co_await node_->writes().waitRoom();
    // Its caller was killed meanwhile: what is sent after the close would open the file again.
    if (closed_) throw Error(Errc::cancelled, "the file was closed while write() waited for room");
    throwNewError(toldByWrite_);
  }
}

// Runs something that drains; an error of earlier bytes goes before its own.
Task<void> FileHandle::settle(Task<void> work, bool tells) {
  std::optional<Error> failure;
  try {
    co_await std::move(work);
  } catch (const Error& error) {
    failure = error;
  }
  if (tells) throwNewError(errorsSeen_);
  if (tells) throwNewLoss();
  if (failure) throw *failure;
}

Task<void> FileHandle::drain() {
  auto self = shared_from_this();
  co_await node_->drain();
}

Task<void> FileHandle::flush(bool last) {
  auto self = shared_from_this();
  Task<void> work = mode_.write ? node_->flush(last) : node_->drain();
  co_await settle(std::move(work), mode_.write);
}

Task<void> FileHandle::sync() {
  auto self = shared_from_this();
  Task<void> work = doSync();
  co_await settle(std::move(work), true);
}

Task<void> FileHandle::doSync() {
  co_await node_->writes().sync();
  co_await names_->sync(inode());
}

Task<void> FileHandle::truncate(std::uint64_t size) {
  auto self = shared_from_this();
  requireWrite("truncate");
  checkRange(size, 0);
  co_await node_->ensureWritable();
  node_->invalidate(std::min(size, node_->size()));
  co_await node_->writes().truncate(size);
  node_->invalidate(std::min(size, node_->size()));
}

Task<void> FileHandle::allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) {
  auto self = shared_from_this();
  requireWrite("allocate");
  if (length == 0) throw Error(Errc::invalid, "allocate: the length is 0");
  checkRange(offset, length);
  co_await node_->ensureWritable();
  node_->invalidate(offset, length);
  co_await node_->writes().allocate(offset, length, mode);
  node_->invalidate(offset, length);
}

Task<std::uint64_t> FileHandle::seek(std::uint64_t offset, bool hole) {
  auto self = shared_from_this();
  co_return co_await node_->seek(offset, hole);
}

Task<std::uint64_t> FileHandle::copyFrom(std::shared_ptr<File> source, std::uint64_t sourceOffset, std::uint64_t offset,
                                         std::uint64_t length) {
  auto self = shared_from_this();
  requireWrite("copyFrom");
  auto other = std::dynamic_pointer_cast<FileHandle>(source);
  if (!other || other->node_->sharedCore() != node_->sharedCore()) {
    throw Error(Errc::notSupported, "copyFrom: the files are of different clusters");
  }
  if (mode_.append || !other->mode_.read) throw Error(Errc::invalid, "copyFrom: not opened for that");
  checkRange(offset, length);
  if (other->node_ == node_ && offset < sourceOffset + length && sourceOffset < offset + length) {
    throw Error(Errc::invalid, "copyFrom: the ranges overlap");
  }
  auto from = other->node_;
  if (from->hasWrites()) co_await from->writes().drain();
  co_await from->stat();
  const std::uint64_t end = from->size();
  if (length == 0 || sourceOffset >= end) co_return 0;
  length = std::min({length, end - sourceOffset, kMostPerCopy});
  co_await node_->ensureWritable();
  node_->invalidate(offset, length);
  const std::uint64_t copied = co_await copyPieces(from, sourceOffset, offset, length);
  node_->invalidate(offset, length);
  co_return copied;
}

// What was copied before something went wrong counts; the next call tells what it was.
Task<std::uint64_t> FileHandle::copyPieces(std::shared_ptr<FileNode> source, std::uint64_t sourceOffset,
                                           std::uint64_t offset, std::uint64_t length) {
  std::uint64_t done = 0;
  while (done < length) {
    auto where = std::make_shared<SendWindow::Source>();
    where->layout = source->route()->layout();
    where->open = source->open();
    where->offset = sourceOffset + done;
    const std::uint64_t piece = std::min<std::uint64_t>(schema::MAX_TRANSFER, length - done);
    std::uint64_t copied = 0;
    try {
      Reply reply = co_await node_->writes().copy(offset + done, piece, where);
      copied = reply.copied;
    } catch (const Error&) {
      if (done == 0) throw;
    }
    done += copied;
    if (copied < piece) break;
  }
  co_return done;
}

Task<Attr> FileHandle::stat() {
  auto self = shared_from_this();
  auto cluster = cluster_.lock();
  if (!cluster) throw Error(Errc::cancelled, "the client was shut down");
  Entry entry = co_await cluster->getAttr(inode());
  co_return entry.attr;
}

Task<Growth> FileHandle::waitForGrowth(std::uint64_t known, std::chrono::milliseconds limit) {
  auto self = shared_from_this();
  co_return co_await node_->waitForGrowth(known, limit);
}

Task<void> FileHandle::close() {
  auto self = shared_from_this();
  if (closed_) co_return;
  closed_ = true;
  if (!counted_) co_return;
  counted_ = false;
  Task<void> work = node_->removeWriter();
  co_await settle(std::move(work), true);
}

}  // namespace vcfs::client
