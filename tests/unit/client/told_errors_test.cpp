// Bytes that failed behind the back of who wrote them: who is told, and what does not take that away.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

class ToldErrors : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster = fake.connect({});
    file = open();
    fake.run(file->write(0, bytesOf("hello")));
    fake.run(file->flush());
  }
  std::shared_ptr<File> open(bool writes = true) {
    OpenMode mode;
    mode.write = writes;
    return fake.run(cluster->openPath("a", mode, writes));
  }
  void loseAWrite() {
    for (StorageId id : {1, 2}) fake.storage(id).refuse = Errc::noSpace;
    fake.run(file->write(5, bytesOf(" world")));
  }
  void makeRoom() {
    for (StorageId id : {1, 2}) fake.storage(id).refuse = Errc::ok;
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
};

TEST_F(ToldErrors, who_waits_for_the_bytes_takes_no_error_from_their_writer) {
  loseAWrite();
  EXPECT_EQ(fake.failure(file->drain()), Errc::ok) << "an unlock";
  makeRoom();
  EXPECT_EQ(fake.failure(file->write(5, bytesOf("!"))), Errc::noSpace);
  EXPECT_EQ(fake.failure(file->drain()), Errc::ok);
  EXPECT_EQ(fake.failure(file->sync()), Errc::noSpace);
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
}

TEST_F(ToldErrors, who_waits_for_the_bytes_waits_until_they_have_failed) {
  loseAWrite();
  fake.run(file->drain());
  makeRoom();
  EXPECT_EQ(fake.failure(file->close()), Errc::noSpace);
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello");
}

TEST_F(ToldErrors, a_sync_tells_every_handle_of_then_whatever_it_was_opened_for) {
  auto reader = open(false);
  loseAWrite();
  EXPECT_EQ(fake.failure(reader->flush()), Errc::ok) << "it has written nothing";
  makeRoom();
  EXPECT_EQ(fake.failure(reader->sync()), Errc::noSpace) << "a sync is about the file";
  EXPECT_EQ(fake.failure(reader->sync()), Errc::ok) << "once";
  auto late = open(false);
  EXPECT_EQ(fake.failure(late->sync()), Errc::ok);
  EXPECT_EQ(fake.failure(file->close()), Errc::noSpace) << "that was another one's";
}

}  // namespace
}  // namespace vcfs::client
