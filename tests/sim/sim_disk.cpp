#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <deque>

namespace vcfs::sim {

using storage::ReplicaMeta;

namespace {

class ProcessFile final : public storage::ReplicaFile {
 public:
  ProcessFile(std::shared_ptr<ProcessDisk::State> state, InodeId inode)
      : state_(std::move(state)), file_(state_->disk.file(inode)) {}

  bool isOpen() const override { return true; }
  void create(const ReplicaMeta& meta, const std::string& user, const std::string& name) override {
    check(state_->faults->writes);
    file_->create(meta, user, name);
  }
  void writeMeta(const ReplicaMeta& meta) override {
    // Attributes have their room already.
    check(state_->faults->writes == Errc::noSpace ? Errc::ok : state_->faults->writes);
    file_->writeMeta(meta);
  }
  void pwrite(std::span<const std::byte> data, std::uint64_t offset) override;
  std::size_t pread(std::span<std::byte> into, std::uint64_t offset) override {
    check(state_->faults->reads);
    return file_->pread(into, offset);
  }
  std::optional<std::size_t> tryPread(std::span<std::byte> into, std::uint64_t offset) override {
    state_->use();
    if (state_->faults->any()) return std::nullopt;
    return file_->tryPread(into, offset);
  }
  void sync() override;
  void dropCache() override {
    state_->use();
    file_->dropCache();
  }
  void truncate(std::uint64_t size) override {
    check(state_->faults->writes == Errc::noSpace ? Errc::ok : state_->faults->writes);
    file_->truncate(size);
  }
  void allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) override {
    check(state_->faults->writes);
    file_->allocate(offset, length, mode);
  }
  std::optional<std::uint64_t> seek(std::uint64_t offset, bool hole) override {
    state_->use();
    return file_->seek(offset, hole);
  }
  storage::FileStat stat() override {
    state_->use();
    return file_->stat();
  }

 private:
  void check(Errc fault) const {
    state_->use();
    if (state_->struck(fault)) throw Error(fault, "drawn");
  }

  std::shared_ptr<ProcessDisk::State> state_;
  std::shared_ptr<storage::ReplicaFile> file_;
};

// Where it fails, part of it may have been written over what was there; nothing is added behind the end.
void ProcessFile::pwrite(std::span<const std::byte> data, std::uint64_t offset) {
  state_->use();
  const Errc fault = state_->faults->writes;
  if (fault == Errc::ok) return file_->pwrite(data, offset);
  const std::uint64_t size = file_->stat().size;
  const bool fits = offset + data.size() <= size;
  if ((fault == Errc::noSpace && fits) || !state_->struck(fault)) return file_->pwrite(data, offset);
  const std::uint64_t there = offset < size ? std::min<std::uint64_t>(size - offset, data.size()) : 0;
  if (there != 0) file_->pwrite(data.first(state_->random() % (there + 1)), offset);
  throw Error(fault, "drawn");
}

void ProcessFile::sync() {
  state_->use();
  const Errc fault = state_->faults->syncs;
  if (!state_->struck(fault)) return file_->sync();
  state_->disk.failSyncs(fault);
  try {
    file_->sync();
  } catch (const Error&) {
    state_->disk.failSyncs(Errc::ok);
    throw;
  }
}

}  // namespace

void ProcessDisk::State::use() const {
  if (!alive) throw Error(Errc::io, "this process is dead");
}

ProcessDisk::ProcessDisk(storage::MemoryStore& disk, std::shared_ptr<const DiskFaults> faults, std::uint64_t seed)
    : state_(std::make_shared<State>(State{disk, std::move(faults), std::mt19937_64(seed)})),
      machineStayedUp_(disk.machineStayedUp()),
      powerLosses_(disk.powerLosses()) {}

std::shared_ptr<storage::ReplicaFile> ProcessDisk::file(InodeId inode) {
  return std::make_shared<ProcessFile>(state_, inode);
}

std::optional<storage::LoadedReplica> ProcessDisk::load(InodeId inode) {
  state_->use();
  return state_->disk.load(inode);
}

bool ProcessDisk::remove(InodeId inode) {
  state_->use();
  return state_->disk.remove(inode);
}

void ProcessDisk::scan(const std::function<void(InodeId)>& visit) {
  state_->use();
  state_->disk.scan(visit);
}

storage::DiskSpace ProcessDisk::space() {
  state_->use();
  storage::DiskSpace space = state_->disk.space();
  if (state_->faults->writes == Errc::noSpace) space.freeBytes = 0;
  return space;
}

void ProcessDisk::syncAll() {
  state_->use();
  const Errc fault = state_->faults->syncs;
  if (!state_->struck(fault)) return state_->disk.syncAll();
  state_->disk.failSyncs(fault);
  try {
    state_->disk.syncAll();
  } catch (const Error&) {
    state_->disk.failSyncs(Errc::ok);
    throw;
  }
}

// The list is on the same disk. What is in it needs no room.
void ProcessDisk::markActive(InodeId inode) {
  if (!state_->alive) return;
  const std::vector<InodeId> listed = state_->disk.activeFiles();
  if (std::binary_search(listed.begin(), listed.end(), inode)) return;
  if (state_->struck(state_->faults->writes)) throw Error(state_->faults->writes, "drawn");
  state_->disk.markActive(inode);
}

void ProcessDisk::markStable(const std::vector<InodeId>& inodes) {
  if (!state_->alive) return;
  if (state_->struck(state_->faults->writes)) throw Error(state_->faults->writes, "drawn");
  state_->disk.markStable(inodes);
}

void ProcessDisk::syncActiveList() {
  state_->use();
  state_->disk.syncActiveList();
}

void ProcessDisk::setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) {
  if (state_->alive) state_->disk.setIdentity(id, cluster, uuid);
}

namespace {

class SimPool final : public BlockingPool {
 public:
  SimPool(asio::io_context& io, Clock& clock, std::function<Duration()> takes)
      : io_(io), state_(std::make_shared<State>(State{clock, std::move(takes), {}, nullptr})) {}

  void submit(std::function<void()> job, std::function<void()> done) override {
    state_->jobs.emplace_back(std::move(job), std::move(done));
    if (state_->jobs.size() == 1) next(state_);
  }
  std::size_t queued() const override { return state_->jobs.size(); }
  asio::io_context& loop() override { return io_; }

 private:
  struct State {
    Clock& clock;
    std::function<Duration()> takes;
    std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs;
    std::unique_ptr<Clock::Timer> timer;
  };
  static void next(const std::shared_ptr<State>& state) {
    // The timer holds the state, and a job in it may hold the pool's owner: until the queue is empty.
    state->timer = state->clock.callAt(state->clock.now() + state->takes(), [state] { turn(state); });
  }
  static void turn(std::shared_ptr<State> state) {
    const std::unique_ptr<Clock::Timer> passed = std::move(state->timer);
    auto job = std::move(state->jobs.front());
    job.first();
    if (job.second) job.second();
    state->jobs.pop_front();
    if (!state->jobs.empty()) next(state);
  }

  asio::io_context& io_;
  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<BlockingPool> makeSimPool(asio::io_context& io, Clock& clock, std::function<Duration()> takes) {
  return std::make_unique<SimPool>(io, clock, std::move(takes));
}

std::function<Duration()> usualDiskTime(std::mt19937_64& random) {
  if (random() % 3 == 0) return nullptr;
  return [&random]() -> Duration {
    const std::uint64_t kind = random() % 50;
    if (kind == 0) return std::chrono::milliseconds(random() % 60);
    return std::chrono::microseconds(kind < 40 ? 30 + random() % 100 : random() % 3000);
  };
}

}  // namespace vcfs::sim
