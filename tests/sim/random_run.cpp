#include "tests/sim/random_run.h"

#include <cstdlib>
#include <set>

namespace vcfs::sim {

namespace {

constexpr std::uint64_t kLargest = 300'000;  // bytes of a file
constexpr Duration kPatience = 90s;          // for everything to be well again after the last repair
constexpr const char* kLog = "/log";
}  // namespace

RandomRun::RandomRun(std::uint64_t seed, bool splits)
    : random_(seed * 0x9E3779B97F4A7C15ull + 1),
      splits_(splits || draw(10) == 0),
      copies_(splits_ || draw(10) == 0 ? 3 : 2),
      servers_(draw(4) == 0 ? copies_ : copies_ + 1),
      trackers_(1 + static_cast<int>(draw(3))),
      diskRandom_(random_()),
      cluster_(servers_, seed, trackers_, usualDiskTime(diskRandom_), static_cast<std::uint32_t>(copies_)),
      journal_(cluster_),
      faults_(cluster_, journal_, random_, servers_, trackers_, splits_) {
  if (servers_ > copies_ && seed % 2 == 0) {
    administrator_ = std::make_shared<Administrator>(cluster_, journal_, seed, servers_, trackers_);
  }
  const auto usual = std::chrono::microseconds(20 + draw(400));
  cluster_.network.setDelay([this, usual](const std::string& from, const std::string& to) -> Duration {
    return usual + std::chrono::microseconds(draw(200)) + faults_.delayOf(from, to);
  });
}

void RandomRun::run() {
  begin();
  const std::size_t longest = std::getenv("VCFS_SIM_HARD") != nullptr ? 60 : 15;
  const TimePoint end = cluster_.clock.now() + std::chrono::seconds(5 + draw(longest));
  while (cluster_.clock.now() < end && healthy()) {
    cluster_.advance(std::chrono::milliseconds(1 + draw(20)));
    checkCoordinators();
    if (++steps_ % 16 == 0) checkGaps();
    faults_.step([this] { return allWhole(); });
    if (administrator_) administrator_->step();
  }
  faults_.mendAll();
  if (administrator_) administrator_->relent();
  this->end();
  collect();
  if (!complaints_.empty()) {
    for (InodeId inode : inodes()) describe(inode);
  }
  for (auto& client : clients_) cluster_.run(client->shutdown());
}

void RandomRun::begin() {
  const bool appends = splits_ || draw(2) == 0;
  if (!appends && draw(2) == 0) faults_.overlap();
  if (copies_ > 2) faults_.allowPairs();
  const bool small = draw(2) == 0;
  clients_.push_back(cluster_.connect("c1"));
  clients_.push_back(cluster_.connect("c2"));
  const std::size_t files = 1 + draw(2);
  for (std::size_t i = 0; i < files; ++i) {
    auto writer = std::make_shared<Writer>(clients_[i], "/file" + std::to_string(i));
    writer->onCall = [this, path = writer->path()](const std::string& what) { journal_.note(path + " calls " + what); };
    writers_.push_back(writer);
    followers_.push_back(std::make_shared<Follower>(clients_[1 - i], writer, cluster_.clock, random_()));
    followers_.back()->mayLag = [this, host = i == 0 ? "c2" : "c1"] { return faults_.mayLag(host); };
    ++recording_;
    asio::co_spawn(cluster_.io, record(writer, random_()), asio::detached);
    start(followers_.back());
  }
  if (appends) {
    for (char name : {'A', 'B'}) {
      auto& client = clients_[static_cast<std::size_t>(name - 'A')];
      appenders_.push_back(std::make_shared<Appender>(client, kLog, name, cluster_.clock, random_()));
      start(appenders_.back());
    }
    logReader_ = std::make_shared<LogReader>(clients_[1], kLog, cluster_.clock, random_());
    start(logReader_);
  }
  if (small) {
    smallFiles_ =
        std::make_shared<SmallFiles>(clients_[0], cluster_.clock, random_(), [this] { return faults_.mayBeFull(); });
    start(smallFiles_);
  }
}

bool RandomRun::clientsEnded() const {
  return recording_ == 0 && std::all_of(appenders_.begin(), appenders_.end(), [](auto& one) { return one->ended(); }) &&
         (!smallFiles_ || smallFiles_->ended());
}

void RandomRun::end() {
  finish_ = true;
  for (auto& appender : appenders_) appender->stop();
  if (smallFiles_) smallFiles_->stop();
  if (!cluster_.until([this] { return clientsEnded(); }, kPatience)) complain("a writer hangs");
  if (healthy() && !cluster_.until([this] { return allWhole() && allSealed(); }, kPatience)) {
    complain("not every file is closed with all its copies");
  }
  for (auto& follower : followers_) follower->stop();
  if (logReader_) logReader_->stop();
  const auto quiet = [this] {
    return std::all_of(followers_.begin(), followers_.end(), [](auto& one) { return one->ended(); }) &&
           (!logReader_ || logReader_->ended());
  };
  if (!cluster_.until(quiet, kPatience)) complain("a reader hangs");
  cluster_.until([this] { return sealedOnDisks(); }, kPatience);
  if (healthy()) checkAll();
}

bool RandomRun::healthy() {
  const auto content = [](const auto& one) { return one->complaints.empty(); };
  return complaints_.empty() && std::all_of(writers_.begin(), writers_.end(), content) &&
         std::all_of(followers_.begin(), followers_.end(), content) &&
         std::all_of(appenders_.begin(), appenders_.end(), content) && (!logReader_ || content(logReader_)) &&
         (!smallFiles_ || content(smallFiles_));
}

// ---- what clients do

Task<void> RandomRun::record(std::shared_ptr<Writer> writer, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  try {
    co_await writer->open();
    journal_.note(writer->path() + " opened");
    while (!finish_) {
      co_await oneChange(writer, &random);
      co_await cluster_.clock.sleep(std::chrono::milliseconds(random() % 60));
    }
    if (!writer->isOpen()) co_await writer->open();
    co_await writer->checkOwnView();
    co_await writer->close();
    journal_.note(writer->path() + " closed at " + std::to_string(writer->model.size()));
  } catch (const Error& error) {
    complain("writing " + writer->path() + " failed: " + error.what());
  }
  --recording_;
}

Task<void> RandomRun::oneChange(std::shared_ptr<Writer> writer, std::mt19937_64* random) {
  if (!writer->isOpen()) co_await writer->open();
  const std::uint64_t size = writer->model.size();
  const std::uint64_t kind = (*random)() % 40;
  const char* what = "write";
  if (kind < 24 && size < kLargest) {
    co_await writer->append(1 + (*random)() % 12'000);
  } else if (kind < 30 && size > 0) {
    co_await writer->write((*random)() % size, 1 + (*random)() % 8'000);
  } else if (kind < 34) {
    what = "flush";
    co_await writer->flush();
  } else if (kind < 36) {
    what = "sync";
    co_await writer->sync();
  } else if (kind < 37 || size >= kLargest) {
    what = "truncate";
    co_await writer->truncate(size == 0 ? 0 : (*random)() % size);
  } else if (kind < 38) {
    what = "own view";
    co_await writer->checkOwnView();
  } else if (kind < 39) {
    what = "close";
    co_await writer->close();
  }
  journal_.note(writer->path() + " " + what + " " + std::to_string(writer->model.size()));
}

// ---- what must hold

std::vector<InodeId> RandomRun::inodes() const {
  std::vector<InodeId> all;
  for (auto& writer : writers_) all.push_back(writer->inode());
  if (!appenders_.empty()) {
    const InodeId log = std::max(appenders_[0]->inode(), appenders_[1]->inode());
    if (log != 0) all.push_back(log);
  }
  if (smallFiles_) {
    for (const auto& one : smallFiles_->closed) all.push_back(one.inode);
  }
  return all;
}

// The loss of one server is survived when there are all copies: only then the next thing breaks.
bool RandomRun::allWhole() {
  const std::vector<InodeId> all = inodes();
  return std::all_of(all.begin(), all.end(), [this](InodeId inode) { return inode != 0 && cluster_.whole(inode); });
}

bool RandomRun::allSealed() {
  const std::vector<InodeId> all = inodes();
  // Recovered: a writer could not be heard of for a lease, and closed it afterwards.
  return std::all_of(all.begin(), all.end(),
                     [this](InodeId inode) { return cluster_.entry(inode).attr.state != FileState::open; });
}

// A server that starts anew believes its own disk, and takes what is open there for a recording that goes on.
bool RandomRun::sealedOnDisks() {
  const std::vector<InodeId> all = inodes();
  return std::all_of(all.begin(), all.end(), [this](InodeId inode) { return openOnDisks(inode).empty(); });
}

std::vector<int> RandomRun::openOnDisks(InodeId inode) {
  std::vector<int> open;
  for (int n : cluster_.inSync(inode)) {
    const auto replica = cluster_.disk(n).load(inode);
    if (replica && replica->meta.state == FileState::open) open.push_back(n);
  }
  return open;
}

void RandomRun::checkCoordinators() {
  if (cluster_.coordinators() > 1) complain("two trackers believe to be the coordinator");
}

// A replica that is behind may be all that is left one day: if it has gaps it must say so on its disk.
void RandomRun::checkGaps() {
  for (const auto& writer : writers_) {
    const InodeId inode = writer->inode();
    if (inode == 0) continue;
    const Layout layout = cluster_.entry(inode).layout;
    for (const Replica& replica : layout.replicas) {
      if (replica.state == ReplicaState::inSync) continue;
      const int n = static_cast<int>(replica.storage);
      const auto stored = cluster_.disk(n).load(inode);
      const bool heard = stored && stored->meta.epoch == layout.epoch;
      if (!heard || stored->meta.mayHaveGaps()) continue;
      if (cluster_.content(n, inode).find('\0') < stored->stat.size) {
        complain(writer->path() + " on s" + std::to_string(n) + " has a gap, and does not say so");
      }
    }
  }
}

void RandomRun::checkAll() {
  for (auto& writer : writers_) checkReplicas(writer->inode(), writer->path(), writer->model.bytes());
  if (smallFiles_) {
    for (const auto& one : smallFiles_->closed) {
      checkReplicas(one.inode, "small file " + std::to_string(one.inode), one.bytes);
    }
  }
  if (!appenders_.empty()) checkLog();
}

void RandomRun::checkLog() {
  const InodeId inode = appenders_[0]->inode();
  std::map<char, std::uint64_t> written{{'A', appenders_[0]->written()}, {'B', appenders_[1]->written()}};
  const std::string text = cluster_.content(cluster_.primary(inode), inode);
  const std::string wrong = judgeLog(text, written);
  if (!wrong.empty()) complain(std::string(kLog) + ": " + wrong);
  checkReplicas(inode, kLog, text);
}

void RandomRun::checkReplicas(InodeId inode, const std::string& name, const std::string& expected) {
  const Entry entry = cluster_.entry(inode);
  if (entry.attr.size != expected.size()) {
    complain(name + " has " + std::to_string(entry.attr.size) + " bytes in the catalog instead of " +
             std::to_string(expected.size()));
  }
  for (int n : cluster_.inSync(inode)) {
    const std::string wrong = difference(cluster_.content(n, inode), expected);
    if (!wrong.empty()) complain(name + " on s" + std::to_string(n) + ": " + wrong);
    const auto stored = cluster_.disk(n).load(inode);
    if (stored && stored->meta.partial) complain(name + " on s" + std::to_string(n) + " is in sync, and partial");
  }
  checkTimes(inode, name);
  for (int n : openOnDisks(inode)) complain(name + " is sealed, and open on the disk of s" + std::to_string(n));
}

// By its mtime and size a file's content is known, whichever server tells them.
void RandomRun::checkTimes(InodeId inode, const std::string& name) {
  std::set<std::int64_t> times;
  for (int n : cluster_.inSync(inode)) {
    const auto replica = cluster_.disk(n).load(inode);
    if (replica && replica->meta.state == FileState::closed) times.insert(replica->meta.mtimeNs);
  }
  if (times.size() > 1) complain(name + " has another mtime on each of its servers");
}

void RandomRun::complain(std::string what) {
  journal_.note("COMPLAINT " + what);
  complaints_.push_back(std::move(what));
}

// What the actors have noticed.
void RandomRun::collect() {
  const auto take = [this](const auto& actor) {
    for (auto& complaint : actor->complaints) complain(complaint);
  };
  for (auto& writer : writers_) take(writer);
  for (auto& follower : followers_) {
    take(follower);
    journal_.note("followed " + std::to_string(follower->reads) + " reads, " + std::to_string(follower->bytes));
  }
  for (auto& appender : appenders_) take(appender);
  if (logReader_) take(logReader_);
  if (smallFiles_) take(smallFiles_);
}

void RandomRun::describe(InodeId inode) {
  if (inode == 0) return;
  const Entry entry = cluster_.entry(inode);
  std::string text = "inode " + std::to_string(inode) + " state " + std::to_string(static_cast<int>(entry.attr.state)) +
                     " size " + std::to_string(entry.attr.size) + " epoch " + std::to_string(entry.layout.epoch);
  for (const Replica& replica : entry.layout.replicas) {
    const int n = static_cast<int>(replica.storage);
    text += " [s" + std::to_string(n) + " state " + std::to_string(static_cast<int>(replica.state)) + ", " +
            std::to_string(cluster_.content(n, inode).size()) + " bytes]";
  }
  journal_.note(text);
}

}  // namespace vcfs::sim
