#include "tests/sim/blackout_run.h"

namespace vcfs::sim {

namespace {
constexpr std::uint64_t kLargest = 200'000;  // bytes of a file
constexpr Duration kPatience = 120s;         // for everything to be well again after the last repair
}  // namespace

// ---- SyncingWriter

Task<void> SyncingWriter::run() {
  auto self = shared_from_this();
  try {
    co_await work();
  } catch (const Error& error) {
    complain(std::string("a call failed: ") + error.what());
  }
  ended_ = true;
}

Task<void> SyncingWriter::work() {
  while (!stopped_) {
    try {
      co_await oneCall();
    } catch (const Error& error) {
      if (!ranOut(error)) throw;
    }
    if (mustLearn_) co_await learnAgain();
    co_await clock_.sleep(std::chrono::milliseconds(draw(60)));
  }
  if (!file_) co_await open();
  co_await sync();
  if (mustLearn_) co_await learnAgain();
  co_await close();
}

Task<void> SyncingWriter::oneCall() {
  if (!file_) co_await open();
  const std::size_t kind = draw(40);
  if (kind < 24 && bytes_.size() < kLargest) {
    co_await write(bytes_.size(), 1 + draw(12'000));
  } else if (kind < 30 && !bytes_.empty()) {
    co_await write(draw(bytes_.size()), 1 + draw(8'000));
  } else if (kind < 31 || bytes_.size() >= kLargest) {
    co_await truncate(bytes_.empty() ? 0 : draw(bytes_.size()));
  } else if (kind < 35) {
    co_await sync();
  } else if (kind < 38) {
    co_await close();
  }
}

Task<void> SyncingWriter::open() {
  OpenMode mode;
  mode.write = true;
  // Of what was lost before nobody is told who opens the file now.
  cleared_ = openedAt_ = faults_.blackouts();
  file_ = co_await cluster_->openPath(path_, mode, true);
  inode_ = file_->inode();
  journal_.note(path_ + " opened");
  co_await learn();
  doubt();
}

void SyncingWriter::doubt() {
  doubted_.assign(bytes_.size(), true);
  for (std::size_t i = 0; i < std::min(touched_.size(), bytes_.size()); ++i) doubted_[i] = touched_[i];
  cutInDoubt_ = cut_;
}

std::string SyncingWriter::judge(const std::string& there) const {
  if (openedAt_ == faults_.blackouts()) return difference(there, bytes_);
  std::string known = there;
  if (cutInDoubt_ && known.size() > bytes_.size()) known.resize(bytes_.size());
  for (std::size_t i = known.size(); i < bytes_.size() && i < doubted_.size() && doubted_[i]; ++i) known += bytes_[i];
  for (std::size_t i = 0; i < std::min({known.size(), bytes_.size(), doubted_.size()}); ++i) {
    if (doubted_[i]) known[i] = bytes_[i];
  }
  return difference(known, bytes_);
}

Task<void> SyncingWriter::write(std::uint64_t offset, std::size_t length) {
  const std::string data = pattern(offset, length, ++version_);
  if (bytes_.size() < offset + length) bytes_.resize(offset + length);
  bytes_.replace(offset, length, data);
  for (std::uint64_t i = offset; i < std::min<std::uint64_t>(offset + length, doubted_.size()); ++i)
    doubted_[i] = false;
  touch(offset, offset + length);
  journal_.note(path_ + " write " + std::to_string(offset) + "+" + std::to_string(length));
  const std::span<const char> view(data.data(), data.size());
  co_await file_->write(offset, std::as_bytes(view));
}

Task<void> SyncingWriter::truncate(std::uint64_t size) {
  bytes_.resize(size);
  doubted_.resize(std::min<std::size_t>(doubted_.size(), size));
  cutInDoubt_ = false;
  touch(size, synced_.size());
  shortest_ = std::min(shortest_, size);
  cut_ = true;
  journal_.note(path_ + " truncate " + std::to_string(size));
  co_await file_->truncate(size);
}

Task<void> SyncingWriter::sync() {
  const unsigned dark = faults_.blackouts();
  journal_.note(path_ + " calls sync");
  try {
    co_await file_->sync();
  } catch (const Error& error) {
    wasTold(error, "sync", dark);
    co_return;
  }
  journal_.note(path_ + " synced");
  cleared_ = dark;
  claim_ = Claim::synced;
  co_await waitLooked();
  if (openedAt_ != faults_.blackouts()) co_await learn();
  synced_ = bytes_;
  touched_.assign(synced_.size(), false);
  shortest_ = synced_.size();
  cut_ = false;
  openedAt_ = dark;
  doubt();
}

Task<void> SyncingWriter::close() {
  const unsigned dark = faults_.blackouts();
  journal_.note(path_ + " calls close");
  auto file = std::move(file_);
  file_ = nullptr;
  try {
    co_await file->close();
  } catch (const Error& error) {
    wasTold(error, "close", dark);
    mustLearn_ = false;  // when it is opened again
    co_return;
  }
  journal_.note(path_ + " closed");
  // Later than that nobody has to be told.
  if (dark == faults_.blackouts()) claim_ = Claim::written;
  co_await waitLooked();
}

// After a loss that was told, what is there now was on the disks or is this descriptor's own; after a full disk it may
// not be on them.
Task<void> SyncingWriter::learnAgain() {
  co_await learn();
  doubted_.clear();
  cutInDoubt_ = false;
  if (ranOut_) doubt();
  ranOut_ = false;
}

Task<void> SyncingWriter::waitLooked() {
  while (claim_ != Claim::none) co_await clock_.sleep(1ms);
}

// After a blackout one replica may be the only one for a while: what its disk has no room for, nobody has.
bool SyncingWriter::ranOut(const Error& error) {
  if (error.code() != Errc::noSpace || faults_.blackouts() == 0) return false;
  journal_.note(path_ + " is told: " + error.what());
  mustLearn_ = ranOut_ = true;
  return true;
}

void SyncingWriter::wasTold(const Error& error, const char* by, unsigned darkBefore) {
  if (ranOut(error)) return;
  journal_.note(path_ + " is told by " + by + ": " + error.what());
  const bool ofPower = error.detail().find("power") != std::string::npos;
  if (error.code() != Errc::io) {
    complain(std::string(by) + " failed: " + error.what());
  } else if (ofPower && cleared_ == faults_.blackouts()) {
    complain(std::string(by) + " tells of a loss that was not, or once more: " + error.what());
  } else if (!ofPower && faults_.blackouts() == 0) {
    // A replica that is left alone by a blackout may be one whose disk has failed before, which it says.
    complain(std::string(by) + " failed: " + error.what());
  }
  if (!ofPower) return doubt();  // what can be read is what it was, and may not be on the disk
  mustLearn_ = true;
  ++told;
  cleared_ = darkBefore;
}

// Looks what is there, which is what it goes on from. What was synced, and not changed since, must be.
Task<void> SyncingWriter::learn() {
  mustLearn_ = false;
  std::string text(2 * kLargest, '\0');
  const std::span<char> view(text.data(), text.size());
  text.resize(co_await file_->readInto(0, std::as_writable_bytes(view)));
  if (text.size() < shortest_) {
    complain("of what was synced there are " + std::to_string(text.size()) + " bytes instead of " +
             std::to_string(shortest_));
  }
  for (std::size_t i = 0; i < std::min(text.size(), touched_.size()); ++i) {
    if (touched_[i] || text[i] == synced_[i]) continue;
    complain("byte " + std::to_string(i) + ", which was synced, is another one");
    break;
  }
  bytes_ = std::move(text);
}

void SyncingWriter::touch(std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t i = begin; i < std::min<std::uint64_t>(end, touched_.size()); ++i) touched_[i] = true;
}

void SyncingWriter::complain(const std::string& what) {
  complaints.push_back(path_ + ": " + what);
  journal_.note("COMPLAINT " + complaints.back());
}

// ---- BlackoutRun

BlackoutRun::BlackoutRun(std::uint64_t seed, Kind kind)
    : random_(seed * 0x9E3779B97F4A7C15ull + 77),
      copies_(kind == Kind::two || seed % 5 == 0 ? 3 : 2),
      servers_(copies_ + static_cast<int>(draw(2))),
      trackers_(1 + static_cast<int>(draw(2))),
      cluster_(servers_, seed, trackers_, nullptr, static_cast<std::uint32_t>(copies_)),
      journal_(cluster_),
      faults_(cluster_, journal_, random_, servers_, trackers_, false) {
  if (kind == Kind::two) {
    faults_.allowPairs();
  } else {
    faults_.allowBlackouts();
  }
  const auto usual = std::chrono::microseconds(20 + draw(400));
  cluster_.network.setDelay([this, usual](const std::string& from, const std::string& to) -> Duration {
    return usual + std::chrono::microseconds(draw(200)) + faults_.delayOf(from, to);
  });
}

void BlackoutRun::run() {
  for (const char* name : {"c1", "c2"}) {
    clients_.push_back(cluster_.connect(name));
    auto writer = std::make_shared<SyncingWriter>(clients_.back(), std::string("/file-") + name, journal_,
                                                  cluster_.clock, faults_, random_());
    writers_.push_back(writer);
    asio::co_spawn(cluster_.io, writer->run(), asio::detached);
  }
  const TimePoint end = cluster_.clock.now() + std::chrono::seconds(5 + draw(15));
  while (cluster_.clock.now() < end && healthy()) {
    cluster_.advance(std::chrono::milliseconds(1 + draw(20)));
    look();
    faults_.step([this] { return allWhole(); });
  }
  faults_.mendAll();
  for (auto& writer : writers_) writer->stop();
  const auto ended = [this] {
    look();
    return std::all_of(writers_.begin(), writers_.end(), [](auto& one) { return one->ended(); });
  };
  if (!cluster_.until(ended, kPatience)) complain("a writer hangs");
  if (healthy() && !cluster_.until([this] { return allWhole(); }, kPatience)) complain("not every file has all copies");
  for (auto& writer : writers_) {
    for (const std::string& what : writer->complaints) complaints_.push_back(what);
  }
  for (auto& client : clients_) cluster_.run(client->shutdown());
}

// Between two events: nobody writes.
void BlackoutRun::look() {
  for (auto& writer : writers_) {
    const auto claim = writer->claim();
    if (claim == SyncingWriter::Claim::none) continue;
    for (int n : cluster_.inSync(writer->inode())) {
      const bool synced = claim == SyncingWriter::Claim::synced;
      // It has lost its power after the close was answered, and has still to tell.
      if (!synced && !cluster_.vouches(n, writer->inode())) continue;
      const std::string there =
          synced ? cluster_.disk(n).durable(writer->inode()) : cluster_.content(n, writer->inode());
      const std::string wrong = writer->judge(there);
      if (wrong.empty()) continue;
      complain("file " + std::to_string(writer->inode()) + " on s" + std::to_string(n) + " when it was " +
               (synced ? "synced: " : "closed: ") + wrong);
    }
    writer->looked();
  }
}

bool BlackoutRun::allWhole() {
  return std::all_of(writers_.begin(), writers_.end(),
                     [this](auto& one) { return one->inode() != 0 && cluster_.whole(one->inode()); });
}

bool BlackoutRun::healthy() {
  return complaints_.empty() &&
         std::all_of(writers_.begin(), writers_.end(), [](auto& one) { return one->complaints.empty(); });
}

unsigned BlackoutRun::told() const {
  unsigned all = 0;
  for (const auto& writer : writers_) all += writer->told;
  return all;
}

void BlackoutRun::complain(std::string what) {
  journal_.note("COMPLAINT " + what);
  complaints_.push_back(std::move(what));
}

}  // namespace vcfs::sim
