// Connections to storage servers: which are kept, which are closed, and what is said of them.
#include "client/src/storage_pool.h"

#include "common/base/log.h"
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::seconds;

class StoragePoolTest : public ::testing::Test {
 protected:
  // The log of what happens meanwhile.
  template <class Do>
  std::string logOf(Do what) {
    log::setup(log::Level::info, "test");
    testing::internal::CaptureStderr();
    what();
    std::string text = testing::internal::GetCapturedStderr();
    log::setup(log::Level::warn, "test");
    return text;
  }
  void wait(Duration duration) {
    fake.until([] { return false; }, duration);
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster = fake.connect({});
};

TEST_F(StoragePoolTest, one_that_nobody_uses_is_closed_and_that_is_no_loss) {
  const Entry entry = fake.makeFile("a", "hello", FileState::open);
  auto file = fake.run(cluster->open(entry, OpenMode{}));
  fake.run(file->read(0, 5));
  const std::string said = logOf([&] { wait(seconds(80)); });
  EXPECT_EQ(said.find("client.storage.lost"), std::string::npos) << said;
  fake.run(file->read(0, 5));
  EXPECT_EQ(fake.storage(1).hellos, 2) << "it was kept";
}

TEST_F(StoragePoolTest, one_through_which_an_open_file_is_read_now_and_then_is_kept) {
  const Entry entry = fake.makeFile("a", "hello", FileState::open);
  auto file = fake.run(cluster->open(entry, OpenMode{}));
  for (int i = 0; i < 20; ++i) {
    fake.run(file->read(0, 5));
    wait(seconds(10));
  }
  EXPECT_EQ(fake.storage(1).hellos, 1);
}

TEST_F(StoragePoolTest, one_that_is_lost_is_told_of_with_the_reason) {
  const Entry entry = fake.makeFile("a", "hello", FileState::open);
  auto file = fake.run(cluster->open(entry, OpenMode{}));
  fake.run(file->read(0, 5));
  fake.storage(1).hanging = true;
  const std::string said = logOf([&] { wait(seconds(2)); });
  EXPECT_NE(said.find("client.storage.lost storage=s1"), std::string::npos) << said;
  EXPECT_NE(said.find("reason=\"no answer to ping\""), std::string::npos) << said;
}

// A disk was replaced: the server that is gone is still known by the address at which a new one is.
TEST_F(StoragePoolTest, a_server_that_another_one_has_the_address_of_costs_that_one_no_connection) {
  auto pool = std::make_shared<StoragePool>(fake.runtime, ClusterOptions{}, 7);
  const auto get = [&](StorageId id) {
    std::vector<Replica> servers{Replica{id, ReplicaState::inSync, fake.storage(1).address}};
    return pool->get(std::move(servers), fake.clock.now() + seconds(1));
  };
  const auto link = fake.run(get(1));
  EXPECT_THROW(fake.run(get(9)), Error);
  EXPECT_EQ(fake.storage(1).hellos, 1);
  EXPECT_EQ(pool->find(fake.storage(1).address, 1), link);
  pool->stop();
}

// Whoever has a file open goes on to use its layout while the trackers are away.
TEST_F(StoragePoolTest, a_server_of_another_cluster_at_the_same_address_is_not_used) {
  auto pool = std::make_shared<StoragePool>(fake.runtime, ClusterOptions{}, 7);
  pool->onlyOf([] { return std::string("a"); });
  const auto get = [&] {
    std::vector<Replica> servers{Replica{1, ReplicaState::inSync, fake.storage(1).address}};
    return pool->get(std::move(servers), fake.clock.now() + seconds(1));
  };
  fake.storage(1).uuid = "b";
  EXPECT_THROW(fake.run(get()), Error);
  fake.storage(1).uuid = "a";
  EXPECT_EQ(fake.run(get())->id, 1u);
  pool->stop();
}

}  // namespace
}  // namespace vcfs::client
