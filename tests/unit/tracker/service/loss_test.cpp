// A server is gone for good: what a tracker asks of the others before it gives anything up, and what it does then.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

struct Disk {
  std::map<InodeId, std::uint64_t> sizes;
  bool readable = true;
  bool answers = true;
  bool salvages = true;
  bool gaps = false;              // of each
  std::uint64_t copiedSince = 0;  // when it comes to keep them
  std::uint64_t goneSince = 0;
  std::map<InodeId, std::uint64_t> salvaged;
};

class FakeStorage final : public schema::Storage::Server {
 public:
  explicit FakeStorage(Disk& disk) : disk_(disk) {}
  kj::Promise<void> hello(HelloContext) override { return kj::READY_NOW; }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> adopt(AdoptContext) override { return kj::READY_NOW; }
  kj::Promise<void> inspect(InspectContext context) override {
    if (!disk_.answers) return KJ_EXCEPTION(DISCONNECTED, "cut off");
    std::vector<InodeId> found;
    for (InodeId inode : context.getParams().getInodes()) {
      if (disk_.sizes.contains(inode)) found.push_back(inode);
    }
    auto list = context.getResults().initReplicas(static_cast<unsigned>(found.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setInode(found[i]);
      list[i].setEpoch(disk_.readable ? 1 : 0);
      list[i].setSize(disk_.sizes[found[i]]);
      list[i].setMayHaveGaps(disk_.gaps);
      list[i].setBlocks(1);
    }
    return kj::READY_NOW;
  }
  kj::Promise<void> salvage(SalvageContext context) override {
    auto files = context.getParams().getFiles();
    auto kept = context.getResults().initKept(files.size());
    for (unsigned i = 0; i < files.size(); ++i) {
      const InodeId inode = files[i].getLayout().getInode();
      kept[i].setInode(inode);
      if (!disk_.salvages) continue;
      kept[i].setEpoch(files[i].getLayout().getEpoch());
      const std::uint64_t size = disk_.sizes[inode] + disk_.copiedSince - disk_.goneSince;
      kept[i].setSize(std::min(size, files[i].getAtMost()));
      kept[i].setMayHaveGaps(disk_.gaps);
      disk_.salvaged[inode] = kept[i].getSize();
    }
    return kj::READY_NOW;
  }

 private:
  Disk& disk_;
};

class LossTest : public ::testing::Test {
 protected:
  struct Storage {
    std::string name;
    std::unique_ptr<Client> client;
    std::unique_ptr<rpc::Server> server;
    Disk disk;
  };
  void SetUp() override {
    catalog_ = makeCatalog(loop_, "sqlite");
    startTracker(0s, silence_);
    for (int n = 1; n <= 2; ++n) {
      const std::string name = "s" + std::to_string(n);
      auto client = std::make_unique<Client>(loop_, name, "storage", 10 + n);
      const StorageId id = client->registerStorage(name);
      Storage& one = storages_[id];
      one.name = name;
      one.client = std::move(client);
      one.server = std::make_unique<rpc::Server>(one.client->runtime(), name + ":1",
                                                 [&one](std::shared_ptr<rpc::Connection>) -> capnp::Capability::Client {
                                                   return kj::heap<FakeStorage>(one.disk);
                                                 });
    }
    mount_ = std::make_unique<Client>(loop_, "a", "mount", 1);
  }
  void TearDown() override {
    for (auto& [id, one] : storages_) one.server.reset();
    turn();
    mount_.reset();
    for (auto& [id, one] : storages_) one.client.reset();
    service_.reset();
    turn();
    storages_.clear();
    catalog_.reset();
  }
  void startTracker(Duration settleTime, Duration unreachableAfter = kSilence) {
    TrackerOptions options;
    options.listen = "tracker:1";
    options.map.defaultCopies = 2;
    options.map.settleTime = settleTime;
    options.map.unreachableAfter = unreachableAfter;
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
  }
  void restartTracker(Duration settleTime) {
    for (auto& [id, one] : storages_) end(one);
    mount_.reset();
    service_.reset();
    turn();
    startTracker(settleTime);
    mount_ = std::make_unique<Client>(loop_, "a", "mount", 1);
  }
  // Its server's connections run on the client's host: they end first.
  void end(Storage& one) {
    one.server.reset();
    turn();
    one.client.reset();
  }
  void turn() {
    for (int i = 0; i < 1000; ++i) {
      loop_.io.restart();
      if (loop_.io.run_one_for(5ms) == 0) break;
    }
  }
  // Of two copies the one on `older` is behind, and `gone` is away.
  InodeId fileWithOlderCopy(std::uint64_t older) {
    const Layout layout = schema::toEntry(mount_->create("f").getEntry()).layout;
    gone_ = layout.replicas[0].storage;
    older_ = layout.replicas[1].storage;
    auto request = mount_->tracker().reportFailureRequest();
    auto failed = request.initFailed(1)[0];
    failed.setInode(layout.inode);
    failed.setEpoch(layout.epoch);
    failed.setStorage(older_);
    mount_->call(std::move(request));
    ops::FileReport report;
    report.inode = layout.inode;
    report.epoch = layout.epoch + 1;
    report.size = 1000;
    report.state = FileState::closed;
    report.order = 1;
    std::vector<ops::FileReport> reports{report};
    loop_.run(catalog_->write([=, this](SqlTx& tx) { return ops::reportFiles(tx, gone_, reports, ops::Occasion()); }));
    storages_[older_].disk.sizes[layout.inode] = older;
    return layout.inode;
  }
  void goAway(StorageId storage) {
    end(storages_[storage]);
    const auto until = std::chrono::steady_clock::now() + kSilence * 2;
    while (std::chrono::steady_clock::now() < until) turn();
    noteAway(storage, 10s);
  }
  void noteAway(StorageId storage, std::chrono::nanoseconds since) {
    const std::int64_t at = loop_.clock.wallNs() - since.count();
    loop_.run(catalog_->write([=](SqlTx& tx) { return ops::setAwaySince(tx, storage, at); }));
  }
  auto accept(StorageId storage, bool dryRun, bool without = false) {
    for (auto& [id, one] : storages_) {
      if (!one.client) continue;
      auto beat = one.client->tracker().heartbeatRequest();
      beat.setStorage(id);
      beat.setCapacityBytes(std::uint64_t{100} << 30);
      beat.setFreeBytes(std::uint64_t{90} << 30);
      one.client->call(std::move(beat));
    }
    auto request = mount_->tracker().acceptLossRequest();
    request.setName(storages_[storage].name);
    request.setLimit(100);
    request.setDryRun(dryRun);
    request.setAcceptUnseen(without);
    return mount_->call(std::move(request));
  }
  Errc refused(StorageId storage) {
    try {
      accept(storage, false);
    } catch (const Error& error) {
      return error.code();
    }
    return Errc::ok;
  }
  Entry entry(InodeId inode) {
    auto request = mount_->tracker().getAttrRequest();
    request.setInode(inode);
    return schema::toEntry(mount_->call(std::move(request)).getEntry());
  }

  static constexpr std::chrono::milliseconds kSilence{700};
  Loop loop_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::map<StorageId, Storage> storages_;
  std::unique_ptr<Client> mount_;
  StorageId gone_ = 0;
  StorageId older_ = 0;
  Duration silence_ = kSilence;
};

}  // namespace

TEST_F(LossTest, the_older_copy_is_brought_into_order_before_the_catalog_counts_it) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  const auto told = accept(gone_, true);
  ASSERT_EQ(told.getFiles().size(), 1u);
  EXPECT_EQ(told.getFiles()[0].getFate(), schema::LossFate::KEPT);
  EXPECT_EQ(told.getFiles()[0].getKept(), 700u);
  EXPECT_EQ(told.getFiles()[0].getSize(), 1000u);
  EXPECT_TRUE(storages_[older_].disk.salvaged.empty()) << "nothing is done yet";
  EXPECT_EQ(entry(inode).attr.size, 1000u);

  accept(gone_, false);
  EXPECT_EQ(storages_[older_].disk.salvaged[inode], 700u);
  const Entry after = entry(inode);
  EXPECT_EQ(after.attr.size, 700u);
  EXPECT_EQ(after.attr.state, FileState::recovered);
  ASSERT_NE(after.layout.primary(), nullptr);
  EXPECT_EQ(after.layout.primary()->storage, older_);
  EXPECT_EQ(accept(gone_, false).getFiles().size(), 0u) << "done";
}

TEST_F(LossTest, a_server_that_is_up_loses_nothing) {
  const InodeId inode = fileWithOlderCopy(700);
  EXPECT_EQ(refused(gone_), Errc::exists);
  EXPECT_EQ(entry(inode).attr.size, 1000u);
}

TEST_F(LossTest, a_server_that_was_heard_of_a_moment_ago_is_not_gone) {
  const InodeId inode = fileWithOlderCopy(700);
  end(storages_[gone_]);
  turn();
  EXPECT_EQ(refused(gone_), Errc::unavailable);
  EXPECT_EQ(entry(inode).attr.size, 1000u);
}

TEST_F(LossTest, one_that_was_noted_a_moment_ago_is_not_gone) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  noteAway(gone_, -1h);
  EXPECT_EQ(refused(gone_), Errc::unavailable);
  noteAway(gone_, 10s);
  EXPECT_EQ(refused(gone_), Errc::ok);
  EXPECT_EQ(entry(inode).attr.size, 700u);
}

// A tracker that has just started may be the only one that was away.
TEST_F(LossTest, a_tracker_that_has_just_started_gives_nothing_up) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  restartTracker(1h);
  noteAway(gone_, 10s);
  EXPECT_EQ(refused(gone_), Errc::unavailable);
  EXPECT_EQ(entry(inode).attr.size, 1000u);
}

class PatientLossTest : public LossTest {
 protected:
  PatientLossTest() { silence_ = 1h; }
};

TEST_F(PatientLossTest, whose_connection_ended_a_moment_ago_is_not_gone) {
  const InodeId inode = fileWithOlderCopy(700);
  end(storages_[gone_]);
  turn();
  noteAway(gone_, 2h);
  EXPECT_EQ(refused(gone_), Errc::unavailable);
  EXPECT_EQ(entry(inode).attr.size, 1000u);
}

// Between two pages nothing may come to the name of the server that is gone but what is gone.
TEST_F(LossTest, no_new_disk_takes_the_place_of_what_is_given_up) {
  fileWithOlderCopy(700);
  goAway(gone_);
  storages_[older_].disk.answers = false;
  accept(gone_, true);
  EXPECT_FALSE(service_->core().map.find(gone_)->draining) << "only looked at";
  EXPECT_EQ(accept(gone_, false).getFiles()[0].getFate(), schema::LossFate::WAITS);
  EXPECT_TRUE(service_->core().map.find(gone_)->draining);
  Client disk(loop_, "new", "storage", 99);
  EXPECT_THROW(disk.registerStorage(storages_[gone_].name, 7, 0, true), Error);
}

TEST_F(LossTest, copies_on_servers_that_are_away_too_are_told_apart) {
  const Layout layout = schema::toEntry(mount_->create("f").getEntry()).layout;
  ASSERT_EQ(countInSync(layout.replicas), 2u);
  goAway(layout.replicas[0].storage);
  auto told = accept(layout.replicas[0].storage, true);
  EXPECT_EQ(told.getElsewhere(), 1u);
  EXPECT_EQ(told.getOthersAway(), 0u);
  goAway(layout.replicas[1].storage);
  told = accept(layout.replicas[0].storage, true);
  EXPECT_EQ(told.getElsewhere(), 1u);
  EXPECT_EQ(told.getOthersAway(), 1u);
}

TEST_F(LossTest, a_copy_that_turns_out_shorter_is_judged_anew) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  storages_[older_].disk.goneSince = 100;
  const auto told = accept(gone_, false);
  EXPECT_EQ(told.getFiles()[0].getFate(), schema::LossFate::WAITS) << "another one may be better now";
  EXPECT_EQ(told.getFiles()[0].getUnseen().size(), 0u) << "its server is there: nobody is to be started or removed";
  EXPECT_EQ(entry(inode).layout.primary()->storage, gone_);
  storages_[older_].disk.goneSince = 0;
  EXPECT_EQ(accept(gone_, false).getFiles()[0].getKept(), 700u);
}

TEST_F(LossTest, a_file_waits_for_a_copy_that_cannot_be_looked_at) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  for (bool answers : {true, false}) {
    storages_[older_].disk.answers = answers;
    storages_[older_].disk.readable = false;
    const auto told = accept(gone_, false);
    ASSERT_EQ(told.getFiles().size(), 1u);
    EXPECT_EQ(told.getFiles()[0].getFate(), schema::LossFate::WAITS);
    ASSERT_EQ(told.getFiles()[0].getUnseen().size(), 1u);
    EXPECT_EQ(told.getFiles()[0].getUnseen()[0], older_);
  }
  EXPECT_EQ(entry(inode).attr.size, 1000u);
  EXPECT_EQ(entry(inode).layout.primary()->storage, gone_);
}

// Neither of two servers that are gone may be what the other's files wait for.
TEST_F(LossTest, whoever_says_so_does_not_wait_for_copies_that_cannot_be_looked_at) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  goAway(older_);
  EXPECT_EQ(accept(gone_, true).getFiles()[0].getFate(), schema::LossFate::WAITS);
  EXPECT_EQ(accept(gone_, true, true).getFiles()[0].getFate(), schema::LossFate::LOST);
  EXPECT_EQ(entry(inode).layout.primary()->storage, gone_);
  EXPECT_EQ(accept(gone_, false, true).getFiles()[0].getFate(), schema::LossFate::LOST);
  EXPECT_EQ(entry(inode).attr.state, FileState::lost);
}

TEST_F(LossTest, a_copy_that_cannot_be_brought_into_order_does_not_count) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  storages_[older_].disk.salvages = false;
  EXPECT_EQ(accept(gone_, false).getFiles()[0].getFate(), schema::LossFate::WAITS);
  EXPECT_EQ(entry(inode).layout.primary()->storage, gone_);
}

TEST_F(LossTest, a_copy_that_moves_while_it_is_judged_is_judged_anew) {
  const InodeId inode = fileWithOlderCopy(700);
  goAway(gone_);
  storages_[older_].disk.gaps = true;
  storages_[older_].disk.copiedSince = 100;
  const auto told = accept(gone_, true);
  EXPECT_EQ(told.getFiles()[0].getKept(), 700u);
  EXPECT_TRUE(told.getFiles()[0].getMayHaveGaps());
  EXPECT_EQ(accept(gone_, false).getFiles()[0].getFate(), schema::LossFate::WAITS);
  EXPECT_EQ(entry(inode).layout.primary()->storage, gone_);
  storages_[older_].disk.copiedSince = 0;
  EXPECT_EQ(accept(gone_, false).getFiles()[0].getFate(), schema::LossFate::KEPT);
}

TEST_F(LossTest, without_another_copy_the_file_is_lost_and_its_name_stays) {
  const InodeId inode = fileWithOlderCopy(0);
  storages_[older_].disk.sizes.clear();
  goAway(gone_);
  EXPECT_EQ(accept(gone_, false).getFiles()[0].getFate(), schema::LossFate::LOST);
  const Entry after = entry(inode);
  EXPECT_EQ(after.attr.state, FileState::lost);
  EXPECT_EQ(after.attr.size, 1000u);
  EXPECT_TRUE(after.layout.replicas.empty());
}

}  // namespace vcfs::tracker::test
