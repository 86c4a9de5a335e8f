#include "tests/sim/faults.h"

#include <cstdlib>

namespace vcfs::sim {

namespace {
constexpr Duration kGivenUp = 1500ms;  // a ping, or a connection that is being made, is waited for
}

Faults::Faults(SimCluster& cluster, Journal& journal, std::mt19937_64& random, int servers, int trackers, bool splits)
    : cluster_(cluster),
      journal_(journal),
      random_(random),
      servers_(servers),
      trackers_(trackers),
      splits_(splits),
      hard_(std::getenv("VCFS_SIM_HARD") != nullptr) {}

// Shorter than what a client waits for.
TimePoint Faults::soon() {
  return cluster_.clock.now() + std::chrono::milliseconds(draw(2) == 0 ? draw(300) : draw(8000));
}

bool Faults::lately(const std::optional<TimePoint>& until, Duration ago) const {
  return until && cluster_.clock.now() - *until < ago;
}

bool Faults::mayBeFull() const { return lately(full_, 3s); }
bool Faults::diskRefuses() const { return lately(disk_, 3s); }
bool Faults::mayLag(const std::string& client) const {
  return (alone_ == client && lately(split_, 5s)) || (lately(cutOff_, 5s) && lately(database_, 5s));
}

void Faults::step(const std::function<bool()>& whole) {
  const bool anyTracker = (deadTracker_ == 0 || trackers_ > 1) && !cluster_.database().away;
  const bool calm = !broken_ && cluster_.clock.now() >= noticedAt_;
  if (calm && draw(hard_ ? 5 : 25) == 0 && anyTracker) {
    const bool spare = whole();
    if (darkens_ && draw(3) == 0) {
      blackout();
    } else if (spare || (overlapping_ && !diskRefuses()))
      strike(spare);
  }
  if (broken_ && cluster_.clock.now() >= mendAt_) mend();
  if (deadTracker_ == 0 && draw(hard_ ? 60 : 200) == 0) strikeTracker();
  if (deadTracker_ != 0 && cluster_.clock.now() >= trackerMendAt_ && !databaseFails_) mendTracker();
  if (!databaseFails_ && draw(hard_ ? 60 : 250) == 0) strikeDatabase();
  if (databaseFails_ && cluster_.clock.now() >= databaseMendAt_) mendDatabase();
}

void Faults::mendAll() {
  if (broken_) mend();
  if (databaseFails_) mendDatabase();
  if (deadTracker_ != 0) mendTracker();
}

Duration Faults::delayOf(const std::string& from, const std::string& to) const {
  Duration delay{};
  for (const std::string& host : {from, to}) {
    if (auto found = slow_.find(host); found != slow_.end()) delay += found->second;
  }
  return delay;
}

void Faults::strike(bool spare) {
  broken_ = true;
  network_ = false;
  mendAt_ = soon();
  const int server = 1 + static_cast<int>(draw(static_cast<std::size_t>(servers_)));
  if (!spare) return strikeLast(server);
  if (pairs_ && draw(3) == 0) return strikeTwo(server);
  if (splits_ && draw(2) == 0) return split(server);
  switch (draw(11)) {
    case 0:
    case 1:
      return strikeNetwork();
    case 2:
    case 3:
    case 4:
      return strikeDisk(server);
    case 5:
      return split(server);
    default:
      return strikeServer(server);
  }
}

void Faults::blackout() {
  journal_.note("every server loses power");
  broken_ = true;
  network_ = false;
  mendAt_ = soon();
  ++blackouts_;
  for (int n = 1; n <= servers_; ++n) cluster_.losePower(n);
}

// Of the first one, and another one.
void Faults::strikeTwo(int n) {
  const int other = 1 + (n - 1 + 1 + static_cast<int>(draw(static_cast<std::size_t>(servers_ - 1)))) % servers_;
  journal_.note("two at once:");
  const bool silent = draw(2) == 0;
  for (int one : {n, other}) {
    const std::string name = "s" + std::to_string(one);
    if (draw(3) == 0) {
      crash(one);
    } else if (silent) {
      journal_.note(name + " loses power in silence");
      network_ = true;
      dark_.insert(one);
      cluster_.hang(name);
    } else {
      journal_.note(name + " loses power");
      cluster_.losePower(one);
    }
  }
}

// As a machine without power: whoever waits for it hears nothing until it is back.
void Faults::endSilence() {
  for (int one : std::exchange(dark_, {})) {
    cluster_.losePower(one);
    cluster_.goOn("s" + std::to_string(one));
  }
}

// It may be the only one that has everything: what it has got stays there, and it comes back.
void Faults::strikeLast(int n) {
  switch (draw(4)) {
    case 0:
      return crash(n);
    case 1:
      return cutOff(n);
    case 2:
      return hang("s" + std::to_string(n));
    default:
      return strikeNetwork();
  }
}

void Faults::crash(int n) {
  journal_.note("s" + std::to_string(n) + " dies");
  cluster_.crashStorage(n);
}

void Faults::cutOff(int n) {
  const std::string name = "s" + std::to_string(n);
  journal_.note(name + " is cut off");
  network_ = true;
  cutOff_ = mendAt_;
  cluster_.cutOff(name);
}

// Nobody is told, and when it goes on it does what it was about to do.
void Faults::hang(const std::string& host) {
  journal_.note(host + " hangs");
  network_ = true;
  hanging_ = host;
  cluster_.hang(host);
}

void Faults::strikeServer(int n) {
  const std::string name = "s" + std::to_string(n);
  switch (draw(8)) {
    case 0:
    case 1:
      return crash(n);
    case 2:
    case 3:
      journal_.note(name + " loses power");
      return cluster_.losePower(n);
    case 4:
      return cutOff(n);
    case 5:
    case 6:
      return hang(name);
    default:
      network_ = true;
      slow_[name] = std::chrono::milliseconds(10 + draw(900));
      journal_.note(name + " is slow by ms " + std::to_string(slow_[name].count() / 1'000'000));
  }
}

void Faults::strikeDisk(int n) {
  disk_ = mendAt_;
  DiskFaults& faults = cluster_.faults(n);
  faults.oneIn = draw(2) == 0 ? 1 : 1 + static_cast<unsigned>(draw(5));
  const char* what = "";
  switch (draw(5)) {
    case 0:
      faults.writes = Errc::io;
      what = "writes fail";
      break;
    case 1:
      faults.writes = Errc::noSpace;
      full_ = mendAt_;
      what = "is full";
      break;
    case 2:
      faults.reads = Errc::io;
      what = "reads fail";
      break;
    case 3:
      faults.syncs = Errc::io;
      what = "syncs fail";
      break;
    default:
      faults.delay = std::chrono::milliseconds(1 + draw(400));
      what = "is slow";
  }
  journal_.note("disk of s" + std::to_string(n) + " " + what + ", one in " + std::to_string(faults.oneIn));
}

void Faults::strikeNetwork() {
  const auto hosts = cluster_.hostNames();
  const std::string a = hosts[draw(hosts.size())];
  const std::string b = hosts[draw(hosts.size())];
  if (a == b) return;
  network_ = true;
  const bool oneWay = draw(2) == 0;
  journal_.note((oneWay ? "cut from " : "cut ") + a + " " + b);
  if (oneWay) {
    cluster_.cutOneWay(a, b);
  } else {
    cluster_.cut(a, b);
  }
}

// A switch fails: a server and one client hear each other and the other servers, but neither the trackers nor the other
// client do. The server is replaced as the primary, and that client does not learn it.
void Faults::split(int server) {
  const std::string name = "s" + std::to_string(server);
  const bool first = draw(2) == 0;
  const std::string client = first ? "c1" : "c2";
  journal_.note(name + " and " + client + " are cut off from trackers and the other client");
  network_ = true;
  alone_ = client;
  split_ = mendAt_;
  for (int t = 1; t <= trackers_; ++t) {
    cluster_.cut(name, "t" + std::to_string(t));
    cluster_.cut(client, "t" + std::to_string(t));
  }
  cluster_.cut(name, first ? "c2" : "c1");
}

void Faults::strikeTracker() {
  deadTracker_ = 1 + static_cast<int>(draw(static_cast<std::size_t>(trackers_)));
  trackerHangs_ = draw(2) == 0;
  trackerMendAt_ = soon();
  const std::string name = "t" + std::to_string(deadTracker_);
  journal_.note(name + (trackerHangs_ ? " hangs" : " dies"));
  if (trackerHangs_) {
    cluster_.hang(name);
  } else {
    cluster_.crashTracker(deadTracker_);
  }
}

void Faults::strikeDatabase() {
  databaseFails_ = true;
  databaseMendAt_ = soon();
  database_ = databaseMendAt_;
  CatalogFaults& database = cluster_.database();
  const auto oneIn = static_cast<unsigned>(1 + draw(4));
  switch (draw(3)) {
    case 0:
      journal_.note("the database is away");
      database.away = true;
      break;
    case 1:
      journal_.note("answers to COMMIT are lost");
      database.repeatOneIn = oneIn;
      break;
    default:
      journal_.note("the database commits late");
      database.lateOneIn = oneIn + 1;
  }
}

void Faults::mendDatabase() {
  journal_.note("the database is well");
  databaseFails_ = false;
  cluster_.database() = CatalogFaults();
}

void Faults::mend() {
  journal_.note("mended");
  broken_ = false;
  if (network_) noticedAt_ = cluster_.clock.now() + kGivenUp;
  slow_.clear();
  cluster_.healAll();
  if (!hanging_.empty()) cluster_.goOn(std::exchange(hanging_, ""));
  endSilence();
  for (int n = 1; n <= servers_; ++n) {
    cluster_.faults(n) = DiskFaults();
    if (!cluster_.storageRuns(n)) cluster_.startStorage(n);
  }
}

void Faults::mendTracker() {
  journal_.note("t" + std::to_string(deadTracker_) + " is back");
  const int back = std::exchange(deadTracker_, 0);
  if (trackerHangs_) {
    cluster_.goOn("t" + std::to_string(back));
  } else {
    cluster_.startTracker(back);
  }
}

}  // namespace vcfs::sim
