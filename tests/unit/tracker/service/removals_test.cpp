// The bytes of deleted files, which the coordinator has the storage servers remove.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

// What a storage server is asked to remove. It answers when the test says so, or at once when it keeps something.
struct Asked {
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> calls;
  InodeId keepsUpTo = 0;
  std::set<InodeId> removed;
};

class SlowStorage final : public schema::Storage::Server {
 public:
  explicit SlowStorage(Asked& asked) : asked_(asked) {}
  kj::Promise<void> hello(HelloContext) override { return kj::READY_NOW; }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> remove(RemoveContext context) override {
    if (asked_.keepsUpTo != 0) return answerAtOnce(context);
    auto answer = kj::newPromiseAndFulfiller<void>();
    asked_.calls.push_back(kj::mv(answer.fulfiller));
    return kj::mv(answer.promise);
  }

 private:
  kj::Promise<void> answerAtOnce(RemoveContext context) {
    std::vector<InodeId> kept;
    for (InodeId inode : context.getParams().getInodes()) {
      if (inode > asked_.keepsUpTo) asked_.removed.insert(inode);
      if (inode <= asked_.keepsUpTo) kept.push_back(inode);
    }
    auto list = context.getResults().initKept(static_cast<unsigned>(kept.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, kept[i]);
    return kj::READY_NOW;
  }
  Asked& asked_;
};

Task<bool> toRemoveEverywhere(SqlTx& tx, InodeId first, InodeId last) {
  for (InodeId inode = first; inode <= last; ++inode) {
    co_await tx.exec(Statement{"INSERT INTO removals (storage, inode) SELECT id, ? FROM storages"}, inode);
  }
  co_return true;
}

class RemovalsTest : public ::testing::Test {
 protected:
  struct Storage {
    std::unique_ptr<Client> client;
    std::unique_ptr<rpc::Server> server;
    StorageId id = 0;
    Asked asked;
  };
  void SetUp() override {
    catalog_ = makeCatalog(loop_, "sqlite");
    TrackerOptions options;
    options.listen = "tracker:1";
    options.coordinatorInterval = 200ms;
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
    for (Storage& one : storages_) {
      const std::string name = "s" + std::to_string(&one - storages_);
      one.client = std::make_unique<Client>(loop_, name, "storage", 10 + static_cast<ClientId>(&one - storages_));
      one.server = std::make_unique<rpc::Server>(one.client->runtime(), name + ":1",
                                                 [&one](std::shared_ptr<rpc::Connection>) -> capnp::Capability::Client {
                                                   return kj::heap<SlowStorage>(one.asked);
                                                 });
      one.id = one.client->registerStorage(name);
    }
  }
  void TearDown() override {
    // Connections and coroutines that end let go of their hosts, and of the catalog, first.
    for (Storage& one : storages_) one.server.reset();
    loop_.drain();
    for (Storage& one : storages_) one.client.reset();
    service_.reset();
    loop_.drain();
    catalog_.reset();
  }
  void deleteEverywhere(InodeId inode) { deleteEverywhere(inode, inode); }
  void deleteEverywhere(InodeId first, InodeId last) {
    loop_.run(catalog_->write([=](SqlTx& tx) { return toRemoveEverywhere(tx, first, last); }));
  }
  std::vector<InodeId> toRemoveOn(StorageId storage) {
    const auto removals = loop_.run(catalog_->read([=](SqlTx& tx) { return ops::listRemovals(tx, storage, 0, 1000); }));
    std::vector<InodeId> inodes;
    for (const ops::Removal& removal : removals) inodes.push_back(removal.inode);
    return inodes;
  }
  bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_.io.restart();
      loop_.io.run_one_for(10ms);
    }
    return condition();
  }

  Loop loop_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  Storage storages_[3];
};

}  // namespace

// As a program that deletes until there is room counts on the room of all of them.
TEST_F(RemovalsTest, a_slow_server_does_not_hold_up_the_others) {
  deleteEverywhere(5000);
  EXPECT_TRUE(until([&] {
    return std::all_of(std::begin(storages_), std::end(storages_),
                       [](const Storage& one) { return !one.asked.calls.empty(); });
  }));
}

// Its answer may take half a minute: what is deleted elsewhere, and all else that the coordinator does, goes on.
TEST_F(RemovalsTest, rounds_go_on_while_a_server_deletes) {
  deleteEverywhere(5000);
  ASSERT_TRUE(until([&] { return !storages_[0].asked.calls.empty() && !storages_[1].asked.calls.empty(); }));
  storages_[1].asked.calls.front()->fulfill();
  deleteEverywhere(5001);
  EXPECT_TRUE(until([&] { return storages_[1].asked.calls.size() == 2; }));
  EXPECT_EQ(storages_[0].asked.calls.size(), 1u);
}

// A disk that refuses to delete: the catalog counts its bytes until they are gone.
TEST_F(RemovalsTest, what_a_server_keeps_is_asked_for_again) {
  storages_[0].asked.keepsUpTo = 5000;
  deleteEverywhere(5000, 5001);
  ASSERT_TRUE(until([&] { return storages_[0].asked.removed.contains(5001); }));
  ASSERT_TRUE(until([&] { return toRemoveOn(storages_[0].id).size() == 1; }));
  EXPECT_EQ(toRemoveOn(storages_[0].id).front(), 5000u);
  storages_[0].asked.keepsUpTo = 1;
  EXPECT_TRUE(until([&] { return toRemoveOn(storages_[0].id).empty(); }));
}

TEST_F(RemovalsTest, a_call_full_of_what_a_server_keeps_does_not_hold_up_the_rest) {
  storages_[0].asked.keepsUpTo = 5499;
  deleteEverywhere(5000, 5500);
  EXPECT_TRUE(until([&] { return toRemoveOn(storages_[0].id).size() == 500; }));
  EXPECT_TRUE(storages_[0].asked.removed.contains(5500));
  deleteEverywhere(6000);
  EXPECT_TRUE(until([&] { return storages_[0].asked.removed.contains(6000); }));
}

}  // namespace vcfs::tracker::test
