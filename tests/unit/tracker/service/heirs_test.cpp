// Who of several follows a lost primary: what a tracker answers while those whom it asks are silent, or too old to say.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

struct Behaviour {
  enum Kind { good, silent, old } kind = good;
  std::map<InodeId, Epoch> adopted;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> owed;
};

class FakeStorage final : public schema::Storage::Server {
 public:
  explicit FakeStorage(Behaviour& behaviour) : behaviour_(behaviour) {}
  kj::Promise<void> hello(HelloContext) override { return kj::READY_NOW; }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> adopt(AdoptContext context) override {
    const Layout layout = schema::toLayout(context.getParams().getLayout());
    behaviour_.adopted[layout.inode] = layout.epoch;
    return kj::READY_NOW;
  }
  kj::Promise<void> standings(StandingsContext context) override {
    if (behaviour_.kind == Behaviour::old) return schema::Storage::Server::standings(context);
    if (behaviour_.kind == Behaviour::silent) {
      auto pair = kj::newPromiseAndFulfiller<void>();
      behaviour_.owed.push_back(kj::mv(pair.fulfiller));
      return kj::mv(pair.promise);
    }
    const unsigned count = context.getParams().getInodes().size();
    auto list = context.getResults().initStandings(count);
    for (unsigned i = 0; i < count; ++i) list.set(i, schema::Standing::GOOD);
    return kj::READY_NOW;
  }

 private:
  Behaviour& behaviour_;
};

class HeirsTest : public ::testing::Test {
 protected:
  struct Storage {
    std::unique_ptr<Client> client;
    std::unique_ptr<rpc::Server> server;
    Behaviour behaviour;
  };
  void SetUp() override {
    catalog_ = makeCatalog(loop_, "sqlite");
    TrackerOptions options;
    options.listen = "tracker:1";
    options.callLimit = kCallLimit;
    options.map.defaultCopies = 3;
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
    for (int n = 1; n <= 3; ++n) {
      const std::string name = "s" + std::to_string(n);
      auto client = std::make_unique<Client>(loop_, name, "storage", 10 + n);
      Storage& one = storages_[client->registerStorage(name)];
      one.client = std::move(client);
      one.server = std::make_unique<rpc::Server>(one.client->runtime(), name + ":1",
                                                 [&one](std::shared_ptr<rpc::Connection>) -> capnp::Capability::Client {
                                                   return kj::heap<FakeStorage>(one.behaviour);
                                                 });
    }
    mount_ = std::make_unique<Client>(loop_, "a", "mount", 1);
  }
  void TearDown() override {
    // Connections and coroutines that end let go of their hosts, and of the catalog, first.
    for (auto& [id, one] : storages_) one.server.reset();
    turn();
    mount_.reset();
    for (auto& [id, one] : storages_) one.client.reset();
    service_.reset();
    turn();
    storages_.clear();
    catalog_.reset();
  }
  void turn() {
    for (int i = 0; i < 1000; ++i) {
      loop_.io.restart();
      if (loop_.io.run_one_for(5ms) == 0) break;
    }
  }
  Layout file(const std::string& name) { return schema::toEntry(mount_->create(name).getEntry()).layout; }
  void followersAre(const Layout& layout, Behaviour::Kind kind) {
    for (std::size_t i = 1; i < layout.replicas.size(); ++i)
      storages_[layout.replicas[i].storage].behaviour.kind = kind;
  }
  struct Lost {
    Layout layout;
    StorageId storage;
  };
  std::vector<Layout> report(const std::vector<Lost>& lost) {
    auto request = mount_->tracker().reportFailureRequest();
    auto failed = request.initFailed(static_cast<unsigned>(lost.size()));
    for (unsigned i = 0; i < failed.size(); ++i) {
      failed[i].setInode(lost[i].layout.inode);
      failed[i].setEpoch(lost[i].layout.epoch);
      failed[i].setStorage(lost[i].storage);
    }
    const TimePoint begin = loop_.clock.now();
    auto response = mount_->call(std::move(request));
    took_ = loop_.clock.now() - begin;
    std::vector<Layout> layouts;
    for (auto layout : response.getLayouts()) layouts.push_back(schema::toLayout(layout));
    return layouts;
  }
  Errc refused(const std::vector<Lost>& lost) {
    try {
      report(lost);
    } catch (const Error& error) {
      return error.code();
    }
    return Errc::ok;
  }
  static Lost primaryOf(const Layout& layout) { return Lost{layout, layout.replicas[0].storage}; }

  static constexpr std::chrono::milliseconds kCallLimit{1500};
  Loop loop_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::map<StorageId, Storage> storages_;
  std::unique_ptr<Client> mount_;
  Duration took_{};
};

}  // namespace

TEST_F(HeirsTest, whoever_asks_a_tracker_that_hears_none_of_them_is_sent_to_another_tracker) {
  const Layout layout = file("f");
  ASSERT_EQ(layout.replicas.size(), 3u);
  followersAre(layout, Behaviour::silent);
  EXPECT_EQ(refused({primaryOf(layout)}), Errc::unavailable);
  followersAre(layout, Behaviour::good);
  EXPECT_EQ(report({primaryOf(layout)}).at(0).epoch, layout.epoch + 1) << "nothing was decided before";
}

TEST_F(HeirsTest, a_file_whose_heirs_are_silent_does_not_hold_up_what_else_is_reported) {
  const Layout open = file("open");
  const Layout other = file("other");
  followersAre(open, Behaviour::silent);
  const auto layouts = report({primaryOf(open), Lost{other, other.replicas[1].storage}});
  EXPECT_LT(took_, kCallLimit / 2);
  EXPECT_EQ(layouts.at(0).epoch, open.epoch);
  EXPECT_EQ(layouts.at(1).epoch, other.epoch + 1);
  EXPECT_EQ(storages_[other.replicas[0].storage].behaviour.adopted[other.inode], other.epoch + 1);
}

// It cannot know whether it lost its power.
TEST_F(HeirsTest, a_server_of_an_earlier_version_comes_after_one_that_has_everything) {
  const Layout layout = file("f");
  storages_[layout.replicas[1].storage].behaviour.kind = Behaviour::old;
  EXPECT_EQ(report({primaryOf(layout)}).at(0).primary()->storage, layout.replicas[2].storage);
}

TEST_F(HeirsTest, of_servers_of_an_earlier_version_one_follows) {
  const Layout layout = file("f");
  followersAre(layout, Behaviour::old);
  EXPECT_EQ(report({primaryOf(layout)}).at(0).epoch, layout.epoch + 1);
}

}  // namespace vcfs::tracker::test
