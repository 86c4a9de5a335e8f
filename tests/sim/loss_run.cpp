#include "tests/sim/loss_run.h"

namespace vcfs::sim {

namespace {
constexpr std::uint64_t kLargest = 300'000;  // bytes of a file
constexpr Duration kPatience = 120s;
constexpr auto kStallLimit = 20s;  // after which a writer is told
}  // namespace

LossRun::LossRun(std::uint64_t seed)
    : random_(seed * 0x9E3779B97F4A7C15ull + 5),
      copies_(draw(4) == 0 ? 3 : 2),
      servers_(copies_ + (draw(4) == 0 ? 1 : 0)),
      trackers_(1 + static_cast<int>(draw(2))),
      diskRandom_(random_()),
      cluster_(servers_, seed, trackers_, usualDiskTime(diskRandom_), static_cast<std::uint32_t>(copies_)),
      journal_(cluster_) {
  const auto usual = std::chrono::microseconds(20 + draw(400));
  cluster_.network.setDelay([this, usual](const std::string&, const std::string&) -> Duration {
    return usual + std::chrono::microseconds(draw(200));
  });
}

void LossRun::run() {
  begin();
  const std::size_t rounds = 1 + draw(4);
  for (std::size_t i = 0; i < rounds; ++i) trouble();
  loseOne();
  const bool before = draw(2) == 0;  // what writers wait for has not failed yet
  if (!before) {
    finish_ = true;
    cluster_.until([this] { return recordingsEnded(); }, kPatience);
  }
  accept();
  finish_ = true;
  if (!cluster_.until([this] { return recordingsEnded(); }, kPatience)) complain("a writer hangs");
  if (complaints_.empty() && !cluster_.until([this] { return allSettled(); }, kPatience)) {
    complain("not every file that is left is closed with all its copies");
  }
  if (complaints_.empty()) {
    for (const auto& recording : recordings_) check(*recording);
  }
  for (auto& client : clients_) cluster_.run(client->shutdown());
}

void LossRun::begin() {
  ClusterOptions options;
  options.stallLimit = kStallLimit;
  for (const char* name : {"c1", "c2"}) clients_.push_back(cluster_.connect(name, options));
  for (std::size_t i = 0; i < 4; ++i) {
    auto recording = std::make_shared<Recording>();
    recording->writer = std::make_shared<Writer>(clients_[i % 2], std::string("/file") + std::to_string(i));
    recording->writer->onCall = [this, calls = recording->writer->path() + " calls "](const std::string& what) {
      journal_.note(calls + what);
    };
    recordings_.push_back(recording);
    asio::co_spawn(cluster_.io, record(recording, random_()), asio::detached);
  }
}

Task<void> LossRun::record(std::shared_ptr<Recording> recording, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto writer = recording->writer;
  std::optional<Error> failure;
  try {
    // Some are closed long before.
    const std::size_t most = random() % 3 == 0 ? 1 + random() % 100 : 100'000;
    for (std::size_t left = most; left > 0 && !finish_; --left) {
      co_await oneChange(recording, &random);
      co_await cluster_.clock.sleep(std::chrono::milliseconds(random() % 60));
    }
    if (writer->isOpen()) co_await writer->close();
    recording->closedAt = cluster_.clock.now();
    journal_.note(writer->path() + " closed at " + std::to_string(writer->model.size()));
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    journal_.note(writer->path() + " is told: " + failure->what());
    recording->failed = true;
    if (!lost_) complain("writing " + writer->path() + " failed: " + failure->what());
    co_await giveUp(writer);
  }
  recording->ended = true;
}

// As a recorder does that ends when it is told.
Task<void> LossRun::giveUp(std::shared_ptr<Writer> writer) {
  if (!writer->isOpen()) co_return;
  try {
    co_await writer->close();
  } catch (const Error& error) {
    journal_.note(writer->path() + " is told by close: " + error.what());
  }
}

Task<void> LossRun::oneChange(std::shared_ptr<Recording> recording, std::mt19937_64* random) {
  auto writer = recording->writer;
  if (!writer->isOpen()) {
    journal_.note(writer->path() + " calls open");
    co_await writer->open();
    recording->openedAt = writer->model.changes();
  }
  const std::uint64_t size = writer->model.size();
  const std::uint64_t kind = (*random)() % 40;
  if (kind < 24 && size < kLargest) {
    co_await writer->append(1 + (*random)() % 12'000);
  } else if (kind < 30 && size > 0) {
    co_await writer->write((*random)() % size, 1 + (*random)() % 8'000);
  } else if (kind < 36) {
    co_await writer->flush();
  } else if (kind < 37) {
    co_await writer->truncate(size == 0 ? 0 : (*random)() % size);
  } else if (kind < 39) {
    co_await writer->close();
  }
}

// A server is away for a while, or its disk refuses what it is given; the next one before everything is well again.
void LossRun::trouble() {
  cluster_.advance(std::chrono::milliseconds(draw(2000)));
  const int n = drawServer();
  const std::string name = "s" + std::to_string(n);
  if (draw(3) == 0 && cluster_.until([this] { return allWhole(); }, 10s)) {
    refuseSome(n);
    cluster_.advance(std::chrono::milliseconds(draw(1500)));
    cluster_.faults(n) = DiskFaults();
  } else {
    journal_.note(name + " dies");
    cluster_.crashStorage(n);
    cluster_.advance(std::chrono::milliseconds(draw(6000)));
    cluster_.startStorage(n);
  }
  journal_.note(name + " is well");
}

// The other one was away until now, or refuses what it is given; or nothing is the matter with it.
void LossRun::loseOne() {
  cluster_.advance(std::chrono::milliseconds(draw(2000)));
  gone_ = drawServer();
  int other = drawServer();
  if (other == gone_ || draw(4) == 0) other = 0;
  const bool refuses = other != 0 && draw(3) == 0 && cluster_.until([this] { return allWhole(); }, 10s);
  const bool back = draw(2) == 0;  // it may just have begun to catch up
  if (refuses) {
    refuseSome(other);
    cluster_.advance(std::chrono::milliseconds(draw(300)));
  } else if (other != 0) {
    journal_.note("s" + std::to_string(other) + " dies");
    cluster_.crashStorage(other);
    cluster_.advance(std::chrono::milliseconds(draw(6000)));
    if (back) cluster_.startStorage(other);
    if (back) cluster_.advance(std::chrono::milliseconds(draw(400)));
  }
  journal_.note("s" + std::to_string(gone_) + " is gone for good");
  lost_ = true;
  cluster_.crashStorage(gone_);
  if (refuses) cluster_.faults(other) = DiskFaults();
  cluster_.advance(std::chrono::milliseconds(draw(5000)));
  if (other != 0 && !cluster_.storageRuns(other)) cluster_.startStorage(other);
}

void LossRun::refuseSome(int n) {
  DiskFaults& faults = cluster_.faults(n);
  faults.writes = draw(2) == 0 ? Errc::io : Errc::noSpace;
  faults.oneIn = 1 + static_cast<unsigned>(draw(4));
  journal_.note("disk of s" + std::to_string(n) + " refuses one in " + std::to_string(faults.oneIn));
}

void LossRun::accept() {
  InodeId after = 0;
  bool waits = false;
  const auto pass = [&] {
    if (!acceptPage(after, waits)) return false;
    after = 0;
    return !std::exchange(waits, false);
  };
  const TimePoint deadline = cluster_.clock.now() + kPatience;
  while (!pass()) {
    if (cluster_.clock.now() > deadline) return complain("the loss is not accepted");
    if (after == 0) cluster_.advance(std::chrono::milliseconds(100 + draw(400)));
  }
  journal_.note("accepted: " + std::to_string(told_.size()) + " files");
}

// True at the end of the last page; a call that is refused is made again.
bool LossRun::acceptPage(InodeId& after, bool& waits) {
  const int tracker = 1 + static_cast<int>(draw(static_cast<std::size_t>(trackers_)));
  AcceptedPage page;
  try {
    const auto limit = static_cast<std::uint32_t>(1 + draw(5));
    page = cluster_.run(sayAcceptLoss(cluster_, tracker, "s" + std::to_string(gone_), after, limit));
  } catch (const Error& error) {
    journal_.note(std::string("not yet: ") + error.what());
    cluster_.advance(500ms);
    return false;
  }
  for (const AcceptedLoss& loss : page.losses) {
    journal_.note("inode " + std::to_string(loss.inode) +
                  (loss.waits  ? " waits"
                   : loss.lost ? " lost"
                               : " kept ") +
                  std::to_string(loss.kept) + (loss.gaps ? " with gaps" : ""));
    if (loss.waits) {
      waits = true;
    } else {
      told_[loss.inode] = loss;
      if (!acceptedAt_) acceptedAt_ = cluster_.clock.now();
    }
  }
  after = page.last;
  return !page.more;
}

bool LossRun::recordingsEnded() const {
  return std::all_of(recordings_.begin(), recordings_.end(), [](auto& one) { return one->ended; });
}

bool LossRun::allWhole() {
  return std::all_of(recordings_.begin(), recordings_.end(), [this](auto& one) {
    const InodeId inode = one->writer->inode();
    return inode == 0 || cluster_.whole(inode);
  });
}

// As many copies as there are servers for, and none on the way.
bool LossRun::settled(InodeId inode) {
  const Entry entry = cluster_.entry(inode);
  if (entry.attr.state == FileState::lost) return true;
  std::size_t good = 0;
  for (const Replica& replica : entry.layout.replicas) {
    const int n = static_cast<int>(replica.storage);
    if (n == gone_ && replica.state == ReplicaState::stale) continue;  // not removed yet
    if (replica.state != ReplicaState::inSync || !cluster_.settled(n)) return false;
    ++good;
  }
  return entry.attr.state != FileState::open && good >= static_cast<std::size_t>(std::min(copies_, servers_ - 1));
}

bool LossRun::allSettled() {
  return std::all_of(recordings_.begin(), recordings_.end(), [this](auto& one) {
    const InodeId inode = one->writer->inode();
    return inode == 0 || settled(inode);
  });
}

void LossRun::check(const Recording& recording) {
  Writer& writer = *recording.writer;
  const InodeId inode = writer.inode();
  if (inode == 0) return;
  const auto found = told_.find(inode);
  const bool lost = cluster_.entry(inode).attr.state == FileState::lost;
  if (lost != (found != told_.end() && found->second.lost)) {
    return complain(writer.path() + (lost ? " is lost, and nobody was told" : " is not lost, as was told"));
  }
  if (lost) {
    if (recording.closedAt && recording.closedAt > acceptedAt_) complain(writer.path() + " was lost, and closed well");
    return;
  }
  const std::vector<int> servers = cluster_.inSync(inode);
  const std::string content = cluster_.content(servers.front(), inode);
  for (int n : servers) {
    const std::string wrong = difference(cluster_.content(n, inode), content);
    if (!wrong.empty()) complain(writer.path() + " differs on s" + std::to_string(n) + ": " + wrong);
  }
  if (found != told_.end()) return checkTold(recording, found->second, content);
  const std::string wrong = recording.failed ? writer.model.judge(writer.model.mark(), 0, 2 * kLargest, content)
                                             : difference(content, writer.model.bytes());
  if (!wrong.empty()) complain(writer.path() + ", of which nobody was told: " + wrong);
}

// Bytes that were never there, but for zeros from `holes` on.
std::string LossRun::foreignBytes(const Writer& writer, const std::string& content, std::uint64_t holes) {
  for (std::size_t begin = 0; begin < content.size();) {
    std::size_t end = begin;
    while (end < content.size() && (content[end] != '\0' || end < holes)) ++end;
    const std::string part = content.substr(begin, end - begin);
    std::string wrong = writer.model.judge(FileModel::beginning(), begin, part.size(), part);
    if (!wrong.empty()) return wrong;
    begin = end + 1;
  }
  return "";
}

// Who has it open goes on behind a hole, and is told unless all that he wrote through that descriptor is there.
void LossRun::checkTold(const Recording& recording, const AcceptedLoss& loss, const std::string& content) {
  const Writer& writer = *recording.writer;
  std::string wrong = foreignBytes(writer, content, loss.gaps ? 0 : loss.kept);
  if (wrong.empty() && recording.closedAt && recording.closedAt > acceptedAt_) {
    wrong = writer.model.judgeSince(recording.openedAt, content);
  }
  const bool open = !recording.closedAt || recording.closedAt > acceptedAt_;
  if (!open && content.size() != loss.kept) wrong = std::to_string(content.size()) + " bytes are there";
  if (!wrong.empty()) complain(writer.path() + ", of which " + std::to_string(loss.kept) + " bytes are kept: " + wrong);
}

void LossRun::complain(std::string what) {
  journal_.note("COMPLAINT " + what);
  complaints_.push_back(std::move(what));
}

}  // namespace vcfs::sim
