// The bytes of deleted files, which the coordinator has the storage servers remove.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

// Never answers a removal.
class SlowStorage final : public schema::Storage::Server {
 public:
  explicit SlowStorage(std::vector<kj::Own<kj::PromiseFulfiller<void>>>& asked) : asked_(asked) {}
  kj::Promise<void> hello(HelloContext) override { return kj::READY_NOW; }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> remove(RemoveContext) override {
    auto answer = kj::newPromiseAndFulfiller<void>();
    asked_.push_back(kj::mv(answer.fulfiller));
    return kj::mv(answer.promise);
  }

 private:
  std::vector<kj::Own<kj::PromiseFulfiller<void>>>& asked_;
};

Task<bool> toRemoveEverywhere(SqlTx& tx, int inode) {
  co_await tx.exec(Statement{"INSERT INTO removals (storage, inode) SELECT id, ? FROM storages"}, inode);
  co_return true;
}

class RemovalsTest : public ::testing::Test {
 protected:
  struct Storage {
    std::unique_ptr<Client> client;
    std::unique_ptr<rpc::Server> server;
    std::vector<kj::Own<kj::PromiseFulfiller<void>>> asked;
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
      one.client->registerStorage(name);
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
  void deleteEverywhere(int inode) {
    loop_.run(catalog_->write([inode](SqlTx& tx) { return toRemoveEverywhere(tx, inode); }));
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
                       [](const Storage& one) { return !one.asked.empty(); });
  }));
}

// Its answer may take half a minute: what is deleted elsewhere, and all else that the coordinator does, goes on.
TEST_F(RemovalsTest, rounds_go_on_while_a_server_deletes) {
  deleteEverywhere(5000);
  ASSERT_TRUE(until([&] { return !storages_[0].asked.empty() && !storages_[1].asked.empty(); }));
  storages_[1].asked.front()->fulfill();
  deleteEverywhere(5001);
  EXPECT_TRUE(until([&] { return storages_[1].asked.size() == 2; }));
  EXPECT_EQ(storages_[0].asked.size(), 1u);
}

}  // namespace vcfs::tracker::test
