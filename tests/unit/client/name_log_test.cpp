// fsync() makes durable what this client changed of the file in the catalog, and asks a tracker for that once.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

class SyncOfNames : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster = fake.connect();
    inode = fake.makeFile("a", "old", FileState::closed).attr.inode;
    other = fake.makeFile("b", "old", FileState::closed).attr.inode;
    file = open("a");
  }
  std::shared_ptr<File> open(const std::string& name) {
    OpenMode mode;
    mode.write = true;
    return fake.run(cluster->openPath(name, mode, false));
  }
  int syncs(const std::shared_ptr<File>& which) {
    const int before = fake.tracker().syncs;
    fake.run(which->sync());
    return fake.tracker().syncs - before;
  }
  void write() { fake.run(file->write(0, bytesOf("new"))); }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
  InodeId inode = 0, other = 0;
};

TEST_F(SyncOfNames, costs_a_tracker_nothing_where_nothing_but_bytes_changed) {
  write();
  EXPECT_EQ(syncs(file), 0);
}

TEST_F(SyncOfNames, comes_with_the_first_sync_after_a_change_of_attributes) {
  AttrChange change;
  change.mode = 0600;
  fake.run(cluster->setAttr(other, change));
  EXPECT_EQ(syncs(file), 0) << "it is another file's";
  fake.run(cluster->setAttr(inode, change));
  EXPECT_EQ(syncs(file), 1);
  EXPECT_EQ(syncs(file), 0);
  fake.run(cluster->setXattr(inode, "user.a", "1", 0, {}));
  EXPECT_EQ(syncs(file), 1);
  fake.run(cluster->removeXattr(inode, "user.a"));
  EXPECT_EQ(syncs(file), 1);
  write();
  EXPECT_EQ(syncs(file), 0);
}

TEST_F(SyncOfNames, comes_with_the_sync_of_either_file_after_an_exchange) {
  auto second = open("b");
  fake.run(cluster->rename(kRootInode, "a", kRootInode, "b", 2));
  EXPECT_EQ(syncs(second), 1);
  EXPECT_EQ(syncs(file), 0) << "both at once";
}

TEST_F(SyncOfNames, comes_with_the_sync_of_what_lost_its_name_while_it_is_open) {
  fake.run(cluster->unlink(kRootInode, "a"));
  EXPECT_EQ(syncs(file), 1);
}

}  // namespace
}  // namespace vcfs::client
