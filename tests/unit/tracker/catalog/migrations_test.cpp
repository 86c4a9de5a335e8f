// Databases of every earlier version, and those whose schema was being changed by a tracker that died, are opened by
// all trackers at once.
#include "tracker/catalog/migrations.h"

#include <gtest/gtest.h>

#include "tests/unit/tracker/catalog/old_database.h"
#include "tests/unit/tracker/engines.h"
#include "tracker/catalog/open_catalog.h"

namespace vcfs::tracker::test {

namespace {

const std::vector<std::string>& newestSchema(Loop& loop, const std::string& engine) {
  static std::map<std::string, std::vector<std::string>> known;
  if (known.count(engine) == 0) {
    OldDatabase empty(engine);
    loop.run(openCatalog(loop.runtime, empty.url(), 2));
    known[engine] = empty.schema();
  }
  return known[engine];
}

// As OldDatabase::definitionsTried() counts them, in the steps after this version.
int definitionsAfter(int version) {
  int count = 0;
  for (const Migration& step : migrations(Engine::mariadb)) {
    for (const std::string& statement : step.statements) {
      const bool counts = statement.starts_with("ALTER TABLE") || statement.starts_with("CREATE INDEX");
      if (step.version > version && counts) ++count;
    }
  }
  return count;
}

}  // namespace

class OldDatabaseTest : public OpsTest {
 protected:
  void SetUp() override {
    if (!hasEngine(engine())) GTEST_SKIP() << "no mariadbd on this machine";
    loop_ = std::make_unique<Loop>();
    servers();
  }
  void TearDown() override {
    others_.clear();
    OpsTest::TearDown();
  }
  virtual std::string engine() const { return GetParam(); }

  // By as many trackers as the engine allows.
  void openAtOnce(OldDatabase& database) {
    others_.clear();
    catalog_.reset();
    const std::size_t trackers = engine() == "sqlite" ? 1 : 3;
    std::size_t failed = 0;
    const auto opened = [&](std::exception_ptr error, std::unique_ptr<Catalog> catalog) {
      failed += error ? 1 : 0;
      others_.push_back(std::move(catalog));
    };
    for (std::size_t i = 0; i < trackers; ++i) {
      asio::co_spawn(loop_->io, openCatalog(loop_->runtime, database.url(), 2), opened);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (others_.size() < trackers && std::chrono::steady_clock::now() < deadline) {
      loop_->io.restart();
      loop_->io.run_one_for(std::chrono::milliseconds(100));
    }
    ASSERT_EQ(others_.size(), trackers);
    ASSERT_EQ(failed, 0u);
    catalog_ = std::move(others_.back());
    others_.pop_back();
  }

  void expectNewest(OldDatabase& database) {
    std::vector<std::string> versions;
    for (const Migration& step : database.steps()) versions.push_back(std::to_string(step.version));
    EXPECT_EQ(database.versions(), versions);
    EXPECT_EQ(database.schema(), newestSchema(*loop_, engine()));
  }

  void expectRows(int version) {
    const auto file = read([](SqlTx& tx) { return ops::resolve(tx, kRootInode, "/meetings/rec", true); });
    ASSERT_TRUE(file);
    EXPECT_EQ(file->attr.inode, OldDatabase::kFile);
    EXPECT_EQ(file->attr.size, 4096u);
    EXPECT_EQ(file->attr.state, FileState::closed);
    EXPECT_EQ(file->layout.epoch, 3u);
    ASSERT_EQ(file->layout.replicas.size(), 2u);
    EXPECT_EQ(file->layout.primary()->storage, 1u);
    EXPECT_EQ(file->layout.replicas[1].state, ReplicaState::stale);
    EXPECT_EQ(file->attr.acl & kNoXattrs, 0) << "its attributes would not be asked for";
    EXPECT_EQ(read([](SqlTx& tx) { return ops::getXattr(tx, OldDatabase::kFile, "user.a"); }), "value");
    const auto storages = read([](SqlTx& tx) { return ops::listStorages(tx); });
    ASSERT_EQ(storages.size(), 2u);
    EXPECT_EQ(storages[1].draining, version >= 3);
    EXPECT_EQ(lockedByOldClient(), version >= 4);
    const ops::Request request{OldDatabase::kClient, OldDatabase::kSequence};
    const auto made = read([request](SqlTx& tx) { return ops::findRequest(tx, request, ops::RequestOp::create); });
    ASSERT_TRUE(made);
    EXPECT_EQ(made->entry.attr.inode, OldDatabase::kFile);
  }

  bool lockedByOldClient() {
    FileLock lock;
    lock.kind = LockKind::range;
    lock.type = LockType::exclusive;
    lock.end = 10;
    lock.client = OldDatabase::kClient + 1;
    const auto get = [lock](SqlTx& tx) { return ops::getLock(tx, OldDatabase::kFile, lock, ops::LockRules()); };
    return read(get).has_value();
  }

  // What needs columns and tables of every step.
  void expectUsable() {
    EXPECT_EQ(write([](SqlTx& tx) { return ops::bootstrap(tx, "new", "new", 1); }).uuid, "uuid");
    EXPECT_GE(write([](SqlTx& tx) { return ops::leaseIds(tx, 10); }), std::uint64_t{OldDatabase::kNextId});
    const ops::Outcome made = create(OldDatabase::kDirectory, "new");
    EXPECT_EQ(made.entry.layout.replicas.size(), 2u);
    mkdir(kRootInode, "other");
    rename(kRootInode, "meetings", lookup(kRootInode, "other")->attr.inode, "moved");
    EXPECT_EQ(names(OldDatabase::kDirectory), (std::vector<std::string>{"new", "rec"}));
    write([](SqlTx& tx) { return ops::setDraining(tx, 1, true); });
    FileLock lock;
    lock.kind = LockKind::flock;
    lock.type = LockType::exclusive;
    lock.end = kLockToEnd;
    lock.client = OldDatabase::kClient + 1;
    const auto take = [lock](SqlTx& tx) { return ops::setLock(tx, OldDatabase::kFile, lock, 1, false, {}); };
    EXPECT_FALSE(write(take).conflict);
  }

  std::vector<std::unique_ptr<Catalog>> others_;
};
INSTANTIATE_TEST_SUITE_P(Engines, OldDatabaseTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(OldDatabaseTest, of_every_version_gets_the_missing_steps_once_and_keeps_its_rows) {
  for (int version = 1; version < schemaVersion(); ++version) {
    SCOPED_TRACE("version " + std::to_string(version));
    OldDatabase database(engine());
    database.makeVersion(version);
    const int before = engine() == "mariadb" ? database.definitionsTried() : 0;
    ASSERT_NO_FATAL_FAILURE(openAtOnce(database));
    if (engine() == "mariadb") EXPECT_EQ(database.definitionsTried() - before, definitionsAfter(version));
    expectNewest(database);
    expectRows(version);
    expectUsable();
  }
}

TEST_P(OldDatabaseTest, of_a_newer_version_is_refused) {
  OldDatabase database(engine());
  database.makeVersion(schemaVersion());
  Migration newer;
  newer.version = schemaVersion() + 1;
  newer.name = "from the future";
  database.note(newer);
  EXPECT_EQ(codeOf([&] { loop_->run(openCatalog(loop_->runtime, database.url(), 2)); }), Errc::notSupported);
}

// MariaDB commits each definition by itself: a tracker that dies leaves what it had done of a step.
class HalfDoneStepTest : public OldDatabaseTest {
 protected:
  std::string engine() const override { return "mariadb"; }
};
INSTANTIATE_TEST_SUITE_P(Steps, HalfDoneStepTest, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Migration& step : migrations(Engine::mariadb)) names.push_back(step.name);
                           return names;
                         }()),
                         [](const auto& info) { return info.param; });

TEST_P(HalfDoneStepTest, is_completed_after_each_of_its_statements) {
  const auto steps = migrations(Engine::mariadb);
  const auto step = std::find_if(steps.begin(), steps.end(), [](const auto& one) { return one.name == GetParam(); });
  for (std::size_t done = 1; done <= step->statements.size(); ++done) {
    SCOPED_TRACE("after statement " + std::to_string(done));
    OldDatabase database(engine());
    database.makeVersion(step->version - 1);
    database.begin(*step, done);
    ASSERT_NO_FATAL_FAILURE(openAtOnce(database));
    expectNewest(database);
    if (step->version == 1) continue;  // there was no row before it
    expectRows(step->version - 1);
    expectUsable();
  }
}

}  // namespace vcfs::tracker::test
