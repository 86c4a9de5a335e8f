// A closing is not told again after the syncNames() that followed its answer: it has to survive a power cut of the
// catalog's machine then. Before, nobody waits for the disk.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "tests/unit/tracker/service/client.h"
#include "tracker/catalog/sqlite/sqlite_catalog.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// A catalog whose file is copied when it was synced: what a power cut leaves at worst.
class SyncedCatalog final : public Catalog {
 public:
  SyncedCatalog(Runtime& runtime, const fs::path& folder) : folder_(folder) {
    fs::create_directories(folder_ / "now");
    inner_ = std::make_unique<SqliteCatalog>(runtime, options("now"));
  }
  Task<void> writeBody(Body body, Durability durability) override {
    co_await inner_->writeBody(std::move(body), Durability::committed);
    if (durability == Durability::stable) co_await sync();
  }
  Task<void> readBody(Body body) override { return inner_->readBody(std::move(body)); }
  Task<void> sync() override {
    ++syncs;
    co_await inner_->sync();
    fs::remove_all(folder_ / "durable");
    fs::copy(folder_ / "now", folder_ / "durable");
  }
  std::string engine() const override { return inner_->engine(); }
  bool shared() const override { return inner_->shared(); }

  int syncs = 0;
  std::unique_ptr<Catalog> afterPowerCut(Runtime& runtime) const {
    return std::make_unique<SqliteCatalog>(runtime, options("durable"));
  }

 private:
  SqliteOptions options(const char* which) const {
    SqliteOptions options;
    options.path = folder_ / which / "catalog.db";
    options.inlinePools = true;
    return options;
  }
  const fs::path folder_;
  std::unique_ptr<SqliteCatalog> inner_;
};

class ClosingReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "vcfs-closing-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    catalog_ = std::make_unique<SyncedCatalog>(loop_.runtime, folder_);
    TrackerOptions options;
    options.listen = "tracker:1";
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
    for (int i = 0; i < 2; ++i) {
      const std::string name = "s" + std::to_string(i + 1);
      servers_[i] = std::make_unique<Client>(loop_, name, "storage", 11 + static_cast<ClientId>(i));
      ids_[i] = servers_[i]->registerStorage(name);
    }
    mount_ = std::make_unique<Client>(loop_, "m", "mount", 1);
  }
  void TearDown() override {
    mount_.reset();
    for (auto& server : servers_) server.reset();
    loop_.drain();
    service_.reset();
    loop_.drain();
    catalog_.reset();
    fs::remove_all(folder_);
  }
  // By its primary.
  void reportClosed(const Layout& layout, std::uint64_t size) {
    const StorageId primary = layout.primary()->storage;
    Client& server = *servers_[primary == ids_[0] ? 0 : 1];
    auto request = server.tracker().reportFilesRequest();
    request.setStorage(primary);
    auto file = request.initFiles(1)[0];
    file.setInode(layout.inode);
    file.setEpoch(layout.epoch);
    file.setSize(size);
    file.setMtimeNs(1'000'000'000);
    file.setState(schema::FileState::CLOSED);
    file.setOrder(++order_);
    server.call(std::move(request));
  }
  void syncNames() { servers_[0]->call(servers_[0]->tracker().syncNamesRequest()); }
  void openForWrite(InodeId inode) {
    auto request = mount_->tracker().openForWriteRequest();
    request.setInode(inode);
    request.getRequest().setClient(1);
    request.getRequest().setSequence(mount_->nextSequence());
    mount_->call(std::move(request));
  }
  Attr afterPowerCut(InodeId inode) {
    const std::unique_ptr<Catalog> catalog = catalog_->afterPowerCut(loop_.runtime);
    auto look = [inode](SqlTx& tx) { return ops::getAttr(tx, inode); };
    return loop_.run(catalog->read(std::move(look))).attr;
  }

  Loop loop_;
  fs::path folder_;
  std::unique_ptr<SyncedCatalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::unique_ptr<Client> servers_[2];
  StorageId ids_[2] = {};
  std::unique_ptr<Client> mount_;
  std::int64_t order_ = 0;
};

}  // namespace

TEST_F(ClosingReportTest, of_a_file_that_was_opened_again_survives_a_power_cut) {
  const Entry made = schema::toEntry(mount_->create("f").getEntry());
  reportClosed(made.layout, 3);
  loop_.run(catalog_->sync());
  openForWrite(made.attr.inode);
  reportClosed(made.layout, 6);
  syncNames();
  const Attr attr = afterPowerCut(made.attr.inode);
  EXPECT_EQ(attr.size, 6u);
  EXPECT_EQ(attr.state, FileState::closed);
}

TEST_F(ClosingReportTest, is_answered_without_waiting_for_the_disk) {
  const Entry made = schema::toEntry(mount_->create("f").getEntry());
  const int before = catalog_->syncs;
  reportClosed(made.layout, 3);
  EXPECT_EQ(catalog_->syncs, before);
}

}  // namespace vcfs::tracker::test
