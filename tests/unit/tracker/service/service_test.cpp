#include "tracker/tracker_service.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/tracker/service/client.h"
#include "tests/unit/tracker/service/shifted_clock.h"

// A whole tracker in this process, spoken to over in-memory connections.
namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

class Recorder final : public schema::Watcher::Server {
 public:
  explicit Recorder(std::vector<Change>& seen) : seen_(seen) {}
  kj::Promise<void> changed(ChangedContext context) override {
    for (auto c : context.getParams().getChanges()) {
      Change change;
      change.inode = c.getInode();
      change.parent = c.getParent();
      change.name = schema::toString(c.getName());
      change.unlinked = c.getUnlinked();
      change.layout = c.getLayout();
      seen_.push_back(change);
    }
    return kj::READY_NOW;
  }

 private:
  std::vector<Change>& seen_;
};

Task<bool> sealed(SqlTx& tx, InodeId inode) {
  constexpr Statement kSeal{"UPDATE inodes SET state = 2 WHERE inode = ?"};
  co_await tx.exec(kSeal, inode);
  co_return true;
}

// As a server that came back while another one was being emptied, which was called off then.
Task<bool> keptInReserve(SqlTx& tx, InodeId inode, StorageId storage) {
  constexpr Statement kKeep{"INSERT INTO replicas (inode, position, storage, state) VALUES (?, 9, ?, 2)"};
  co_await tx.exec(kKeep, inode, storage);
  co_return true;
}

// Many files of group g1 that lack a copy, and behind them one of group g2, whose inode it is.
Task<InodeId> incompleteFiles(SqlTx& tx, StorageId one, StorageId two) {
  constexpr InodeId kLast = 900'000;
  constexpr Statement kMany{
      "INSERT INTO inodes (inode, type, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, rdev, state, epoch,"
      " change_id, tenant, path, target, parent, group_name, copies, missing, opener, opened_at, mtime_fixed, flags)"
      " WITH d(i) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL"
      " SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
      " SELECT 100000 + a.i * 10000 + b.i * 1000 + c.i * 100 + e.i * 10 + f.i, 1, 420, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1,"
      " 1, 'u', '/u/f', '', 0, ?, 2, 1, 0, 0, 0, 0 FROM d a, d b, d c, d e, d f WHERE a.i < 2"};
  constexpr Statement kMoved{"UPDATE inodes SET inode = ?, group_name = ? WHERE inode = 119999"};
  constexpr Statement kReplicas{
      "INSERT INTO replicas (inode, position, storage, state) SELECT inode, 0, ?, 0 FROM inodes WHERE group_name = ?"};
  co_await tx.exec(kMany, std::string("g1"));
  co_await tx.exec(kMoved, kLast, std::string("g2"));
  co_await tx.exec(kReplicas, one, std::string("g1"));
  co_await tx.exec(kReplicas, two, std::string("g2"));
  co_return kLast;
}

// Answers when it is told to.
class SlowReader final : public schema::Watcher::Server {
 public:
  explicit SlowReader(std::vector<kj::Own<kj::PromiseFulfiller<void>>>& asked) : asked_(asked) {}
  kj::Promise<void> changed(ChangedContext) override {
    auto answer = kj::newPromiseAndFulfiller<void>();
    asked_.push_back(kj::mv(answer.fulfiller));
    return kj::mv(answer.promise);
  }

 private:
  std::vector<kj::Own<kj::PromiseFulfiller<void>>>& asked_;
};

class ServiceTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!hasEngine(GetParam())) GTEST_SKIP() << "no mariadbd on this machine";
    catalog_ = makeCatalog(loop_, GetParam());
    TrackerOptions options;
    options.listen = "tracker:1";
    options.sealAfter = 1s;
    options.reserveInterval = 1s;
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
  }
  void TearDown() override {
    service_.reset();
    loop_.drain();  // connections and coroutines that end let go of the catalog first
    catalog_.reset();
  }
  // Turns the loop until `ready`, for at most 10 s.
  bool until(std::function<bool()> ready) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!ready()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.io.restart();
      loop_.io.run_one_for(10ms);
    }
    return true;
  }
  Layout layoutOf(InodeId inode) {
    auto find = [inode](SqlTx& tx) { return ops::getAttr(tx, inode); };
    return loop_.run(catalog_->read(std::move(find))).layout;
  }
  // In the catalog only: no watcher hears of it.
  void commitUntold(ops::Request request, std::function<Task<ops::Outcome>(SqlTx&, ops::Occasion)> change) {
    const ops::Occasion occasion = service_->core().occasion(request);
    auto op = [change, occasion](SqlTx& tx) { return change(tx, occasion); };
    loop_.run(catalog_->write(std::move(op)));
  }
  nlohmann::json status(Client& client) {
    return nlohmann::json::parse(schema::toString(client.call(client.tracker().statusRequest()).getJson()));
  }

  Loop loop_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
};

auto reportPrimary(Client& reporter, const Entry& entry) {
  auto request = reporter.tracker().reportFailureRequest();
  auto failed = request.initFailed(1)[0];
  failed.setInode(entry.attr.inode);
  failed.setEpoch(1);
  failed.setStorage(entry.layout.primary()->storage);
  return reporter.call(std::move(request));
}

Errc codeOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return Errc::ok;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Engines, ServiceTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(ServiceTest, a_file_is_placed_on_registered_servers_and_carries_their_addresses) {
  Client s1(loop_, "s1", "storage", 11);
  Client s2(loop_, "s2", "storage", 12);
  s1.registerStorage("s1");
  s2.registerStorage("s2");
  Client mount(loop_, "m", "mount", 1);
  auto made = mount.create("f");
  const Entry entry = schema::toEntry(made.getEntry());
  ASSERT_EQ(entry.layout.replicas.size(), 2u);
  EXPECT_NE(entry.layout.replicas[0].address, "");
  EXPECT_EQ(entry.layout.user, "default");
}

TEST_P(ServiceTest, without_servers_create_says_unavailable_and_a_dead_server_gets_no_file) {
  Client mount(loop_, "m", "mount", 1);
  EXPECT_EQ(codeOf([&] { mount.create("f"); }), Errc::unavailable);
  Client s1(loop_, "s1", "storage", 11);
  const StorageId alive = s1.registerStorage("s1");
  Client s2(loop_, "s2", "storage", 12);
  s2.registerStorage("s2");
  s2.connection().close("dies");
  ASSERT_TRUE(until([&] { return !service_->core().map.alive(2, loop_.clock.now()); }));
  const Entry entry = schema::toEntry(mount.create("g").getEntry());
  ASSERT_EQ(entry.layout.replicas.size(), 1u);
  EXPECT_EQ(entry.layout.replicas[0].storage, alive);
  EXPECT_EQ(status(mount)["files"]["degraded"], 1);
}

TEST_P(ServiceTest, a_server_that_came_back_stays_when_its_old_connection_ends) {
  Client mount(loop_, "m", "mount", 1);
  auto old = std::make_unique<Client>(loop_, "s1", "storage", 11);
  const StorageId storage = old->registerStorage("s1", 7);
  Client again(loop_, "s1-again", "storage", 11);
  EXPECT_EQ(again.registerStorage("s1", 7), storage);
  const std::size_t sessions = service_->core().sessions.size();
  old->connection().close("its host was cut off");
  ASSERT_TRUE(until([&] { return service_->core().sessions.size() < sessions; }));
  EXPECT_TRUE(service_->core().map.alive(storage, loop_.clock.now()));
}

TEST_P(ServiceTest, two_servers_cannot_have_one_name) {
  Client a(loop_, "a", "storage", 11);
  a.registerStorage("same", 1);
  Client b(loop_, "b", "storage", 12);
  EXPECT_EQ(codeOf([&] { b.registerStorage("same", 2); }), Errc::exists);
}

TEST_P(ServiceTest, a_disk_of_another_cluster_is_refused_though_its_name_and_number_are_known_here) {
  Client mount(loop_, "m", "mount", 1);
  auto own = std::make_unique<Client>(loop_, "s1", "storage", 11);
  const StorageId storage = own->registerStorage("s1", 1);
  own.reset();
  ASSERT_TRUE(until([&] { return !service_->core().map.alive(storage, loop_.clock.now()); }));
  Client foreign(loop_, "s1-foreign", "storage", 12);
  auto request = foreign.registration("s1", 2, storage, false);
  request.setUuid("of another one");
  EXPECT_EQ(codeOf([&] { foreign.call(std::move(request)); }), Errc::invalid);
  EXPECT_FALSE(service_->core().map.alive(storage, loop_.clock.now()));
  EXPECT_NE(status(mount)["storages"][0].value("refused", "").find("another cluster"), std::string::npos);
  auto right = foreign.registration("s1", 2, storage, false);
  right.setUuid(service_->core().cluster.uuid);
  EXPECT_EQ(foreign.call(std::move(right)).getStorage(), storage);
}

TEST_P(ServiceTest, others_are_told_what_changed_but_not_who_changed_it) {
  Client s1(loop_, "s1", "storage", 11);
  s1.registerStorage("s1");
  Client a(loop_, "a", "mount", 1);
  Client b(loop_, "b", "mount", 2);
  std::vector<Change> seenByA;
  std::vector<Change> seenByB;
  auto watchA = a.tracker().watchRequest();
  watchA.setWatcher(kj::heap<Recorder>(seenByA));
  a.call(std::move(watchA));
  auto watchB = b.tracker().watchRequest();
  watchB.setWatcher(kj::heap<Recorder>(seenByB));
  b.call(std::move(watchB));
  a.create("news");
  ASSERT_TRUE(until([&] { return !seenByB.empty(); }));
  EXPECT_EQ(seenByB[0].name, "news");
  EXPECT_TRUE(seenByA.empty());
}

// A sealed file, a client that may write it, and one that answers only when it is made to.
class SealedFileTest : public ServiceTest {
 protected:
  void makeSealedFile() {
    storage_.emplace(loop_, "s1", "storage", 11);
    storage_->registerStorage("s1");
    writer_.emplace(loop_, "a", "mount", 1);
    inode_ = writer_->create("f").getEntry().getAttr().getInode();
    seal();
    connectReader();
  }
  // Whether it may trust what it is told.
  bool connectReader() {
    reader_.emplace(loop_, "b", "mount", 2);
    auto watch = reader_->tracker().watchRequest();
    watch.setWatcher(kj::heap<SlowReader>(asked_));
    return reader_->call(std::move(watch)).getSettles();
  }
  // How long a writer waits to get the sealed file.
  Duration timeToOpen() {
    seal();
    const TimePoint began = loop_.clock.now();
    auto opening = open(writer_->nextSequence());
    EXPECT_TRUE(until([&] { return opened_; }));
    return loop_.clock.now() - began;
  }
  void seal() {
    auto op = [inode = inode_](SqlTx& tx) { return sealed(tx, inode); };
    loop_.run(catalog_->write(op));
  }
  // `opened_` when it is done.
  kj::Promise<void> open(std::uint64_t sequence) {
    opened_ = false;
    auto request = writer_->tracker().openForWriteRequest();
    request.setInode(inode_);
    request.getRequest().setClient(1);
    request.getRequest().setSequence(sequence);
    return request.send().then([this](auto&&) { opened_ = true; }).eagerlyEvaluate(nullptr);
  }

  std::vector<kj::Own<kj::PromiseFulfiller<void>>> asked_;  // of the reader
  std::optional<Client> storage_, writer_, reader_;
  InodeId inode_ = 0;
  bool opened_ = false;
};
INSTANTIATE_TEST_SUITE_P(Engines, SealedFileTest, ::testing::Values("sqlite", "mariadb"));

// What a reader cached of a sealed file must be gone before a writer may change it: who opens it afterwards sees it
// all.
TEST_P(SealedFileTest, a_writer_waits_until_its_readers_know) {
  makeSealedFile();
  auto first = open(writer_->nextSequence());
  ASSERT_TRUE(until([&] { return !asked_.empty(); }));
  EXPECT_FALSE(opened_);
  asked_[0]->fulfill();
  ASSERT_TRUE(until([&] { return opened_; }));

  // One that does not answer holds writers up once, and not for long.
  seal();
  auto second = open(writer_->nextSequence());
  ASSERT_TRUE(until([&] { return opened_; }));
  ASSERT_EQ(asked_.size(), 2u);
  seal();
  auto third = open(writer_->nextSequence());
  ASSERT_TRUE(until([&] { return opened_; }));
  EXPECT_FALSE(reader_->connection().alive());
  EXPECT_EQ(asked_.size(), 2u);  // it still owes the last answer, and was not waited for
}

TEST_P(SealedFileTest, a_reader_that_is_too_far_away_holds_writers_up_once_and_keeps_its_next_session) {
  makeSealedFile();
  EXPECT_GE(timeToOpen(), std::chrono::milliseconds(schema::NAME_LEASE_MS));
  ASSERT_TRUE(until([&] { return !reader_->connection().alive(); }));
  asked_.clear();
  EXPECT_FALSE(connectReader()) << "it is to ask before it opens a file";
  for (int i = 0; i < 2; ++i) {
    const TimePoint told = loop_.clock.now();
    EXPECT_LT(timeToOpen(), std::chrono::milliseconds(300));
    ASSERT_TRUE(until([&] { return !asked_.empty() && loop_.clock.now() - told > std::chrono::milliseconds(400); }));
    asked_.back()->fulfill();
  }
  EXPECT_TRUE(reader_->connection().alive());
}

// The answer to its COMMIT was lost, or the tracker that committed it is gone: whoever answers the repeat tells others.
TEST_P(ServiceTest, of_what_was_committed_untold_others_are_told_with_the_repeat) {
  Client s1(loop_, "s1", "storage", 11);
  s1.registerStorage("s1");
  Client a(loop_, "a", "mount", 1);
  const InodeId moved = a.create("old").getEntry().getAttr().getInode();
  const InodeId replaced = a.create("new").getEntry().getAttr().getInode();
  Client b(loop_, "b", "mount", 2);
  std::vector<Change> seen;
  auto watch = b.tracker().watchRequest();
  watch.setWatcher(kj::heap<Recorder>(seen));
  b.call(std::move(watch));
  commitUntold(ops::Request{1, 77}, [](SqlTx& tx, ops::Occasion occasion) {
    ops::RenameParams params{kRootInode, "old", kRootInode, "new"};
    return ops::rename(tx, params, occasion);
  });
  auto request = a.tracker().renameRequest();
  request.setParent(kRootInode);
  request.setName(schema::toData(std::string("old")));
  request.setNewParent(kRootInode);
  request.setNewName(schema::toData(std::string("new")));
  request.getRequest().setClient(1);
  request.getRequest().setSequence(77);
  EXPECT_EQ(a.call(std::move(request)).getEntry().getAttr().getInode(), moved);
  const auto told = [&seen](const std::function<bool(const Change&)>& test) {
    return std::any_of(seen.begin(), seen.end(), test);
  };
  EXPECT_TRUE(until([&] { return told([&](const Change& c) { return c.parent == kRootInode && c.name == "old"; }); }));
  EXPECT_TRUE(until([&] { return told([&](const Change& c) { return c.parent == kRootInode && c.name == "new"; }); }));
  EXPECT_TRUE(told([&](const Change& c) { return c.inode == moved && !c.unlinked; }));
  EXPECT_TRUE(told([&](const Change& c) { return c.inode == replaced && c.unlinked; }));
}

TEST_P(SealedFileTest, a_writer_whose_opening_was_committed_untold_waits_for_readers_all_the_same) {
  makeSealedFile();
  commitUntold(ops::Request{1, 77}, [inode = inode_](SqlTx& tx, ops::Occasion occasion) {
    return ops::openForWrite(tx, inode, 1, occasion);
  });
  auto opening = open(77);
  ASSERT_TRUE(until([&] { return !asked_.empty() || opened_; }));
  ASSERT_FALSE(opened_);
  asked_[0]->fulfill();
  ASSERT_TRUE(until([&] { return opened_; }));
}

TEST_P(ServiceTest, a_repeated_create_answers_as_the_first_did) {
  Client s1(loop_, "s1", "storage", 11);
  s1.registerStorage("s1");
  Client a(loop_, "a", "mount", 1);
  auto make = [&] {
    auto request = a.tracker().createRequest();
    request.setParent(kRootInode);
    request.setName(schema::toData("f"));
    request.setExclusive(true);
    request.setType(schema::FileType::REGULAR);
    request.getRequest().setClient(1);
    request.getRequest().setSequence(99);
    return a.call(std::move(request));
  };
  auto first = make();
  auto second = make();
  EXPECT_TRUE(second.getCreated());
  EXPECT_EQ(first.getEntry().getAttr().getInode(), second.getEntry().getAttr().getInode());
}

TEST_P(ServiceTest, a_failure_report_is_answered_with_the_new_layout) {
  Client s1(loop_, "s1", "storage", 11);
  Client s2(loop_, "s2", "storage", 12);
  s1.registerStorage("s1");
  s2.registerStorage("s2");
  Client a(loop_, "a", "mount", 1);
  const Entry entry = schema::toEntry(a.create("f").getEntry());
  auto response = reportPrimary(a, entry);
  const Layout layout = schema::toLayout(response.getLayouts()[0]);
  EXPECT_EQ(layout.epoch, 2u);
  EXPECT_NE(layout.primary()->storage, entry.layout.primary()->storage);
}

TEST_P(ServiceTest, of_a_failover_clients_are_told_that_nothing_but_the_layout_is_another_one) {
  Client s1(loop_, "s1", "storage", 11);
  Client s2(loop_, "s2", "storage", 12);
  s1.registerStorage("s1");
  s2.registerStorage("s2");
  Client a(loop_, "a", "mount", 1);
  Client b(loop_, "b", "mount", 2);
  const Entry entry = schema::toEntry(a.create("f").getEntry());
  std::vector<Change> seen;
  auto watch = b.tracker().watchRequest();
  watch.setWatcher(kj::heap<Recorder>(seen));
  b.call(std::move(watch));
  // The coordinator may change the layout once more at any time.
  auto more = [&] { return std::any_of(seen.begin(), seen.end(), [](const Change& c) { return !c.layout; }); };
  reportPrimary(a, entry);
  ASSERT_TRUE(until([&] { return !seen.empty(); }));
  EXPECT_FALSE(more());
  auto set = a.tracker().setAttrRequest();
  set.setInode(entry.attr.inode);
  set.initSet().setMask(1);
  set.getSet().setMode(0600);
  set.getRequest().setClient(1);
  set.getRequest().setSequence(a.nextSequence());
  a.call(std::move(set));
  EXPECT_TRUE(until(more));
}

TEST_P(ServiceTest, a_stale_replica_that_nothing_needs_any_more_is_dropped) {
  Client s1(loop_, "s1", "storage", 11);
  Client s2(loop_, "s2", "storage", 12);
  Client s3(loop_, "s3", "storage", 13);
  std::set<StorageId> spare{s1.registerStorage("s1"), s2.registerStorage("s2"), s3.registerStorage("s3")};
  Client a(loop_, "a", "mount", 1);
  const Entry entry = schema::toEntry(a.create("f").getEntry());
  ASSERT_EQ(entry.layout.replicas.size(), 2u);
  for (const Replica& replica : entry.layout.replicas) spare.erase(replica.storage);
  const InodeId inode = entry.attr.inode;
  const StorageId third = *spare.begin();
  loop_.run(catalog_->write([=](SqlTx& tx) { return keptInReserve(tx, inode, third); }));
  auto layout = [&] { return loop_.run(catalog_->read([=](SqlTx& tx) { return ops::getAttr(tx, inode); })).layout; };
  std::vector<Change> seen;
  auto watch = a.tracker().watchRequest();
  watch.setWatcher(kj::heap<Recorder>(seen));
  a.call(std::move(watch));
  ASSERT_EQ(layout().replicas.size(), 3u);
  auto told = [&] { return std::any_of(seen.begin(), seen.end(), [&](const Change& c) { return c.inode == inode; }); };
  ASSERT_TRUE(until(told)) << "it stays for good";
  ASSERT_EQ(layout().replicas.size(), 2u);
  EXPECT_EQ(layout().epoch, entry.layout.epoch + 1);
  for (const Replica& replica : layout().replicas) EXPECT_NE(replica.storage, third);
}

TEST_P(ServiceTest, status_lists_who_is_connected) {
  Client s1(loop_, "s1", "storage", 11);
  s1.registerStorage("s1");
  Client mount(loop_, "host-a", "mount", 1);
  const auto json = status(mount);
  EXPECT_EQ(json["trackers"][0]["address"], "tracker:1");
  EXPECT_EQ(json["trackers"][0]["state"], "up");
  EXPECT_EQ(json["storages"][0]["name"], "s1");
  EXPECT_EQ(json["storages"][0]["data"], "/data/s1");
  EXPECT_EQ(json["mounts"][0]["path"], "/mnt/host-a");
  EXPECT_EQ(json["mounts"][0]["host"], "host-a");
  ASSERT_TRUE(until([&] { return service_->core().lease.holder == "tracker:1"; }));
  EXPECT_EQ(status(mount)["coordinator"], "tracker:1");
}

TEST_P(ServiceTest, garbage_is_refused_with_a_reason) {
  Client a(loop_, "a", "cli", 1);
  EXPECT_EQ(codeOf([&] { a.create(""); }), Errc::invalid);
  EXPECT_EQ(codeOf([&] { a.create("a/b"); }), Errc::invalid);
  EXPECT_EQ(codeOf([&] { a.create(std::string(300, 'x')); }), Errc::nameTooLong);
  auto list = a.tracker().readDirRequest();
  list.setDirectory(kRootInode);
  list.setLimit(1'000'000);
  EXPECT_EQ(codeOf([&] { a.call(std::move(list)); }), Errc::invalid);
  auto hello = a.tracker().helloRequest();
  hello.setProtocol(999);
  hello.setClient(1);
  EXPECT_EQ(codeOf([&] { a.call(std::move(hello)); }), Errc::notSupported);
  Client s(loop_, "s", "storage", 2);
  EXPECT_EQ(codeOf([&] { s.registerStorage("bad name"); }), Errc::invalid);
}

// Not a test of speed: it says what this machine does (`--gtest_also_run_disabled_tests --gtest_filter=*throughput*`).
TEST_P(ServiceTest, DISABLED_throughput) {
  Client s1(loop_, "s1", "storage", 11);
  Client s2(loop_, "s2", "storage", 12);
  s1.registerStorage("s1");
  s2.registerStorage("s2");
  Client mount(loop_, "m", "mount", 1);
  const InodeId directory = [&] {
    auto request = mount.tracker().mkdirRequest();
    request.setParent(kRootInode);
    request.setName(schema::toData("user"));
    request.setMode(0755);
    return mount.call(std::move(request)).getEntry().getAttr().getInode();
  }();
  for (const int depth : {1, 8, 64}) {
    const auto begin = std::chrono::steady_clock::now();
    int done = 0;
    int started = 0;
    const int total = depth == 1 ? 3000 : 20000;
    auto worker = [&]() -> Task<void> {
      while (started < total) {
        auto request = mount.tracker().createRequest();
        request.setParent(directory);
        request.setName(schema::toData("f" + std::to_string(depth) + "-" + std::to_string(++started)));
        request.setExclusive(true);
        request.setType(schema::FileType::REGULAR);
        request.getRequest().setClient(1);
        request.getRequest().setSequence(mount.nextSequence());
        auto response = co_await rpc::call(mount.runtime(), request.send(), 5s);
        schema::check(response.getStatus());
        ++done;
      }
    };
    for (int i = 0; i < depth; ++i) asio::co_spawn(loop_.io, worker(), asio::detached);
    while (done < total) {
      loop_.io.restart();
      loop_.io.run_one_for(100ms);
      ASSERT_LT(std::chrono::steady_clock::now() - begin, 60s);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("creates, %d at a time: %.0f/s\n", depth, done / took.count());
  }
}

TEST_P(ServiceTest, files_that_nothing_can_be_done_for_stand_in_the_way_of_no_others) {
  Client s1(loop_, "s1", "storage", 11);
  Client s2(loop_, "s2", "storage", 12);
  Client s3(loop_, "s3", "storage", 13);
  const auto joined = [](Client& server, const std::string& name, const std::string& group) {
    auto request = server.registration(name, 1, 0, false);
    request.setGroup(group);
    return server.call(std::move(request)).getStorage();
  };
  const StorageId one = joined(s1, "s1", "g1");
  const StorageId two = joined(s2, "s2", "g2");
  const InodeId last = loop_.run(catalog_->write([=](SqlTx& tx) { return incompleteFiles(tx, one, two); }));
  ASSERT_EQ(layoutOf(last).replicas.size(), 1u);
  joined(s3, "s3", "g2");
  EXPECT_TRUE(until([&] { return layoutOf(last).replicas.size() == 2; }));
}

// It cannot have heard of any server, however long it takes to open the catalog.
TEST(TrackerCoreTest, time_in_which_it_stood_still_before_its_start_is_none_to_settle_in) {
  Loop loop;
  ShiftedClock clock(loop.io);
  Runtime runtime{loop.io, clock, loop.transport, std::mt19937_64(42)};
  const auto catalog = makeCatalog(loop, "sqlite");
  TrackerOptions options;
  options.listen = "tracker:1";
  TrackerService service(runtime, *catalog, options);
  clock.steady += 8s;
  EXPECT_TRUE(service.core().map.settling(clock.now()));
  service.core().map.tick(clock.now());
  EXPECT_TRUE(service.core().map.settling(clock.now()));
}

}  // namespace vcfs::tracker::test
