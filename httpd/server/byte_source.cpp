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
  CachedSource(Site& site, Version version) : site_(site), version_(std::move(version)) {}

  Task<void> fill(Window& out, std::uint64_t offset, std::uint64_t length) override {
    BlockKey key = keyOf(offset);
    BlockPtr block = site_.blocks.find(key);
    if (!block) block = co_await site_.block(key, version_);
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
    if (version_.file) version_.file->willPause();
  }

 private:
  BlockKey keyOf(std::uint64_t offset) const {
    BlockKey key;
    const Attr& attr = version_.entry.attr;
    key.inode = attr.inode;
    key.changeId = attr.changeId;
    key.epoch = attr.epoch;
    key.mtimeNs = attr.mtimeNs;
    key.block = offset / kBlockSize;
    return key;
  }

  Site& site_;
  Version version_;
};

class DirectSource final : public ByteSource {
 public:
  DirectSource(Site& site, Version version) : site_(site), version_(std::move(version)) {}

  Task<void> fill(Window& out, std::uint64_t offset, std::uint64_t length) override {
    if (offset < start_ || offset >= start_ + size_) {
      pieces_.clear();
      size_ = 0;
      start_ = offset;
      pieces_ = co_await site_.read(version_, offset, std::min(length, kReadBytes));
      for (const Piece& piece : pieces_) size_ += piece.data.size();
      if (size_ == 0) throw Error(Errc::io, "the file became shorter while it was read");
    }
    out.add(pieces_, start_, offset, length);
  }

  void letGo() override {
    pieces_.clear();
    size_ = 0;
    if (version_.file) version_.file->willPause();
  }

 private:
  Site& site_;
  Version version_;
  std::vector<Piece> pieces_;
  std::uint64_t start_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> makeSource(Site& site, Version version) {
  if (version.sealed() && site.blocks.enabled()) return std::make_unique<CachedSource>(site, std::move(version));
  return std::make_unique<DirectSource>(site, std::move(version));
}

}  // namespace vcfs::httpd
