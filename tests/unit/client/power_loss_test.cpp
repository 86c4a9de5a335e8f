// Every server of a file loses power and is back before a writer gives up: what was acknowledged and never synced may
// be gone, and the writer is told, as by a local disk.
#include "client/src/core/unsynced.h"
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

TEST(Unsynced, a_loss_concerns_what_was_acknowledged_and_not_synced) {
  Unsynced unsynced;
  unsynced.acknowledged(1);
  unsynced.synced(2);
  EXPECT_FALSE(unsynced.lostWith(7));
  unsynced.acknowledged(3);
  EXPECT_TRUE(unsynced.lostWith(8));
}

TEST(Unsynced, a_loss_counts_once_also_when_an_older_answer_comes_behind) {
  Unsynced unsynced;
  EXPECT_FALSE(unsynced.lostWith(7)) << "it was before";
  unsynced.acknowledged(1);
  EXPECT_FALSE(unsynced.lostWith(0)) << "not told";
  EXPECT_TRUE(unsynced.lostWith(8));
  unsynced.acknowledged(2);
  EXPECT_FALSE(unsynced.lostWith(7));
  EXPECT_FALSE(unsynced.lostWith(8));
}

TEST(Unsynced, what_is_acknowledged_after_a_loss_counts_though_others_behind_it_were_before) {
  Unsynced unsynced;
  unsynced.acknowledged(6);
  EXPECT_TRUE(unsynced.lostWith(7));
  unsynced.acknowledged(5);
  EXPECT_TRUE(unsynced.lostWith(8));
}

TEST(Unsynced, what_a_sync_covers_counts_as_synced_whenever_its_own_answer_comes) {
  Unsynced unsynced;
  unsynced.synced(6);
  unsynced.acknowledged(5);
  EXPECT_FALSE(unsynced.lostWith(7));
}

TEST(Unsynced, a_sync_does_not_cover_what_was_acknowledged_beside_it) {
  Unsynced unsynced;
  unsynced.acknowledged(2);
  unsynced.acknowledged(1);  // with a sync of its own
  unsynced.synced(1);
  EXPECT_TRUE(unsynced.any());
}

class PowerLoss : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster = fake.connect({});
    file = open();
    write(0, "hello");
    fake.run(file->flush());
  }
  std::shared_ptr<File> open(bool writes = true) {
    OpenMode mode;
    mode.write = writes;
    return fake.run(cluster->openPath("a", mode, writes));
  }
  void write(std::uint64_t offset, const std::string& text) { fake.run(file->write(offset, bytesOf(text))); }
  void losePower(std::uint64_t name = 7) {
    for (StorageId id : {1, 2}) fake.storage(id).powerLoss = name;
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
};

TEST_F(PowerLoss, is_told_by_the_next_sync_once_and_writing_goes_on) {
  losePower();
  write(5, " world");
  write(11, "!");
  EXPECT_EQ(fake.failure(file->sync()), Errc::io);
  EXPECT_EQ(fake.failure(file->sync()), Errc::ok);
  EXPECT_EQ(fake.failure(file->write(12, bytesOf("!"))), Errc::ok);
  fake.run(file->flush());
  losePower(8);
  EXPECT_EQ(fake.failure(file->sync()), Errc::io) << "another one";
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
}

TEST_F(PowerLoss, is_told_by_close) {
  losePower();
  EXPECT_EQ(fake.failure(file->close()), Errc::io);
  file = open();
  EXPECT_EQ(fake.failure(file->sync()), Errc::ok);
}

TEST_F(PowerLoss, is_told_to_every_handle_of_then_and_to_none_that_comes_later) {
  auto second = open();
  auto reader = open(false);
  losePower();
  EXPECT_EQ(fake.failure(file->sync()), Errc::io);
  auto late = open();
  EXPECT_EQ(fake.failure(second->flush()), Errc::io);
  EXPECT_EQ(fake.failure(second->close()), Errc::ok);
  EXPECT_EQ(fake.failure(reader->flush()), Errc::ok) << "it has written nothing";
  EXPECT_EQ(fake.failure(reader->sync()), Errc::io) << "a sync is about the file";
  EXPECT_EQ(fake.failure(late->sync()), Errc::ok);
  EXPECT_EQ(fake.failure(late->close()), Errc::ok);
}

TEST_F(PowerLoss, is_nothing_to_who_has_synced) {
  fake.run(file->sync());
  losePower();
  write(5, " world");
  EXPECT_EQ(fake.failure(file->sync()), Errc::ok);
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
}

TEST_F(PowerLoss, is_asked_for_by_a_flush_after_the_primary_was_lost) {
  losePower();
  fake.killStorage(1);
  fake.advance(Duration{});
  EXPECT_EQ(fake.failure(file->flush()), Errc::io) << "it has nothing to send";
}

TEST_F(PowerLoss, is_asked_for_by_a_flush_after_another_user_of_the_file_has_learnt_of_another_primary) {
  losePower();
  fake.fail(file->inode(), 1, 1);
  auto reader = open(false);
  EXPECT_EQ(fake.failure(file->flush()), Errc::io) << "it has nothing to send";
}

TEST_F(PowerLoss, is_not_told_to_who_is_not_the_writer) {
  losePower();
  write(5, " world");
  EXPECT_EQ(fake.failure(file->drain()), Errc::ok);
  EXPECT_EQ(fake.failure(file->sync()), Errc::io);
}

TEST_F(PowerLoss, of_one_server_is_nothing) {
  fake.killStorage(1);
  fake.storage(1).powerLoss = 7;
  EXPECT_EQ(fake.failure(file->flush()), Errc::ok);
  EXPECT_EQ(fake.failure(file->sync()), Errc::ok);
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
}

}  // namespace
}  // namespace vcfs::client
