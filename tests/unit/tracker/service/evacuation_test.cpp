// Who gets the places when files are copied for servers that leave or are gone, with a whole tracker.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

// Sealed, with a replica on each of two servers, in sync on the first.
Task<bool> addFile(SqlTx& tx, InodeId inode, std::string group, StorageId first, StorageId second, ReplicaState state) {
  constexpr Statement kInode{
      "INSERT INTO inodes (inode, type, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, rdev, state, epoch,"
      " change_id, tenant, path, target, parent, group_name, copies, missing, opener, opened_at, mtime_fixed, flags)"
      " VALUES (?, 1, 420, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 'u', '/u/f', '', 0, ?, 2, 0, 0, 0, 0, 0)"};
  constexpr Statement kReplica{"INSERT INTO replicas (inode, position, storage, state) VALUES (?, ?, ?, ?)"};
  co_await tx.exec(kInode, inode, group);
  co_await tx.exec(kReplica, inode, 0, first, ReplicaState::inSync);
  co_await tx.exec(kReplica, inode, 1, second, state);
  co_return true;
}

// At most two files are copied at the same time. Servers do nothing but be there: no copy ever ends.
class EvacuationTest : public ::testing::Test {
 protected:
  void SetUp() override { catalog_ = makeCatalog(loop_, "sqlite"); }
  void TearDown() override {
    clients_.clear();
    service_.reset();
    loop_.drain();  // connections and coroutines that end let go of the catalog first
    catalog_.reset();
  }
  template <class F>
  auto write(F f) {
    return loop_.run(catalog_->write(std::move(f)));
  }
  // In the catalog. It is away until it joins.
  StorageId add(const std::string& name, const std::string& group) {
    ops::StorageRow row;
    row.name = name;
    row.group = group;
    row.zone = name;
    row.address = name + ":1";
    const StorageId id = write([=](SqlTx& tx) { return ops::registerStorage(tx, row, 2, ops::Disk()); });
    groups_[name] = group;
    return id;
  }
  void goneForLong(StorageId id) {
    write([id](SqlTx& tx) { return ops::setAwaySince(tx, id, 1); });
  }
  void drain(StorageId id) {
    write([id](SqlTx& tx) { return ops::setDraining(tx, id, true); });
  }
  InodeId file(const std::string& group, StorageId first, StorageId second, ReplicaState state) {
    const InodeId inode = nextInode_++;
    write([=](SqlTx& tx) { return addFile(tx, inode, group, first, second, state); });
    return inode;
  }
  // The tracker, and servers that are up.
  void start(std::vector<std::string> names) {
    TrackerOptions options;
    options.listen = "tracker:1";
    options.coordinatorInterval = 50ms;
    options.rebuildFiles = 2;
    options.map.settleTime = 0s;
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(loop_.runtime, *catalog_, options);
    loop_.run(service_->start());
    for (const std::string& name : names) {
      clients_.push_back(std::make_unique<Client>(loop_, name, "storage", 10 + clients_.size()));
      auto request = clients_.back()->registration(name, 1, 0, false);
      request.setGroup(groups_[name]);
      clients_.back()->call(std::move(request));
    }
  }
  bool comesTo(InodeId inode, StorageId storage) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!isOn(inode, storage)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.io.restart();
      loop_.io.run_one_for(10ms);
    }
    return true;
  }
  bool isOn(InodeId inode, StorageId storage) {
    const Entry entry = loop_.run(catalog_->read([inode](SqlTx& tx) { return ops::getAttr(tx, inode); }));
    return std::any_of(entry.layout.replicas.begin(), entry.layout.replicas.end(),
                       [storage](const Replica& replica) { return replica.storage == storage; });
  }

  Loop loop_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, std::string> groups_;
  InodeId nextInode_ = 5000;
};

}  // namespace

TEST_F(EvacuationTest, copies_in_one_group_do_not_hold_up_another_one) {
  const StorageId source = add("s1", "g1");
  const StorageId busy = add("s2", "g1");
  const StorageId gone = add("s3", "g2");
  const StorageId well = add("s4", "g2");
  const StorageId spare = add("s5", "g2");
  for (int i = 0; i < 2; ++i) file("g1", source, busy, ReplicaState::syncing);
  const InodeId lacking = file("g2", gone, well, ReplicaState::inSync);
  goneForLong(gone);
  start({"s1", "s2", "s4", "s5"});
  EXPECT_TRUE(comesTo(lacking, spare));
}

TEST_F(EvacuationTest, copies_to_a_server_that_died_do_not_take_the_places) {
  const StorageId leaving = add("s1", "g1");
  const StorageId dead = add("s2", "g1");
  const StorageId spare = add("s3", "g1");
  drain(leaving);
  std::vector<InodeId> files;
  for (int i = 0; i < 2; ++i) files.push_back(file("g1", leaving, dead, ReplicaState::syncing));
  start({"s1", "s3"});
  for (const InodeId inode : files) EXPECT_TRUE(comesTo(inode, spare));
}

TEST_F(EvacuationTest, a_server_that_is_gone_comes_before_one_that_is_emptied) {
  const StorageId leaving = add("s1", "g1");
  const StorageId well = add("s2", "g1");
  const StorageId gone = add("s3", "g1");
  const StorageId spare = add("s4", "g1");
  drain(leaving);
  goneForLong(gone);
  for (int i = 0; i < 3; ++i) file("g1", leaving, well, ReplicaState::inSync);
  const InodeId lacking = file("g1", gone, well, ReplicaState::inSync);
  start({"s1", "s2", "s4"});
  EXPECT_TRUE(comesTo(lacking, spare));
}

}  // namespace vcfs::tracker::test
