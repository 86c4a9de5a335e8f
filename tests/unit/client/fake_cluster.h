#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "schema/convert.h"
#include "vcfs/cluster.h"

// Trackers and storage servers that are just clever enough for the client's tests, on an in-memory network and a clock
// moved by hand. Servers of one FakeCluster share its state: what is tested is the client alone.
namespace vcfs::client {

class FakeCluster;

struct FakeFile {
  Attr attr;
  Layout layout;
  std::string name;
};

// One replica.
struct FakeReplica {
  std::string bytes;
  Epoch epoch = 0;
  FileState state = FileState::none;
  std::map<std::uint64_t, std::uint64_t> executed;  // client → sequence
  std::uint64_t changeId = 1;
  std::int64_t mtimeNs = 0;
};

struct FakeStorage {
  StorageId id = 0;
  std::string host;
  std::string address;
  std::map<InodeId, FakeReplica> replicas;
  std::unique_ptr<rpc::Server> server;
  bool knowsLayouts = true;  // false: answers needLayout to calls without one
  bool tellsLayouts = true;  // false: refuses calls of an old epoch without the present layout
  Errc refuse = Errc::ok;    // every write is answered with this
  Errc refuseOpens = Errc::ok;
  Errc refuseReads = Errc::ok;
  std::uint64_t powerLoss = 0;   // of all its files
  std::string uuid;              // of its cluster
  bool silent = false;           // executes and never answers
  bool hanging = false;          // not even pings are answered
  bool ownTimes = false;         // what writers tell of the time does not count
  Duration pongAfter{};          // how late a ping is answered
  unsigned refusals = UINT_MAX;  // how many times `refuse` is said
  int writes = 0, reads = 0, closes = 0, syncs = 0, opens = 0, stats = 0, layoutsSeen = 0, hellos = 0;
  std::vector<std::uint64_t> writeLengths;
  std::vector<std::uint16_t> writeFlags;
  std::vector<std::uint64_t> writeFirsts;  // Writer.first
  std::vector<std::uint64_t> readOffsets;
  std::vector<std::int64_t> writtenTimes;  // of writes and truncates, repeats too
};

struct FakeTracker {
  std::string host;
  std::string address;
  std::unique_ptr<rpc::Server> server;
  std::string uuid;  // of its cluster
  bool hanging = false;
  Errc refuse = Errc::ok;
  unsigned refusals = UINT_MAX;
  bool loseAnswers = false;  // executes mutations, then drops the connection
  int calls = 0, reports = 0, reportCalls = 0, unasked = 0, pins = 0, pinCalls = 0, opensForWrite = 0, syncs = 0,
      creates = 0;
  std::vector<LockType> locks;  // as they were taken and given up
  bool holdLocks = false;       // executes setLock and answers when `heldLocks` are fulfilled
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> heldLocks;
  std::vector<schema::Watcher::Client> watchers;
};

class FakeCluster {
 public:
  explicit FakeCluster(int storages = 2, int trackers = 1);
  ~FakeCluster();

  // Moves the clock until `done` or `limit` has passed, and says which.
  bool until(std::function<bool()> done, Duration limit = std::chrono::seconds(60));
  void advance(Duration duration) { clock.advance(duration); }
  // Runs a coroutine to its end and returns what it returns or throws.
  template <class T>
  T run(Task<T> task, Duration limit = std::chrono::seconds(120));
  void run(Task<void> task, Duration limit = std::chrono::seconds(120));
  Errc failure(Task<void> task);  // the same; what it threw, or ok

  std::shared_ptr<Cluster> connect(ClusterOptions options = {});
  ClusterOptions options() const;

  FakeStorage& storage(StorageId id) { return *storages[id - 1]; }
  FakeTracker& tracker(int index = 0) { return *trackers[static_cast<std::size_t>(index)]; }
  void killStorage(StorageId id);
  void startStorage(StorageId id);
  void killTracker(int index);
  void startTracker(int index);
  // A file as if another client had made it.
  Entry makeFile(const std::string& name, const std::string& bytes, FileState state);
  FakeFile& file(InodeId inode) { return files.at(inode); }
  const std::string& bytes(StorageId id, InodeId inode) { return storage(id).replicas[inode].bytes; }
  // What reportFailure does.
  void fail(InodeId inode, Epoch epoch, StorageId storage);
  void tell(const Change& change);

  asio::io_context io{1};
  rpc::KjLoop kj{io};
  ManualClock clock{io};
  MemoryNetwork network{io, clock};
  MemoryTransport clientTransport{network, "client"};
  Runtime runtime{io, clock, clientTransport, std::mt19937_64(7)};
  std::vector<std::unique_ptr<FakeStorage>> storages;
  std::vector<std::unique_ptr<FakeTracker>> trackers;
  std::map<InodeId, FakeFile> files;
  std::map<std::pair<std::uint64_t, std::uint64_t>, InodeId> requests;  // executed creates by RequestId
  InodeId nextInode = 1024;
  std::vector<std::unique_ptr<MemoryTransport>> transports;
  std::vector<std::unique_ptr<Runtime>> runtimes;
};

template <class T>
T FakeCluster::run(Task<T> task, Duration limit) {
  std::optional<T> value;
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, T result) {
    failure = error;
    if (!error) value.emplace(std::move(result));
    done = true;
  });
  if (!until([&] { return done; }, limit)) throw std::runtime_error("the coroutine did not end");
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

inline void FakeCluster::run(Task<void> task, Duration limit) {
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr error) {
    failure = error;
    done = true;
  });
  if (!until([&] { return done; }, limit)) throw std::runtime_error("the coroutine did not end");
  if (failure) std::rethrow_exception(failure);
}

inline std::span<const std::byte> bytesOf(const std::string& text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

inline std::string textOf(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) text.append(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
  return text;
}

}  // namespace vcfs::client
