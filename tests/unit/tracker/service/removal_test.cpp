// Servers that are new, refused or removed, with a whole tracker.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/tracker/service/client.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

// More files than a refusal counts, in sync on two servers, and behind them one that only the first one has.
constexpr std::int64_t kManyParts = 101;
Task<bool> manyFiles(SqlTx& tx, StorageId one, StorageId two, std::int64_t part) {
  constexpr Statement kInodes{
      "INSERT INTO inodes (inode, type, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, rdev, state, epoch,"
      " change_id, tenant, path, target, parent, group_name, copies, missing, opener, opened_at, mtime_fixed, flags)"
      " WITH d(i) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL"
      " SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
      " SELECT ? + a.i * 100 + b.i * 10 + c.i, 1, 420, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 'u', '/u/f', '', 0, 'g1', 2,"
      " 0, 0, 0, 0, 0 FROM d a, d b, d c"};
  constexpr Statement kFirst{
      "INSERT INTO replicas (inode, position, storage, state) SELECT inode, 0, ?, 0 FROM inodes WHERE inode >= ?"};
  constexpr Statement kSecond{
      "INSERT INTO replicas (inode, position, storage, state) SELECT inode, 1, ?, 0 FROM inodes WHERE inode >= ?"
      " AND inode < 1100999"};
  const std::int64_t first = 1'000'000 + part * 1000;
  co_await tx.exec(kInodes, first);
  co_await tx.exec(kFirst, one, first);
  co_await tx.exec(kSecond, two, first);
  co_return true;
}

Task<std::int64_t> countStale(SqlTx& tx) {
  const Rows rows = co_await tx.exec(Statement{"SELECT COUNT(*) FROM replicas WHERE state <> 0"});
  co_return rows.integer(0, 0);
}

class RemovalTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!hasEngine(GetParam())) GTEST_SKIP() << "no mariadbd on this machine";
    catalog_ = makeCatalog(loop_, GetParam());
    TrackerOptions options;
    options.listen = "tracker:1";
    options.map.settleTime = 0s;
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    options.removalBudget = 0s;         // a page for each call
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
    mount_ = std::make_unique<Client>(loop_, "m", "mount", 1);
  }
  void TearDown() override {
    mount_.reset();
    servers_.clear();
    service_.reset();
    loop_.drain();  // connections and coroutines that end let go of the catalog first
    catalog_.reset();
  }
  void turn(int times) {
    for (int i = 0; i < times; ++i) {
      loop_.io.restart();
      loop_.io.run_one_for(5ms);
    }
  }
  bool until(const std::function<bool()>& ready) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!ready()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      turn(1);
    }
    return true;
  }
  Client& connect(const std::string& name) {
    servers_[name] = std::make_unique<Client>(loop_, name, "storage", 10 + servers_.size());
    return *servers_[name];
  }
  // On a disk that remembers `previous`, or a new one.
  StorageId registered(const std::string& name, StorageId previous, std::uint64_t instance = 1) {
    return connect(name).registerStorage(name, instance, previous, previous == 0);
  }
  StorageId joined(const std::string& name) { return registered(name, registered(name, 0)); }
  bool isAway(StorageId id) {
    const StorageServer* server = service_->core().map.find(id);
    return server != nullptr && server->awaySince != 0;
  }
  void dies(const std::string& name, StorageId id) {
    servers_[name].reset();
    ASSERT_TRUE(until([&] { return isAway(id); }));
  }
  nlohmann::json storage(const std::string& name) {
    const auto status =
        nlohmann::json::parse(schema::toString(mount_->call(mount_->tracker().statusRequest()).getJson()));
    for (const auto& one : status["storages"]) {
      if (one["name"] == name) return one;
    }
    return nlohmann::json::object();
  }
  void remove(const std::string& name, bool force) {
    const std::uint64_t sequence = mount_->nextSequence();
    for (bool more = true; more;) {
      auto request = mount_->tracker().removeStorageRequest();
      request.setName(name);
      request.setForce(force);
      request.getRequest().setClient(1);
      request.getRequest().setSequence(sequence);
      more = mount_->call(std::move(request)).getMore();
    }
  }
  // What refused the action, with what it said.
  Error refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    return Error(Errc::ok, "");
  }
  Layout layoutOf(const std::string& name) {
    auto request = mount_->tracker().lookupRequest();
    request.setParent(kRootInode);
    request.setName(schema::toData(name));
    return schema::toEntry(mount_->call(std::move(request)).getEntry()).layout;
  }
  static const Replica* on(const Layout& layout, StorageId storage) {
    for (const Replica& replica : layout.replicas) {
      if (replica.storage == storage) return &replica;
    }
    return nullptr;
  }

  Loop loop_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::map<std::string, std::unique_ptr<Client>> servers_;
  std::unique_ptr<Client> mount_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Engines, RemovalTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(RemovalTest, a_new_server_takes_part_when_its_disk_knows_whose_it_is) {
  const StorageId id = registered("s1", 0);
  EXPECT_NE(id, 0u);
  EXPECT_NE(storage("s1").value("state", ""), "up");
  EXPECT_EQ(refusal([&] { mount_->create("f"); }).code(), Errc::unavailable);
  EXPECT_EQ(registered("s1", id), id);
  EXPECT_EQ(storage("s1").value("state", ""), "up");
  mount_->create("g");
}

TEST_P(RemovalTest, of_two_new_servers_of_one_name_the_second_is_refused) {
  const StorageId id = registered("s1", 0, 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal([&] { registered("s1", 0, 2); }).code(), Errc::exists);
  EXPECT_EQ(registered("s1", id, 1), id);
}

TEST_P(RemovalTest, a_new_disk_under_the_name_of_a_server_with_files_is_refused_and_said_to_be) {
  const StorageId one = joined("s1");
  joined("s2");
  mount_->create("f");
  dies("s1", one);
  const Error refused = refusal([&] { registered("s1", 0, 2); });
  EXPECT_EQ(refused.code(), Errc::invalid);
  EXPECT_NE(refused.detail().find("storage remove s1"), std::string::npos) << refused.detail();
  EXPECT_EQ(storage("s1").value("refused", ""), refused.detail());
  EXPECT_EQ(storage("s1").value("state", ""), "unreachable");
  EXPECT_EQ(storage("s2").value("refused", "none"), "none");
  EXPECT_EQ(registered("s1", one, 3), one) << "the disk that has them";
  EXPECT_EQ(storage("s1").value("refused", "none"), "none");
}

TEST_P(RemovalTest, by_force_its_files_go_on_with_the_other_copy) {
  const StorageId one = joined("s1");
  const StorageId two = joined("s2");
  for (int i = 0; i < 450; ++i) mount_->create("f" + std::to_string(i));
  EXPECT_EQ(refusal([&] { remove("s1", true); }).code(), Errc::exists);
  dies("s1", one);
  const Error kept = refusal([&] { remove("s1", false); });
  EXPECT_EQ(kept.code(), Errc::notEmpty);
  EXPECT_NE(kept.detail().find("450 files"), std::string::npos) << kept.detail();
  EXPECT_NE(kept.detail().find("--force"), std::string::npos) << kept.detail();
  ASSERT_NE(on(layoutOf("f7"), one), nullptr);
  EXPECT_FALSE(storage("s1")["draining"]) << "a refusal changes nothing";

  remove("s1", true);
  EXPECT_TRUE(storage("s1").empty());
  for (const char* name : {"f0", "f7", "f449"}) {
    const Layout layout = layoutOf(name);
    EXPECT_EQ(on(layout, one), nullptr) << name;
    ASSERT_NE(on(layout, two), nullptr) << name;
    EXPECT_EQ(on(layout, two)->state, ReplicaState::inSync) << name;
  }
  EXPECT_EQ(refusal([&] { registered("s1", one, 2); }).code(), Errc::invalid) << "the old disk";
  const StorageId renewed = registered("s1", 0, 3);
  EXPECT_NE(renewed, one);
  EXPECT_EQ(registered("s1", renewed, 3), renewed);
  EXPECT_TRUE(until([&] { return on(layoutOf("f449"), renewed) != nullptr; })) << "it is copied there";
}

TEST_P(RemovalTest, a_repeated_request_finds_its_answer_though_a_new_server_has_the_name) {
  const StorageId one = joined("s1");
  dies("s1", one);
  const std::uint64_t sequence = mount_->nextSequence();
  auto removal = [&] {
    auto request = mount_->tracker().removeStorageRequest();
    request.setName("s1");
    request.getRequest().setClient(1);
    request.getRequest().setSequence(sequence);
    mount_->call(std::move(request));
  };
  removal();
  const StorageId renewed = joined("s1");
  EXPECT_NE(renewed, one);
  EXPECT_EQ(refusal(removal).code(), Errc::ok);
  EXPECT_EQ(storage("s1").value("state", ""), "up");
}

TEST_P(RemovalTest, by_force_no_file_is_given_up_whose_other_copy_is_away_or_none) {
  const StorageId one = joined("s1");
  const StorageId two = joined("s2");
  mount_->create("f");
  dies("s1", one);
  dies("s2", two);
  const Error away = refusal([&] { remove("s1", true); });
  EXPECT_EQ(away.code(), Errc::notEmpty);
  EXPECT_NE(away.detail().find("away"), std::string::npos) << away.detail();
  ASSERT_NE(on(layoutOf("f"), one), nullptr);
  EXPECT_EQ(on(layoutOf("f"), one)->state, ReplicaState::inSync);
  EXPECT_FALSE(storage("s1")["draining"]) << "a refusal changes nothing";

  registered("s1", one, 2);
  dies("s1", one);
  auto request = mount_->tracker().reportFailureRequest();
  auto failed = request.initFailed(1)[0];
  const Layout before = layoutOf("f");
  failed.setInode(before.inode);
  failed.setEpoch(before.epoch);
  failed.setStorage(two);
  mount_->call(std::move(request));
  const Error only = refusal([&] { remove("s1", true); });
  EXPECT_EQ(only.code(), Errc::notEmpty);
  EXPECT_NE(only.detail().find("their only one"), std::string::npos) << only.detail();
}

TEST_P(RemovalTest, by_force_all_its_files_are_looked_at_before_one_is_given_up) {
  if (GetParam() == "mariadb") GTEST_SKIP() << "the same there, and it takes long to make them";
  const StorageId one = joined("s1");
  const StorageId two = joined("s2");
  for (std::int64_t part = 0; part < kManyParts; ++part) {
    loop_.run(catalog_->write([=](SqlTx& tx) { return manyFiles(tx, one, two, part); }));
  }
  dies("s1", one);
  const Error only = refusal([&] { remove("s1", true); });
  EXPECT_EQ(only.code(), Errc::notEmpty);
  EXPECT_NE(only.detail().find("101000 files"), std::string::npos) << only.detail();
  EXPECT_NE(only.detail().find("1 of them their only one"), std::string::npos) << only.detail();
  EXPECT_EQ(loop_.run(catalog_->read(countStale)), 0);
  EXPECT_FALSE(storage("s1")["draining"]) << "a refusal changes nothing";
}

TEST_P(RemovalTest, a_refused_disk_does_not_slip_in_while_the_server_is_removed) {
  const StorageId one = joined("s1");
  joined("s2");
  for (int i = 0; i < 450; ++i) mount_->create("f" + std::to_string(i));
  dies("s1", one);
  // It asks all the time, as fast as it can.
  Client& asking = connect("s1");
  struct Asked {
    StorageId given = 0;
    std::size_t refused = 0;
  };
  auto asked = std::make_shared<Asked>();
  auto ask = [](Client& client, std::shared_ptr<Asked> asked) -> Task<void> {
    while (asked->given == 0 && client.connection().alive()) {
      auto promise = client.registration("s1", 2, 0, true).send();
      auto answer = co_await rpc::call(client.runtime(), kj::mv(promise), 5s);
      if (answer.getStatus().getCode() == schema::ErrorCode::OK) asked->given = answer.getStorage();
      asked->refused += asked->given == 0 ? 1 : 0;
    }
  };
  loop_.runtime.spawn("ask", ask(asking, asked));
  ASSERT_TRUE(until([&] { return asked->refused > 0; }));
  remove("s1", true);
  ASSERT_TRUE(until([&] { return asked->given != 0; })) << "once it is removed";
  EXPECT_GT(asked->given, one + 1) << "never under the old id";
  for (int i = 0; i < 450; ++i) EXPECT_EQ(on(layoutOf("f" + std::to_string(i)), one), nullptr);
}

}  // namespace vcfs::tracker::test
