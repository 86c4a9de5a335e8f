#include "tests/sim/actors.h"

#include <cstdlib>
#include <iostream>

#include "common/base/log.h"

namespace vcfs::sim {

std::string pattern(std::uint64_t offset, std::size_t length, std::uint64_t version) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint64_t x = (offset + i + version * 7919) * 0x9E3779B97F4A7C15ull;
    text[i] = static_cast<char>(1 + (x >> 40) % 255);
  }
  return text;
}

Journal::Journal(SimCluster& cluster) : cluster_(cluster), live_(std::getenv("VCFS_SIM_JOURNAL") != nullptr) {
  log::setup(live_ ? log::Level::debug : log::Level::off, "sim");
}

void Journal::note(const std::string& what) {
  lines_.push_back(std::to_string(cluster_.now().count() / 1000) + " us: " + what);
  if (live_) std::cerr << lines_.back() << "\n";
}

std::string Journal::tail(std::size_t count) const {
  std::string text;
  for (std::size_t i = lines_.size() - std::min(count, lines_.size()); i < lines_.size(); ++i) text += lines_[i] + "\n";
  return text;
}

// ---- Writer

Task<void> Writer::open() {
  auto self = shared_from_this();
  OpenMode mode;
  mode.write = true;
  file_ = co_await cluster_->openPath(path_, mode, true);
  inode_ = file_->inode();
}

Task<void> Writer::write(std::uint64_t offset, std::size_t length) {
  auto self = shared_from_this();
  const std::string data = pattern(offset, length, ++version_);
  onCall("write " + std::to_string(offset) + "+" + std::to_string(length));
  model.write(offset, data);
  const std::span<const char> view(data.data(), data.size());
  co_await file_->write(offset, std::as_bytes(view));
}

Task<void> Writer::truncate(std::uint64_t size) {
  auto self = shared_from_this();
  onCall("truncate " + std::to_string(size));
  model.truncate(size);
  co_await file_->truncate(size);
}

Task<void> Writer::flush() {
  auto self = shared_from_this();
  onCall("flush");
  co_await file_->flush();
  model.acknowledged();
}

Task<void> Writer::sync() {
  auto self = shared_from_this();
  onCall("sync");
  co_await file_->sync();
  model.acknowledged();
}

Task<void> Writer::close() {
  auto self = shared_from_this();
  onCall("close");
  auto file = std::move(file_);
  file_ = nullptr;
  co_await file->close();
  model.acknowledged();
}

Task<void> Writer::checkOwnView() {
  auto self = shared_from_this();
  std::string text(model.size() + 10, '\0');
  const std::span<char> view(text.data(), text.size());
  text.resize(co_await file_->readInto(0, std::as_writable_bytes(view)));
  const std::string wrong = difference(text, model.bytes());
  if (wrong.empty()) co_return;
  complaints.push_back("the writer's own view of " + path_ + ": " + wrong);
  onCall("COMPLAINT " + complaints.back());
}

// ---- Follower

Task<void> Follower::run() {
  auto self = shared_from_this();
  while (!stopped_) {
    bool absent = false;
    const bool made = writer_->inode() != 0;
    try {
      co_await observe();
    } catch (const Error& error) {
      absent = error.code() == Errc::notFound && !made;
      if (!absent) complaints.push_back("reading " + writer_->path() + " failed: " + error.what());
      if (!absent) break;
    }
    co_await clock_.sleep(std::chrono::milliseconds(absent ? 50 : draw(40)));
  }
  auto file = std::move(file_);
  file_ = nullptr;
  if (file) co_await file->close();
  ended_ = true;
}

// From when on what is seen now may be.
FileModel::Mark Follower::since() {
  if (!mayLag()) {
    laggedAt_.reset();
    lookedAt_ = writer_->model.mark();
    return lookedAt_;
  }
  if (!laggedAt_) laggedAt_ = lookedAt_.base ? lookedAt_ : writer_->model.beginning();
  return *laggedAt_;
}

Task<void> Follower::observe() {
  if (file_ && draw(20) == 0) {  // a player that comes anew
    auto file = std::move(file_);
    file_ = nullptr;
    co_await file->close();
  }
  if (!file_) {
    OpenMode mode;
    file_ = co_await cluster_->openPath(writer_->path(), mode, false);
  }
  const FileModel::Mark before = since();
  if (draw(3) == 0) {
    const Growth growth = co_await file_->waitForGrowth(seenEnd_, std::chrono::milliseconds(1 + draw(200)));
    sawEnd(growth.size, before, "is told to have");
  } else if (draw(2) == 0) {
    co_await readOnce(seenEnd_ - std::min<std::uint64_t>(seenEnd_, draw(3000)), 1 + draw(60'000));  // at the end
  } else {
    co_await readOnce(draw(seenEnd_ + 1), 1 + draw(60'000));
  }
}

Task<void> Follower::readOnce(std::uint64_t offset, std::size_t length) {
  const FileModel::Mark before = since();
  std::string text(length, '\0');
  const std::span<char> view(text.data(), text.size());
  text.resize(co_await file_->readInto(offset, std::as_writable_bytes(view)));
  ++reads;
  bytes += text.size();
  const std::string wrong = writer_->model.judge(before, offset, length, text);
  if (!wrong.empty()) complaints.push_back("a reader of " + writer_->path() + ": " + wrong);
  if (text.size() < length && !text.empty()) sawEnd(offset + text.size(), before, "ends at");
  if (text.size() == length && offset + length > seenEnd_) sawEnd(offset + length, before, "has at least");
}

void Follower::sawEnd(std::uint64_t end, const FileModel::Mark& when, const char* how) {
  // What was visible stays visible, unless the writer itself cut it off.
  if (end < seenEnd_ && !writer_->model.truncatedSince(seenAt_)) {
    complaints.push_back("bytes of " + writer_->path() + " vanished: it " + how + " " + std::to_string(end) +
                         " bytes, a reader saw " + std::to_string(seenEnd_));
  }
  seenEnd_ = end;
  seenAt_ = when;
}

}  // namespace vcfs::sim
