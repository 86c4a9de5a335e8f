#include "tests/sim/random_run.h"

#include <cstdlib>

namespace vcfs::sim {

namespace {

constexpr std::uint64_t kLargest = 300'000;  // bytes of a file
constexpr Duration kPatience = 60s;          // for everything to be well again after the last repair

std::string inWords(const Error& error) { return error.what(); }

}  // namespace

RandomRun::RandomRun(std::uint64_t seed)
    : hard_(std::getenv("VCFS_SIM_HARD") != nullptr),
      random_(seed * 0x9E3779B97F4A7C15ull + 1),
      servers_(draw(4) == 0 ? 2 : 3),
      cluster_(servers_, seed),
      journal_(cluster_) {
  const auto usual = std::chrono::microseconds(20 + draw(400));
  cluster_.network.setDelay([this, usual](const std::string& from, const std::string& to) {
    Duration delay = usual + std::chrono::microseconds(draw(200));
    for (const std::string& host : {from, to}) {
      if (auto found = slow_.find(host); found != slow_.end()) delay += found->second;
    }
    return delay;
  });
}

void RandomRun::run() {
  auto first = cluster_.connect("c1");
  auto second = cluster_.connect("c2");
  const std::size_t files = 1 + draw(2);
  for (std::size_t i = 0; i < files; ++i) {
    auto& own = i == 0 ? first : second;
    auto& other = i == 0 ? second : first;
    writers_.push_back(std::make_shared<Writer>(own, "/file" + std::to_string(i)));
    writers_.back()->onCall = [this, path = writers_.back()->path()](const std::string& what) {
      journal_.note(path + " calls " + what);
    };
    followers_.push_back(std::make_shared<Follower>(other, writers_.back(), cluster_.clock, random_()));
    ++recording_;
    asio::co_spawn(cluster_.io, record(writers_.back(), random_()), asio::detached);
    asio::co_spawn(cluster_.io, followers_.back()->run(), asio::detached);
  }
  const TimePoint end = cluster_.clock.now() + std::chrono::seconds(5 + draw(15));
  while (cluster_.clock.now() < end && healthy()) {
    cluster_.advance(std::chrono::milliseconds(1 + draw(20)));
    if (!broken_ && draw(25) == 0 && allWhole()) breakSomething();
    if (broken_ && cluster_.clock.now() >= mendAt_) mend();
  }
  if (broken_) mend();
  finish_ = true;
  if (!cluster_.until([&] { return recording_ == 0; }, kPatience)) complain("a writer hangs");
  if (complaints_.empty() && !cluster_.until([&] { return allWhole() && allSealed(); }, kPatience)) {
    complain("not every file is closed with two copies");
  }
  for (auto& follower : followers_) follower->stop();
  if (!cluster_.until(
          [&] { return std::all_of(followers_.begin(), followers_.end(), [](auto& f) { return f->ended(); }); },
          kPatience)) {
    complain("a reader hangs");
  }
  if (complaints_.empty()) checkReplicas();
  for (auto& writer : writers_) {
    for (auto& complaint : writer->complaints) complain(complaint);
  }
  for (auto& follower : followers_) {
    for (auto& complaint : follower->complaints) complain(complaint);
    journal_.note("followed " + std::to_string(follower->reads) + " reads, " + std::to_string(follower->bytes));
  }
  if (!complaints_.empty()) {
    for (auto& writer : writers_) describe(writer->inode());
  }
  cluster_.run(first->shutdown());
  cluster_.run(second->shutdown());
}

bool RandomRun::healthy() const {
  const auto content = [](const auto& one) { return one->complaints.empty(); };
  return complaints_.empty() && std::all_of(writers_.begin(), writers_.end(), content) &&
         std::all_of(followers_.begin(), followers_.end(), content);
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
    complain("writing " + writer->path() + " failed: " + inWords(error));
  }
  --recording_;
}

Task<void> RandomRun::oneChange(std::shared_ptr<Writer> writer, std::mt19937_64* random) {
  if (!writer->isOpen()) {
    const Duration pause = std::chrono::milliseconds(hard_ ? 0 : 300);
    co_await cluster_.clock.sleep(pause);
    co_await writer->open();
  }
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

// ---- what happens to servers

void RandomRun::breakSomething() {
  broken_ = true;
  // Shorter than what a client waits for.
  mendAt_ = cluster_.clock.now() + std::chrono::milliseconds(draw(2) == 0 ? draw(300) : draw(8000));
  switch (draw(10)) {
    case 0:
      journal_.note("tracker dies");
      cluster_.crashTracker();
      break;
    case 1:
      journal_.note("tracker is cut off");
      cluster_.cutOff("t1");
      break;
    case 2:
    case 3:
      breakNetwork();
      break;
    default:
      breakServer(1 + static_cast<int>(draw(static_cast<std::size_t>(servers_))));
      break;
  }
}

void RandomRun::breakServer(int n) {
  const std::string name = "s" + std::to_string(n);
  switch (draw(hard_ ? 6 : 5)) {
    case 0:
    case 1:
      journal_.note(name + " dies");
      cluster_.crashStorage(n);
      break;
    case 2:
      journal_.note(name + " loses power");
      cluster_.crashStorage(n);
      cluster_.disk(n).losePower();
      break;
    case 3:
      journal_.note(name + " is cut off");
      cluster_.cutOff(name);
      break;
    case 4:
      slow_[name] = std::chrono::milliseconds(10 + draw(900));
      journal_.note(name + " is slow by ns " + std::to_string(slow_[name].count()));
      break;
    default:
      journal_.note(name + " has a bad disk");
      brokenDisk_ = n;
      cluster_.disk(n).failWrites(Errc::io);
      break;
  }
}

void RandomRun::breakNetwork() {
  const auto hosts = cluster_.hostNames();
  const std::string a = hosts[draw(hosts.size())];
  const std::string b = hosts[draw(hosts.size())];
  if (a == b) return;
  const bool oneWay = draw(3) == 0;
  journal_.note((oneWay ? "cut from " : "cut ") + a + " " + b);
  if (oneWay) {
    cluster_.cutOneWay(a, b);
  } else {
    cluster_.cut(a, b);
  }
}

void RandomRun::mend() {
  journal_.note("mended");
  broken_ = false;
  slow_.clear();
  cluster_.healAll();
  if (brokenDisk_ != 0) cluster_.disk(std::exchange(brokenDisk_, 0)).failWrites(Errc::ok);
  if (!cluster_.trackerRuns()) cluster_.startTracker();
  for (int n = 1; n <= servers_; ++n) {
    if (!cluster_.storageRuns(n)) cluster_.startStorage(n);
  }
}

// ---- what must hold

// The loss of one server is survived when there are two copies: only then the next thing breaks.
bool RandomRun::allWhole() {
  return std::all_of(writers_.begin(), writers_.end(),
                     [this](auto& writer) { return writer->inode() != 0 && cluster_.whole(writer->inode()); });
}

bool RandomRun::allSealed() {
  return std::all_of(writers_.begin(), writers_.end(),
                     [this](auto& writer) { return cluster_.entry(writer->inode()).attr.state == FileState::closed; });
}

void RandomRun::checkReplicas() {
  for (auto& writer : writers_) {
    const Entry entry = cluster_.entry(writer->inode());
    if (entry.attr.size != writer->model.size()) {
      complain(writer->path() + " has " + std::to_string(entry.attr.size) + " bytes in the catalog instead of " +
               std::to_string(writer->model.size()));
    }
    for (int n : cluster_.inSync(writer->inode())) {
      const std::string wrong = difference(cluster_.content(n, writer->inode()), writer->model.bytes());
      if (!wrong.empty()) complain(writer->path() + " on s" + std::to_string(n) + ": " + wrong);
    }
  }
}

void RandomRun::complain(std::string what) {
  journal_.note("COMPLAINT " + what);
  complaints_.push_back(std::move(what));
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
