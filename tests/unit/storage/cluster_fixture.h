#pragma once

#include <gtest/gtest.h>

#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "schema/convert.h"
#include "storage/storage_service.h"
#include "storage/store/memory_store.h"

// Storage servers, a pretended tracker and clients in one process: network and disks in memory, a clock moved by hand.
namespace vcfs::storage {

using namespace std::chrono_literals;

// A tracker as storage servers see it: epochs, replica sets, reports. The rules are those of docs/architecture.md.
struct FakeTracker {
  struct File {
    Layout layout;
    std::uint64_t size = 0;
    FileState state = FileState::open;
    Epoch reportedEpoch = 0;
    std::int64_t reportedOrder = 0;
  };
  std::map<InodeId, File> files;
  std::map<std::string, StorageId> ids;
  std::map<StorageId, std::string> addresses;
  struct Registration {
    StorageId previous = 0;
    bool empty = false;
    bool checking = false;
    std::string uuid;
  };
  std::vector<Registration> registrations;
  std::string uuid;  // of its cluster
  std::size_t failuresReported = 0;
  std::size_t heartbeats = 0;
  std::size_t reports = 0;
  std::size_t syncs = 0;
  bool canSync = true;
  std::set<StorageId> checking;  // by their last heartbeat
  bool garbles = false;          // what it answers to heartbeats and getAttr cannot be decoded
  // To reportFiles and reportFailure: this pointer of the answer. 0 is the status, 1 the layouts.
  std::optional<std::size_t> garblesReports;
  bool hearsCaughtUp = true;    // caughtUp arrives …
  bool answersCaughtUp = true;  // … and its answer does
  bool chooses = true;          // who of several in sync follows a lost one; else it changes nothing
  StorageId spare = 0;          // is added as syncing when a replica is lost

  // Applies a failure report; the layout as it is afterwards.
  Layout lose(InodeId inode, Epoch epoch, StorageId storage);
  Layout caughtUp(InodeId inode, Epoch epoch, StorageId storage);
};

// One host of the simulated network: its transport and random numbers.
struct Host {
  Host(asio::io_context& io, Clock& clock, MemoryNetwork& network, const std::string& name, std::uint64_t seed)
      : transport(network, name), runtime{io, clock, transport, std::mt19937_64(seed)} {}
  MemoryTransport transport;
  Runtime runtime;
};

// Disk pools whose jobs run, in order, a while after they were submitted.
Pools slowPools(asio::io_context& io, Clock& clock, Duration delay);

// One whose jobs wait, in order, while it is held.
class HeldPool final : public BlockingPool {
 public:
  explicit HeldPool(asio::io_context& io) : io_(io) {}
  void submit(std::function<void()> job, std::function<void()> done) override;
  std::size_t queued() const override { return jobs_.size(); }
  asio::io_context& loop() override { return io_; }
  void hold() { held_ = true; }
  void runNext();
  void release();

 private:
  asio::io_context& io_;
  bool held_ = false;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
};

class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest();
  ~ClusterTest() override;

  static constexpr InodeId kFile = 1024;

  // ---- servers ----
  void startTracker();
  void startTracker(const std::string& name, FakeTracker& tracker);  // servers that are started later know it
  // s<n> at host "s<n>", storage id n. `first` is called before anything else is done.
  // It is waited for until it has registered, if it `reaches` the tracker.
  void startStorage(int n, std::function<void(Node&)> first = nullptr, bool reaches = true);
  void startPair();  // the tracker, s1 and s2
  // Instead of this pool of a server's; not held yet. Is to be released before the server ends.
  HeldPool& makeHeld(std::unique_ptr<BlockingPool>& pool);
  void crash(int n);                   // the process dies; its disk stays
  void settle(Duration time = 100ms);  // moves the clock so far
  template <class Predicate>
  bool eventually(Predicate predicate, Duration limit = 20s) {
    const TimePoint end = clock_.now() + limit;
    while (true) {
      poll();
      if (predicate()) return true;
      if (clock_.now() >= end) return false;
      clock_.advance(1ms);
    }
  }
  Layout layout(Epoch epoch, std::vector<std::pair<int, ReplicaState>> replicas, InodeId inode = kFile);
  Layout twoCopies(InodeId inode = kFile) {
    return layout(1, {{1, ReplicaState::inSync}, {2, ReplicaState::inSync}}, inode);
  }

  // ---- a client ----
  struct Reply {
    bool answered = false;
    Errc code = Errc::ok;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    FileState state = FileState::none;
    std::uint32_t writers = 0;
    std::uint64_t powerLoss = 0;
    std::int64_t mtimeNs = 0;
    std::string data;
    Layout newer;
  };
  using ReplyPtr = std::shared_ptr<Reply>;
  schema::Storage::Client to(int n, ClientId client = 7);
  void dropClient(ClientId client);  // its host dies: connections end
  ReplyPtr write(int n, Layout layout, std::uint64_t sequence, std::uint64_t offset, std::string data,
                 std::uint16_t flags = 0, ClientId client = 7);
  ReplyPtr read(int n, Layout layout, std::uint64_t offset, std::uint32_t length);
  ReplyPtr sync(int n, Layout layout, std::uint64_t sequence, ClientId client = 7);
  ReplyPtr truncate(int n, Layout layout, std::uint64_t sequence, std::uint64_t size, ClientId client = 7);
  ReplyPtr close(int n, Layout layout, std::uint64_t sequence, ClientId client = 7);
  ReplyPtr open(int n, Layout layout, ClientId client = 7);
  ReplyPtr stat(int n, Layout layout);
  ReplyPtr waitGrowth(int n, Layout layout, std::uint64_t known, std::uint32_t timeoutMs);
  ReplyPtr allocate(int n, Layout layout, std::uint64_t sequence, std::uint64_t offset, std::uint64_t length);
  // Of the file itself, to another place.
  ReplyPtr copyWithin(int n, Layout layout, std::uint64_t sequence, std::uint64_t from, std::uint64_t to,
                      std::uint32_t length);
  WriterTime told_;  // what calls from now on tell of their time
  std::int64_t mtimeOnDisk(int n, InodeId inode = kFile) { return stores_.at(n)->load(inode)->meta.mtimeNs; }
  // Runs until the answer is there.
  Reply of(ReplyPtr reply) {
    EXPECT_TRUE(eventually([&] { return reply->answered; })) << "no answer";
    return *reply;
  }
  std::string content(int n, InodeId inode = kFile) { return stores_.at(n)->content(inode); }
  FileState stateOnDisk(int n, InodeId inode = kFile) { return stores_.at(n)->load(inode)->meta.state; }
  Epoch epochOnDisk(int n, InodeId inode = kFile) { return stores_.at(n)->load(inode)->meta.epoch; }
  Layout current(InodeId inode = kFile) { return tracker_.files.at(inode).layout; }
  void put(Layout layout) { tracker_.files[layout.inode].layout = layout; }
  void poll();

  asio::io_context io_;
  rpc::KjLoop kj_;
  ManualClock clock_;
  MemoryNetwork network_;
  FakeTracker tracker_;
  std::map<std::string, std::unique_ptr<Host>> hosts_;
  std::map<int, std::unique_ptr<MemoryStore>> stores_;
  std::map<int, std::unique_ptr<StorageService>> storages_;
  Options options_;
  Duration diskDelay_{};  // of the disk pools of storages that are started from now on …
  Duration scanDelay_{};  // … and of what looks through the whole disk

 private:
  Host& host(const std::string& name);
  template <class Response>
  ReplyPtr watch(kj::Promise<Response> promise);
  std::map<std::string, std::unique_ptr<rpc::Server>> trackerServers_;  // by address
  std::map<std::pair<int, ClientId>, std::shared_ptr<rpc::Connection>> connections_;
};

// Three servers; kFile is "abc" on all of them, server 1 the primary.
class ThreeCopiesTest : public ClusterTest {
 protected:
  void SetUp() override {
    startTracker();
    for (int n : {1, 2, 3}) startStorage(n);
    put(before_);
    ASSERT_EQ(of(write(1, before_, 1, 0, "abc")).code, Errc::ok);
  }

  const Layout before_ = layout(1, {{1, ReplicaState::inSync}, {2, ReplicaState::inSync}, {3, ReplicaState::inSync}});
};

}  // namespace vcfs::storage
