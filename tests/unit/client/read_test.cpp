// Reading: which replica is asked, what is read ahead, what happens when a server goes away in the middle.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ReadTest : public ::testing::Test {
 protected:
  std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::mt19937_64 random(3);
    for (char& c : text) c = static_cast<char>(random());
    return text;
  }
  std::shared_ptr<File> open(const Entry& entry) {
    if (!cluster) cluster = fake.connect(options);
    return fake.run(cluster->open(entry, OpenMode{}));
  }
  std::string read(File& file, std::uint64_t offset, std::size_t length) {
    return textOf(fake.run(file.read(offset, length)));
  }
  // A sealed file with an odd inode: the second replica is the first choice of its readers.
  Entry readFromTheSecond(const std::string& bytes) {
    const Entry entry = fake.makeFile("b", bytes, FileState::closed);
    return entry.attr.inode % 2 != 0 ? entry : fake.makeFile("c", bytes, FileState::closed);
  }
  // What a drain does in the end; nobody tells this client.
  void moveAway(InodeId inode, StorageId from) {
    Layout& layout = fake.file(inode).layout;
    ++layout.epoch;
    std::erase_if(layout.replicas, [from](const Replica& replica) { return replica.storage == from; });
    fake.storage(from).tellsLayouts = false;
  }
  int reads() { return fake.storage(1).reads + fake.storage(2).reads; }

  FakeCluster fake;
  ClusterOptions options;
  std::shared_ptr<Cluster> cluster;
};

TEST_F(ReadTest, a_sealed_file_is_read_whole_in_any_pieces) {
  const std::string text = pattern(5'000'000);
  auto file = open(fake.makeFile("a", text, FileState::closed));
  std::string got;
  while (true) {
    std::string piece = read(*file, got.size(), 100'000);
    if (piece.empty()) break;
    got += piece;
  }
  EXPECT_EQ(got, text);
  EXPECT_LE(reads(), 8) << "read ahead in large requests, and once";
}

TEST_F(ReadTest, one_large_read_is_split_and_whole) {
  const std::string text = pattern(5'000'000);
  auto file = open(fake.makeFile("a", text, FileState::closed));
  EXPECT_EQ(read(*file, 1000, 10'000'000), text.substr(1000));
}

TEST_F(ReadTest, what_will_be_read_is_fetched_once) {
  const std::string text = pattern(4096);
  auto file = open(fake.makeFile("a", text, FileState::closed));
  file->willRead(0, 4096);
  EXPECT_EQ(read(*file, 0, 4096), text);
  EXPECT_EQ(reads(), 1);
}

TEST_F(ReadTest, small_random_reads_ask_for_no_more_than_they_need) {
  const std::string text = pattern(5'000'000);
  auto file = open(fake.makeFile("a", text, FileState::closed));
  for (std::uint64_t offset : {4'000'000, 1000, 3'000'000, 500'000}) {
    EXPECT_EQ(read(*file, offset, 4096), text.substr(offset, 4096));
  }
  EXPECT_EQ(reads(), 4);
}

TEST_F(ReadTest, reading_at_the_end_gives_nothing) {
  auto file = open(fake.makeFile("a", "hello", FileState::closed));
  EXPECT_EQ(read(*file, 5, 10), "");
  EXPECT_EQ(read(*file, 500, 10), "");
  EXPECT_EQ(read(*file, 3, 10), "lo");
}

TEST_F(ReadTest, files_are_spread_over_the_replicas) {
  for (int i = 0; i < 10; ++i) {
    auto file = open(fake.makeFile("f" + std::to_string(i), "hello", FileState::closed));
    EXPECT_EQ(read(*file, 0, 10), "hello");
  }
  EXPECT_EQ(fake.storage(1).reads, 5);
  EXPECT_EQ(fake.storage(2).reads, 5);
}

TEST_F(ReadTest, a_file_that_is_written_is_read_from_its_primary_only) {
  for (int i = 0; i < 4; ++i) {
    auto file = open(fake.makeFile("f" + std::to_string(i), "hello", FileState::open));
    EXPECT_EQ(read(*file, 0, 10), "hello");
  }
  EXPECT_EQ(fake.storage(2).reads, 0);
}

TEST_F(ReadTest, a_replica_killed_in_the_middle_of_a_read_is_not_noticed) {
  const std::string text = pattern(8'000'000);
  Entry entry = fake.makeFile("a", text, FileState::closed);
  auto file = open(entry);
  std::string got = read(*file, 0, 200'000);
  fake.killStorage(fake.storage(1).reads > 0 ? 1 : 2);
  while (got.size() < text.size()) got += read(*file, got.size(), 200'000);
  EXPECT_EQ(got, text);
  EXPECT_EQ(fake.tracker().reports, 0) << "a reader does not change who holds the file";
}

TEST_F(ReadTest, a_primary_killed_while_its_open_file_is_read_is_replaced) {
  auto file = open(fake.makeFile("a", "hello", FileState::open));
  EXPECT_EQ(read(*file, 0, 10), "hello");
  fake.killStorage(1);
  EXPECT_EQ(read(*file, 0, 10), "hello");
  EXPECT_EQ(fake.file(file->inode()).layout.primary()->storage, 2u);
}

TEST_F(ReadTest, a_sealed_file_that_is_written_again_is_read_from_its_primary) {
  const Entry entry = readFromTheSecond("hello");
  auto file = open(entry);
  EXPECT_EQ(read(*file, 0, 10), "hello");
  EXPECT_EQ(fake.storage(2).reads, 1);
  for (auto& storage : fake.storages) storage->replicas[entry.attr.inode].state = FileState::open;
  fake.file(entry.attr.inode).attr.state = FileState::open;
  EXPECT_EQ(read(*file, 0, 10), "hello");
  EXPECT_EQ(fake.storage(1).reads, 1);
}

// As a server does that the file was moved away from: it knows that the epoch is over, and not what came after it.
TEST_F(ReadTest, a_replica_that_was_removed_is_asked_once_and_then_the_others) {
  const Entry entry = readFromTheSecond("hello");
  auto file = open(entry);
  EXPECT_EQ(read(*file, 0, 10), "hello");
  ASSERT_EQ(fake.storage(2).reads, 1);
  moveAway(entry.attr.inode, 2);
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(read(*file, 0, 10), "hello");
  EXPECT_EQ(fake.storage(2).reads, 2);
  EXPECT_LT(fake.clock.now() - before, milliseconds(10));
}

TEST_F(ReadTest, when_no_replica_knows_the_new_layout_a_tracker_does) {
  const Entry entry = readFromTheSecond("hello");
  auto file = open(entry);
  EXPECT_EQ(read(*file, 0, 10), "hello");
  moveAway(entry.attr.inode, 2);
  fake.storage(1).tellsLayouts = false;
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(read(*file, 0, 10), "hello");
  EXPECT_EQ(fake.storage(2).reads, 2);
  EXPECT_LT(fake.clock.now() - before, seconds(1));
}

// Trackers were away when the first change was told, and are back when the second one is.
TEST_F(ReadTest, that_a_sealed_file_was_opened_is_heard_at_once_though_an_earlier_question_pauses) {
  auto file = open(readFromTheSecond("hello"));
  EXPECT_EQ(read(*file, 0, 10), "hello");
  ASSERT_EQ(fake.storage(2).reads, 1);
  Change change;
  change.inode = file->inode();
  fake.tracker().refuse = Errc::unavailable;
  fake.tell(change);
  fake.advance(seconds(3));  // the pauses are long by now
  fake.tracker().refuse = Errc::ok;
  fake.file(file->inode()).attr.state = FileState::open;
  fake.storage(1).replicas[file->inode()].state = FileState::open;
  fake.storage(1).replicas[file->inode()].bytes = "he";  // opened and cut; the other has not heard
  fake.tell(change);
  EXPECT_EQ(read(*file, 0, 10), "he");
}

TEST_F(ReadTest, what_was_read_ahead_is_forgotten_when_somebody_else_changes_it) {
  const std::string text(4 << 20, 'a');
  auto file = open(fake.makeFile("a", text, FileState::closed));
  EXPECT_EQ(read(*file, 0, 128 << 10), std::string(128 << 10, 'a'));
  for (auto& storage : fake.storages) storage->replicas[file->inode()].bytes.assign(4 << 20, 'b');
  Change change;
  change.inode = file->inode();
  change.data = true;
  fake.tell(change);
  EXPECT_EQ(read(*file, 128 << 10, 128 << 10), std::string(128 << 10, 'b'));
}

TEST_F(ReadTest, what_was_read_ahead_is_forgotten_when_this_process_changes_it) {
  const std::string text(4 << 20, 'a');
  Entry entry = fake.makeFile("a", text, FileState::closed);
  auto file = open(entry);
  EXPECT_EQ(read(*file, 0, 128 << 10), std::string(128 << 10, 'a'));
  OpenMode mode;
  mode.write = true;
  auto writer = fake.run(cluster->open(entry, mode));
  fake.run(writer->write(200'000, bytesOf("xyz")));
  EXPECT_EQ(read(*file, 200'000, 3), "xyz");
  fake.run(writer->truncate(100));
  EXPECT_EQ(read(*file, 300'000, 3), "");
  fake.run(writer->close());
}

TEST_F(ReadTest, a_follower_sees_what_is_appended) {
  Entry entry = fake.makeFile("a", "one", FileState::open);
  auto file = open(entry);
  EXPECT_EQ(read(*file, 0, 100), "one");
  EXPECT_EQ(read(*file, 3, 100), "");
  for (auto& storage : fake.storages) storage->replicas[entry.attr.inode].bytes += "two";
  EXPECT_EQ(read(*file, 3, 100), "two");
}

TEST_F(ReadTest, pieces_outlive_the_file) {
  auto file = open(fake.makeFile("a", pattern(300'000), FileState::closed));
  auto pieces = fake.run(file->read(0, 300'000));
  file.reset();
  fake.run(cluster->shutdown());
  EXPECT_EQ(textOf(pieces), pattern(300'000));
}

TEST_F(ReadTest, readInto_copies_and_counts) {
  auto file = open(fake.makeFile("a", "hello", FileState::closed));
  std::vector<std::byte> out(100);
  EXPECT_EQ(fake.run(file->readInto(1, out)), 4u);
  EXPECT_EQ(static_cast<char>(out[0]), 'e');
}

TEST_F(ReadTest, who_pauses_lets_go_of_what_others_may_need) {
  options.readAheadTotal = 3 << 20;  // a piece of 1 MiB for each of two is more than half of it
  const std::string text = pattern(6'000'000);
  const Entry entry = fake.makeFile("a", text, FileState::closed);
  auto paused = open(entry);
  auto other = open(fake.makeFile("b", text, FileState::closed));
  std::uint64_t at = 0;
  for (; at < 900'000; at += 131'072) {
    for (auto& file : {paused, other}) EXPECT_EQ(read(*file, at, 131'072), text.substr(at, 131'072));
  }
  paused->willPause();
  EXPECT_EQ(read(*paused, at, 131'072), text.substr(at, 131'072));
  EXPECT_EQ(fake.storage(entry.attr.inode % 2 + 1).readOffsets.back(), at) << "it was there, and is fetched again";
  const int before = reads();
  EXPECT_EQ(read(*other, at, 131'072), text.substr(at, 131'072));
  EXPECT_EQ(reads(), before) << "the other one has kept its own";
}

TEST_F(ReadTest, who_pauses_keeps_what_nobody_needs) {
  const std::string text = pattern(6'000'000);
  auto file = open(fake.makeFile("a", text, FileState::closed));
  for (std::uint64_t at = 0; at < 1'000'000; at += 131'072) {
    EXPECT_EQ(read(*file, at, 131'072), text.substr(at, 131'072));
  }
  file->willPause();
  EXPECT_EQ(read(*file, 1'048'576, 131'072), text.substr(1'048'576, 131'072));
  for (auto& storage : fake.storages) {
    std::set<std::uint64_t> once(storage->readOffsets.begin(), storage->readOffsets.end());
    EXPECT_EQ(once.size(), storage->readOffsets.size());
  }
}

TEST_F(ReadTest, read_ahead_memory_stays_within_its_ceiling) {
  options.readAheadTotal = 2 << 20;
  const std::string text = pattern(6'000'000);
  std::vector<std::shared_ptr<File>> files;
  for (int i = 0; i < 8; ++i) files.push_back(open(fake.makeFile("f" + std::to_string(i), text, FileState::closed)));
  for (std::uint64_t at = 0; at < text.size(); at += 131'072) {
    for (auto& file : files) EXPECT_EQ(read(*file, at, 131'072), text.substr(at, 131'072));
  }
}

}  // namespace
}  // namespace vcfs::client
