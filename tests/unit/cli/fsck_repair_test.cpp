#include <gtest/gtest.h>

#include "cli/fsck/scan.h"
#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"

// What `vcfs fsck --repair` deletes, and what it tells a tracker of it, while the cluster goes on.
namespace vcfs::cli::fsck {
namespace {

using namespace std::chrono_literals;

constexpr InodeId kFile = 1024;
constexpr StorageId kBad = 2;
constexpr auto in = ReplicaState::inSync;

// One sealed file of three bytes on s1, s2 and s3, and what is asked about it.
struct FakeStore {
  FakeStore() {
    file.inode = kFile;
    file.epoch = 4;
    for (StorageId id : {1, 2, 3}) {
      file.replicas.push_back(Replica{id, in, "s" + std::to_string(id) + ":1"});
      disks[id] = Stored{4, 3, FileState::closed, 0};
    }
  }
  Attr attr() const {
    Attr attr;
    attr.inode = kFile;
    attr.type = FileType::regular;
    attr.state = FileState::closed;
    attr.size = 3;
    attr.nlink = 1;
    attr.epoch = file.epoch;
    return attr;
  }

  Layout file;
  std::map<StorageId, std::optional<Stored>> disks;
  std::vector<std::string> calls;       // that change something
  std::function<void()> beforeRemoval;  // what happens meanwhile
  std::function<void()> afterRemoval;
  StorageId away = 0;
  std::size_t deaf = 0;  // so many reports change nothing
};

class FakeTracker final : public schema::Tracker::Server {
 public:
  explicit FakeTracker(FakeStore& store) : store_(store) {}
  kj::Promise<void> hello(HelloContext) override { return kj::READY_NOW; }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> status(StatusContext context) override {
    context.getResults().setJson("{}");
    return kj::READY_NOW;
  }
  kj::Promise<void> storages(StoragesContext context) override {
    std::string json;
    for (const auto& [id, disk] : store_.disks) {
      const std::string name = "s" + std::to_string(id);
      json += (json.empty() ? "[" : ",") + ("{\"id\":" + std::to_string(id)) + ",\"name\":\"" + name +
              "\",\"address\":\"" + name + ":1\",\"data\":\"/" + name + "\",\"state\":\"" +
              (id == store_.away ? "down" : "up") + "\"}";
    }
    context.getResults().setJson(json + "]");
    return kj::READY_NOW;
  }
  kj::Promise<void> auditFiles(AuditFilesContext context) override {
    if (context.getParams().getAfter() < kFile) fill(context.getResults().initFiles(1)[0]);
    return kj::READY_NOW;
  }
  kj::Promise<void> auditInodes(AuditInodesContext context) override {
    fill(context.getResults().initFiles(1)[0]);
    return kj::READY_NOW;
  }
  kj::Promise<void> auditNames(AuditNamesContext context) override {
    if (context.getParams().getParent() != 0) return kj::READY_NOW;
    auto name = context.getResults().initNames(1)[0];
    name.setParent(kRootInode);
    name.setName(schema::toData("a"));
    name.setInode(kFile);
    name.setType(schema::FileType::REGULAR);
    name.setInodeType(schema::FileType::REGULAR);
    name.setParentType(schema::FileType::DIRECTORY);
    return kj::READY_NOW;
  }
  kj::Promise<void> pathsOf(PathsOfContext context) override {
    context.getResults().initPaths(1).set(0, schema::toData(""));
    return kj::READY_NOW;
  }
  kj::Promise<void> reportFailure(ReportFailureContext context) override {
    const auto failed = context.getParams().getFailed()[0];
    store_.calls.push_back("report " + std::to_string(failed.getEpoch()));
    const bool heard = store_.deaf == 0 && failed.getEpoch() == store_.file.epoch;
    if (store_.deaf != 0) --store_.deaf;
    if (heard) {
      ++store_.file.epoch;
      for (Replica& replica : store_.file.replicas) {
        if (replica.storage == failed.getStorage()) replica.state = ReplicaState::stale;
      }
    }
    schema::fill(context.getResults().initLayouts(1)[0], store_.file);
    return kj::READY_NOW;
  }
  kj::Promise<void> adoptNewer(AdoptNewerContext context) override {
    const auto p = context.getParams();
    std::string call = "adopt " + std::to_string(p.getNewest());
    for (StorageId holder : p.getHolders()) call += " s" + std::to_string(holder);
    store_.calls.push_back(call);
    if (p.getEpoch() == store_.file.epoch) store_.file.epoch = p.getNewest() + 1;
    schema::fill(context.getResults().initLayout(), store_.file);
    return kj::READY_NOW;
  }

 private:
  void fill(schema::AuditFile::Builder file) const {
    schema::fill(file.initAttr(), store_.attr());
    schema::fill(file.initLayout(), store_.file);
    file.setCopies(2);
  }

  FakeStore& store_;
};

class FakeStorage final : public schema::Storage::Server {
 public:
  FakeStorage(FakeStore& store, StorageId id) : store_(store), id_(id) {}
  kj::Promise<void> hello(HelloContext) override { return kj::READY_NOW; }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> list(ListContext context) override {
    if (disk() && context.getParams().getAfter() < kFile) fill(context.getResults().initReplicas(1)[0]);
    return kj::READY_NOW;
  }
  kj::Promise<void> inspect(InspectContext context) override {
    if (disk()) fill(context.getResults().initReplicas(1)[0]);
    return kj::READY_NOW;
  }
  kj::Promise<void> remove(RemoveContext context) override {
    if (store_.beforeRemoval) store_.beforeRemoval();
    const auto epochs = context.getParams().getEpochs();
    if (epochs.size() != 0 && disk() && disk()->epoch > epochs[0]) {
      context.getResults().initKept(1).set(0, kFile);
      return kj::READY_NOW;
    }
    store_.calls.push_back("remove on s" + std::to_string(id_));
    disk().reset();
    if (store_.afterRemoval) store_.afterRemoval();
    return kj::READY_NOW;
  }

 private:
  std::optional<Stored>& disk() { return store_.disks.at(id_); }
  void fill(schema::StoredReplica::Builder replica) {
    replica.setInode(kFile);
    replica.setEpoch(disk()->epoch);
    replica.setSize(disk()->size);
    replica.setState(schema::FileState::CLOSED);
  }

  FakeStore& store_;
  const StorageId id_;
};

class FsckRepair : public ::testing::Test {
 protected:
  struct Host {
    Host(FsckRepair& test, const std::string& name)
        : transport(test.network_, name), runtime{test.io_, test.clock_, transport, std::mt19937_64(name.size())} {}
    MemoryTransport transport;
    Runtime runtime;
  };
  FsckRepair() {
    serve("t", [this]() -> capnp::Capability::Client { return kj::heap<FakeTracker>(store_); });
    for (StorageId id : {1, 2, 3}) {
      serve("s" + std::to_string(id),
            [this, id]() -> capnp::Capability::Client { return kj::heap<FakeStorage>(store_, id); });
    }
  }
  ~FsckRepair() override {
    servers_.clear();
    for (int i = 0; i < 5; ++i) turn(1s);
  }
  void serve(const std::string& name, std::function<capnp::Capability::Client()> make) {
    hosts_.push_back(std::make_unique<Host>(*this, name));
    servers_.push_back(std::make_unique<rpc::Server>(hosts_.back()->runtime, name + ":1",
                                                     [make](std::shared_ptr<rpc::Connection>) { return make(); }));
  }
  void turn(Duration time) {
    clock_.advance(time);
    io_.restart();
    while (io_.poll() != 0) io_.restart();
  }
  // What `vcfs fsck --repair` tells.
  std::vector<Problem> repair() {
    Host here(*this, "cli");
    Sources sources(std::make_shared<Links>(here.runtime, std::vector<std::string>{"t:1"}, 5s));
    Options options;
    options.repair = true;
    Scan scan(sources, options);
    bool over = false;
    const auto run = [&]() -> Task<void> {
      co_await scan.run();
      over = true;
    };
    asio::co_spawn(io_, run(), asio::detached);
    for (int i = 0; i < 100'000 && !over; ++i) turn(1ms);
    EXPECT_TRUE(over);
    return scan.report().problems;
  }

  asio::io_context io_;
  rpc::KjLoop kj_{io_};
  ManualClock clock_{io_};
  MemoryNetwork network_{io_, clock_};
  FakeStore store_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<rpc::Server>> servers_;
};

using Calls = std::vector<std::string>;

}  // namespace

TEST_F(FsckRepair, replica_that_is_wrong_is_deleted_and_given_up) {
  store_.disks[kBad]->size = 2;
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(problems[0].repaired) << problems[0].remedy;
  EXPECT_EQ(store_.calls, (Calls{"remove on s2", "report 4"}));
  EXPECT_FALSE(store_.disks[kBad]);
}

// It was caught up anew, say, after it was looked at.
TEST_F(FsckRepair, replica_of_a_later_epoch_than_was_looked_at_is_kept) {
  store_.disks[kBad]->size = 2;
  store_.beforeRemoval = [this] { store_.disks[kBad]->epoch = 5; };
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_FALSE(problems[0].repaired);
  EXPECT_NE(problems[0].remedy.find("changed meanwhile"), std::string::npos) << problems[0].remedy;
  EXPECT_EQ(store_.calls, Calls{}) << "neither deleted nor given up";
}

TEST_F(FsckRepair, replica_that_was_deleted_is_given_up_in_the_epoch_that_has_begun_meanwhile) {
  store_.disks[kBad]->size = 2;
  store_.afterRemoval = [this] { store_.file.epoch = 5; };
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(problems[0].repaired) << problems[0].remedy;
  EXPECT_EQ(store_.calls, (Calls{"remove on s2", "report 4", "report 5"}));
  EXPECT_EQ(store_.file.replicas[1].state, ReplicaState::stale);
}

TEST_F(FsckRepair, replica_that_was_deleted_is_reported_until_it_is_given_up) {
  store_.disks[kBad]->size = 2;
  store_.deaf = 3;  // somebody who may follow it has still to speak
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(problems[0].repaired) << problems[0].remedy;
  EXPECT_EQ(store_.calls.size(), 5u);
}

TEST_F(FsckRepair, replica_that_is_not_given_up_is_not_said_to_be_repaired) {
  store_.disks[kBad]->size = 2;
  store_.deaf = SIZE_MAX;
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_FALSE(problems[0].repaired);
  EXPECT_NE(problems[0].remedy.find("the repair failed"), std::string::npos) << problems[0].remedy;
}

// A catalog that was restored from a backup: since then the file has moved from s1 to s3, and was caught up on s2.
TEST_F(FsckRepair, the_newest_replicas_are_adopted_and_nothing_else_is_done_before) {
  store_.file.replicas.pop_back();
  store_.file.epoch = 1;
  store_.disks[1].reset();
  const std::vector<Problem> problems = repair();
  ASSERT_GE(problems.size(), 2u);
  EXPECT_EQ(problems[0].finding.kind, Kind::newer);
  EXPECT_TRUE(problems[0].repaired) << problems[0].remedy;
  EXPECT_EQ(problems[1].finding.kind, Kind::missing);
  EXPECT_FALSE(problems[1].repaired);
  ASSERT_FALSE(store_.calls.empty());
  EXPECT_EQ(store_.calls[0], "adopt 4 s2 s3");
}

TEST_F(FsckRepair, nothing_is_adopted_while_a_server_is_away_that_may_have_what_is_newest) {
  store_.file.epoch = 3;
  store_.away = 3;
  const std::vector<Problem> problems = repair();
  ASSERT_FALSE(problems.empty());
  EXPECT_EQ(problems[0].finding.kind, Kind::newer);
  EXPECT_NE(problems[0].remedy.find("start every storage server"), std::string::npos) << problems[0].remedy;
  EXPECT_EQ(store_.calls, Calls{});
}

TEST_F(FsckRepair, replica_that_belongs_nowhere_is_deleted) {
  store_.file.replicas.erase(store_.file.replicas.begin() + 1);
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].finding.kind, Kind::extra);
  EXPECT_TRUE(problems[0].repaired) << problems[0].remedy;
  EXPECT_EQ(store_.calls, Calls{"remove on s2"});
}

TEST_F(FsckRepair, replica_that_is_placed_on_the_server_again_meanwhile_is_kept) {
  store_.file.replicas.erase(store_.file.replicas.begin() + 1);
  store_.beforeRemoval = [this] { store_.disks[kBad]->epoch = 5; };
  const std::vector<Problem> problems = repair();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_FALSE(problems[0].repaired);
  EXPECT_EQ(store_.calls, Calls{});
}

}  // namespace vcfs::cli::fsck
