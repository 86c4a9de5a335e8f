#include "httpd/server/byte_source.h"

#include <algorithm>

namespace vcfs::httpd {

void Window::clear() {
  parts.clear();
  owners.clear();
  bytes = 0;
}

void Window::add(std::string_view text) {
  if (text.empty()) return;
  parts.push_back(std::as_bytes(std::span<const char>(text.data(), text.size())));
  owners.push_back(nullptr);
  bytes += text.size();
}

void Window::add(const std::vector<Piece>& pieces, std::uint64_t start, std::uint64_t from, std::uint64_t most) {
  for (const Piece& piece : pieces) {
    std::uint64_t end = start + piece.data.size();
    if (end > from && most > 0 && parts.size() < kWindowParts) {
      std::uint64_t skip = from - start;
      std::uint64_t n = std::min<std::uint64_t>(piece.data.size() - skip, most);
      parts.push_back(piece.data.subspan(skip, n));
      owners.push_back(piece.owner);
      bytes += n;
      most -= n;
      from += n;
    }
    start = end;
  }
}

namespace {

class CachedSource final : public ByteSource {
 public:
  CachedSource(Site& site, Entry entry) : site_(site), entry_(std::move(entry)) {}

  Task<void> fill(Window& out, std::uint64_t offset, std::uint64_t length) override {
    BlockKey key = keyOf(offset);
    BlockPtr block = site_.blocks.find(key);
    if (!block) block = co_await site_.block(key, entry_, file_);
    for (;;) {
      std::uint64_t start = key.block * kBlockSize;
      std::uint64_t n = std::min(length, start + block->size - offset);
      out.add(block->pieces, start, offset, n);
      offset += n;
      length -= n;
      if (length == 0 || out.bytes >= kWindowBytes || out.parts.size() >= kWindowParts) co_return;
      ++key.block;
      block = site_.blocks.find(key);
      if (!block) co_return;
    }
  }

  void letGo() override {
    if (file_) file_->willPause();
  }

 private:
  BlockKey keyOf(std::uint64_t offset) const {
    BlockKey key;
    key.inode = entry_.attr.inode;
    key.changeId = entry_.attr.changeId;
    key.epoch = entry_.attr.epoch;
    key.mtimeNs = entry_.attr.mtimeNs;
    key.block = offset / kBlockSize;
    return key;
  }

  Site& site_;
  Entry entry_;
  std::shared_ptr<File> file_;  // opened at the first block that is not in the cache
};

class DirectSource final : public ByteSource {
 public:
  DirectSource(Site& site, Entry entry) : site_(site), entry_(std::move(entry)) {}

  Task<void> fill(Window& out, std::uint64_t offset, std::uint64_t length) override {
    if (!file_) {
      OpenMode mode;
      file_ = co_await site_.cluster->open(entry_, mode);
    }
    if (offset < start_ || offset >= start_ + size_) {
      pieces_.clear();
      size_ = 0;
      start_ = offset;
      pieces_ = co_await file_->read(offset, std::min(length, kReadBytes));
      for (const Piece& piece : pieces_) size_ += piece.data.size();
      if (size_ == 0) throw Error(Errc::io, "the file became shorter while it was read");
    }
    out.add(pieces_, start_, offset, length);
  }

  void letGo() override {
    pieces_.clear();
    size_ = 0;
    if (file_) file_->willPause();
  }

 private:
  Site& site_;
  Entry entry_;
  std::shared_ptr<File> file_;
  std::vector<Piece> pieces_;
  std::uint64_t start_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> makeCachedSource(Site& site, Entry entry) {
  return std::make_unique<CachedSource>(site, std::move(entry));
}

std::unique_ptr<ByteSource> makeDirectSource(Site& site, Entry entry) {
  return std::make_unique<DirectSource>(site, std::move(entry));
}

std::unique_ptr<ByteSource> makeSource(Site& site, const Entry& entry) {
  bool sealed = entry.attr.state == FileState::closed || entry.attr.state == FileState::recovered;
  return sealed && site.blocks.enabled() ? makeCachedSource(site, entry) : makeDirectSource(site, entry);
}

}  // namespace vcfs::httpd
