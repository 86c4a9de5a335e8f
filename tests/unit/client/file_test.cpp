// One client and files on healthy servers: what is sent when, what is read back, what close and sync promise.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override { cluster = fake.connect(); }
  std::shared_ptr<File> create(const std::string& name, bool append = false) {
    OpenMode mode;
    mode.write = true;
    mode.append = append;
    return fake.run(cluster->openPath(name, mode, true));
  }
  std::shared_ptr<File> open(const Entry& entry, bool write) {
    OpenMode mode;
    mode.write = write;
    return fake.run(cluster->open(entry, mode));
  }
  void write(File& file, std::uint64_t offset, const std::string& text) { fake.run(file.write(offset, bytesOf(text))); }
  std::string read(File& file, std::uint64_t offset, std::size_t length) {
    return textOf(fake.run(file.read(offset, length)));
  }
  FakeStorage& primary() { return fake.storage(1); }
  // As when somebody else did it.
  void tellUnlinked(InodeId inode) {
    Change change;
    change.inode = inode;
    change.unlinked = true;
    fake.tell(change);
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
};

TEST_F(FileTest, small_file_costs_one_request_with_close_in_it) {
  auto file = create("a");
  write(*file, 0, "hello");
  fake.run(file->flush(true));
  fake.run(file->close());
  EXPECT_EQ(primary().writes, 1);
  EXPECT_EQ(primary().writeFlags.at(0), schema::WRITE_FLAG_CLOSE);
  EXPECT_EQ(primary().closes, 1);
  EXPECT_EQ(primary().opens, 0);
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello");
  EXPECT_EQ(fake.file(file->inode()).attr.state, FileState::closed);
}

TEST_F(FileTest, a_new_file_without_a_byte_is_sealed_by_close) {
  auto file = create("a");
  fake.run(file->close());
  EXPECT_EQ(primary().closes, 1);
  EXPECT_EQ(primary().writes, 0);
}

TEST_F(FileTest, write_returns_before_the_bytes_leave_and_they_leave_after_max_lag) {
  auto file = create("a");
  fake.advance(seconds(1));
  write(*file, 0, "hello");
  EXPECT_EQ(primary().writes, 0);
  fake.advance(milliseconds(49));
  EXPECT_EQ(primary().writes, 0);
  fake.advance(milliseconds(4));
  EXPECT_EQ(primary().writes, 1);
}

TEST_F(FileTest, small_writes_of_one_stream_are_gathered) {
  auto file = create("a");
  const std::string piece(32 << 10, 'x');
  for (int i = 0; i < 64; ++i) write(*file, static_cast<std::uint64_t>(i) * piece.size(), piece);
  fake.run(file->flush());
  EXPECT_EQ(primary().writes, 2);
  EXPECT_EQ(primary().writeLengths.at(0), 1u << 20);
  EXPECT_EQ(fake.bytes(2, file->inode()).size(), 2u << 20);
}

TEST_F(FileTest, a_large_owned_buffer_is_sent_as_it_is) {
  auto file = create("a");
  auto buffer = std::make_shared<std::vector<std::uint64_t>>((1 << 17) + 1, 0x6161616161616161);
  const std::span<const std::byte> data(reinterpret_cast<const std::byte*>(buffer->data()), 1 << 20);
  primary().silent = true;
  fake.run(file->write(0, data, buffer));
  EXPECT_GT(buffer.use_count(), 1) << "not copied";
  fake.killStorage(1);
  fake.run(file->flush());
  fake.advance(milliseconds(1));
  EXPECT_EQ(buffer.use_count(), 1);
  EXPECT_EQ(fake.bytes(1, file->inode()), std::string(1 << 20, 'a'));
}

TEST_F(FileTest, one_reads_ones_own_bytes_at_once_also_through_another_handle) {
  auto file = create("a");
  write(*file, 0, "hello");
  auto other = fake.run(cluster->openPath("a", OpenMode{}, false));
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(read(*other, 0, 100), "hello");
  EXPECT_LT(fake.clock.now() - before, milliseconds(20)) << "sent at once, not after max lag";
}

TEST_F(FileTest, a_hole_that_this_process_made_reads_as_zeros) {
  auto file = create("a");
  write(*file, 10, "x");
  EXPECT_EQ(read(*file, 0, 5), std::string(5, '\0'));
}

TEST_F(FileTest, reads_elsewhere_do_not_wait_for_the_window) {
  auto file = create("a");
  write(*file, 0, std::string(1000, 'a'));
  fake.run(file->flush());
  write(*file, 500, "bbb");
  const int before = primary().writes;
  EXPECT_EQ(read(*file, 0, 100), std::string(100, 'a'));
  EXPECT_EQ(primary().writes, before);
}

TEST_F(FileTest, attributes_count_unsent_bytes) {
  auto file = create("a");
  write(*file, 0, "hello");
  EXPECT_EQ(fake.run(cluster->getAttr(file->inode())).attr.size, 5u);
  EXPECT_EQ(fake.run(file->stat()).size, 5u);
}

TEST_F(FileTest, overwrites_and_truncates_keep_their_order) {
  auto file = create("a");
  write(*file, 0, "aaaaaaaaaa");
  write(*file, 2, "bb");
  fake.run(file->truncate(5));
  write(*file, 4, "cc");
  fake.run(file->flush());
  EXPECT_EQ(fake.bytes(1, file->inode()), "aabbcc");
  EXPECT_EQ(fake.run(file->stat()).size, 6u);
  EXPECT_EQ(read(*file, 0, 100), "aabbcc");
}

TEST_F(FileTest, a_write_after_the_last_flush_opens_the_file_again) {
  auto file = create("a");
  write(*file, 0, "hello");
  fake.run(file->flush(true));
  EXPECT_EQ(fake.file(file->inode()).attr.state, FileState::closed);
  write(*file, 5, " world");
  EXPECT_EQ(fake.tracker().opensForWrite, 1);
  fake.run(file->close());
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello world");
  EXPECT_EQ(fake.file(file->inode()).attr.state, FileState::closed);
}

TEST_F(FileTest, sequences_go_on_after_a_file_was_closed_and_opened_again) {
  auto file = create("a");
  write(*file, 0, "hello");
  fake.run(file->close());
  const InodeId inode = file->inode();
  file.reset();
  Entry entry = fake.run(cluster->getAttr(inode));
  file = open(entry, true);
  write(*file, 0, "HELLO");
  fake.run(file->close());
  EXPECT_EQ(fake.bytes(1, inode), "HELLO") << "not taken for a repeat";
}

TEST_F(FileTest, with_two_writers_the_second_close_seals) {
  auto first = create("a");
  auto second = open(fake.run(cluster->getAttr(first->inode())), true);
  write(*first, 0, "a");
  fake.run(first->flush(true));
  fake.run(first->close());
  EXPECT_EQ(primary().closes, 0);
  write(*second, 1, "b");
  fake.run(second->close());
  EXPECT_EQ(primary().closes, 1);
  EXPECT_EQ(fake.bytes(1, first->inode()), "ab");
}

TEST_F(FileTest, opening_an_existing_sealed_file_for_writing_asks_a_tracker) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), true);
  EXPECT_EQ(fake.tracker().opensForWrite, 1);
  fake.run(file->close());
}

TEST_F(FileTest, opening_a_file_that_somebody_writes_tells_its_primary) {
  auto file = open(fake.makeFile("b", "old", FileState::open), true);
  EXPECT_EQ(primary().opens, 1);
  fake.run(file->close());
}

TEST_F(FileTest, sync_makes_data_and_a_new_name_durable_and_the_name_once) {
  auto file = create("a");
  write(*file, 0, "hello");
  fake.run(file->sync());
  EXPECT_EQ(primary().writeFlags.at(0), schema::WRITE_FLAG_SYNC) << "one round trip";
  EXPECT_EQ(fake.tracker().syncs, 1);
  write(*file, 5, "x");
  fake.run(file->sync());
  EXPECT_EQ(fake.tracker().syncs, 1);
  fake.run(file->close());
}

TEST_F(FileTest, appends_go_to_the_end_wherever_others_moved_it) {
  auto file = create("a", true);
  write(*file, 0, "one");
  fake.run(file->flush());
  for (auto& storage : fake.storages) storage->replicas[file->inode()].bytes += "TWO";
  write(*file, 0, "three");
  fake.run(file->flush());
  EXPECT_EQ(fake.bytes(1, file->inode()), "oneTWOthree");
  EXPECT_EQ(fake.run(file->stat()).size, 11u);
}

TEST_F(FileTest, the_layout_travels_once_per_connection_and_epoch) {
  auto file = create("a");
  for (int i = 0; i < 5; ++i) {
    write(*file, static_cast<std::uint64_t>(i) * 10, "x");
    fake.run(file->flush());
  }
  EXPECT_EQ(primary().layoutsSeen, 1);
}

TEST_F(FileTest, a_server_that_forgot_the_layout_is_told_again) {
  auto file = create("a");
  write(*file, 0, "x");
  fake.run(file->flush());
  fake.killStorage(1);
  fake.killStorage(2);
  fake.storage(1).knowsLayouts = false;
  fake.startStorage(1);
  fake.startStorage(2);
  write(*file, 1, "y");
  fake.run(file->close());
  EXPECT_EQ(fake.bytes(2, file->inode()), "xy");
}

TEST_F(FileTest, a_full_window_makes_write_wait_and_go_on) {
  ClusterOptions options;
  options.sendWindow = 1 << 20;
  auto small = fake.connect(options);
  OpenMode mode;
  mode.write = true;
  auto file = fake.run(small->openPath("w", mode, true));
  std::string much(10 << 20, 'z');
  fake.run(file->write(0, bytesOf(much)));
  fake.run(file->close());
  EXPECT_EQ(fake.bytes(1, file->inode()), much);
}

TEST_F(FileTest, an_open_file_that_is_unlinked_is_pinned_until_it_is_closed) {
  auto file = create("a");
  write(*file, 0, "x");
  fake.run(cluster->unlink(kRootInode, "a"));
  ASSERT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
  fake.advance(seconds(45));
  EXPECT_EQ(fake.tracker().pins, 3);
  fake.run(file->close());
  file.reset();
  fake.advance(seconds(45));
  EXPECT_EQ(fake.tracker().pins, 3);
}

TEST_F(FileTest, an_open_file_that_somebody_else_unlinks_is_pinned) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), false);
  tellUnlinked(file->inode());
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
}

// Nobody could tell it: the trackers were away, or it was cut off from them. Where there is no room its data would be
// gone before the next round of pins.
TEST_F(FileTest, an_open_file_that_turns_out_to_have_lost_its_names_is_pinned_at_once_and_once) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), false);
  const Change anything;
  fake.tell(anything);
  fake.advance(seconds(1));
  EXPECT_EQ(fake.tracker().pins, 0) << "it has its name";
  fake.file(file->inode()).attr.nlink = 0;
  fake.tell(anything);
  ASSERT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
  fake.tell(anything);
  fake.advance(seconds(1));
  EXPECT_EQ(fake.tracker().pins, 1) << "from then on in rounds";
}

TEST_F(FileTest, an_open_file_whose_attributes_show_that_it_lost_its_names_is_pinned_at_once) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), false);
  fake.file(file->inode()).attr.nlink = 0;
  EXPECT_EQ(fake.run(cluster->getAttr(file->inode())).attr.nlink, 0u);
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
}

TEST_F(FileTest, a_file_that_turns_out_to_have_no_name_when_it_is_opened_for_writing_is_pinned_at_once) {
  Entry entry = fake.makeFile("b", "old", FileState::closed);
  fake.file(entry.attr.inode).attr.nlink = 0;
  auto file = open(entry, true);
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
}

TEST_F(FileTest, a_file_that_is_known_to_have_no_name_is_pinned_when_it_is_opened_and_once) {
  Entry entry = fake.makeFile("b", "old", FileState::closed);
  fake.file(entry.attr.inode).attr.nlink = entry.attr.nlink = 0;
  auto file = open(entry, false);
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
  auto again = open(entry, false);
  fake.advance(seconds(1));
  EXPECT_EQ(fake.tracker().pins, 1);
}

// Its entry is from before that, and there was nothing here that could have remembered it.
TEST_F(FileTest, a_file_whose_last_name_was_taken_away_between_look_up_and_open_is_pinned_at_once) {
  const Entry told = fake.makeFile("b", "old", FileState::closed);
  const Entry removedHere = fake.makeFile("c", "old", FileState::closed);
  tellUnlinked(told.attr.inode);
  fake.run(cluster->unlink(kRootInode, "c"));
  auto file = open(told, false);
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
  auto other = open(removedHere, false);
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 2; }, seconds(1)));
}

TEST_F(FileTest, files_that_lose_their_names_together_are_pinned_with_few_calls) {
  constexpr unsigned kFiles = 10'000;
  std::vector<std::shared_ptr<File>> files;
  for (unsigned i = 0; i < kFiles; ++i) {
    files.push_back(open(fake.makeFile("f" + std::to_string(i), "", FileState::closed), false));
  }
  fake.tracker().pins = fake.tracker().pinCalls = 0;
  auto request = fake.tracker().watchers.at(0).changedRequest();
  auto changes = request.initChanges(kFiles);
  for (unsigned i = 0; i < kFiles; ++i) {
    changes[i].setInode(files[i]->inode());
    changes[i].setUnlinked(true);
  }
  request.send().ignoreResult().detach([](kj::Exception&&) {});
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == static_cast<int>(kFiles); }, seconds(1)));
  EXPECT_LE(fake.tracker().pinCalls, 12);
}

TEST_F(FileTest, a_pin_that_failed_is_soon_tried_again) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), false);
  tellUnlinked(file->inode());
  ASSERT_TRUE(fake.until([&] { return fake.tracker().pins == 1; }, seconds(1)));
  fake.advance(seconds(13));
  fake.tracker().refuse = Errc::unavailable;
  fake.advance(seconds(12));  // the round's pin has failed
  EXPECT_EQ(fake.tracker().pins, 1);
  fake.tracker().refuse = Errc::ok;
  EXPECT_TRUE(fake.until([&] { return fake.tracker().pins == 2; }, seconds(3))) << "not with the next round";
}

TEST_F(FileTest, a_pin_that_failed_is_not_tried_again_for_a_file_that_was_closed_meanwhile) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), false);
  auto other = open(fake.makeFile("c", "old", FileState::closed), false);
  fake.tracker().refuse = Errc::unavailable;
  tellUnlinked(file->inode());
  tellUnlinked(other->inode());
  file.reset();
  fake.advance(milliseconds(4500));  // the first attempts are over
  fake.tracker().refuse = Errc::ok;
  fake.advance(seconds(5));
  EXPECT_EQ(fake.tracker().pins, 1) << "the other one's";
}

// As most that are deleted: the trackers would hear of each of them again.
TEST_F(FileTest, a_file_that_is_only_being_closed_is_not_pinned) {
  auto file = create("a");
  const InodeId inode = file->inode();
  write(*file, 0, "hello");
  primary().silent = true;
  file.reset();
  fake.advance(milliseconds(200));
  tellUnlinked(inode);
  fake.advance(seconds(21));
  EXPECT_EQ(fake.tracker().pins, 0);
}

TEST_F(FileTest, a_new_file_that_is_held_open_without_a_write_is_made_known_to_its_primary) {
  auto file = create("a");
  EXPECT_EQ(primary().opens, 0) << "most files are written at once";
  fake.advance(seconds(5));
  EXPECT_EQ(primary().opens, 1);
  fake.advance(seconds(20));
  EXPECT_EQ(primary().opens, 1) << "from then on pings keep the lease";
  fake.run(file->close());
}

TEST_F(FileTest, an_old_entry_from_a_callers_cache_does_not_bring_an_old_size_back) {
  Entry old = fake.makeFile("b", "old", FileState::closed);
  auto reader = open(old, false);
  auto writer = open(old, true);
  write(*writer, 3, " and new");
  fake.run(writer->close());
  auto again = open(old, false);
  EXPECT_EQ(fake.run(again->waitForGrowth(3, seconds(1))).size, 11u);
}

TEST_F(FileTest, a_dropped_handle_is_closed_in_the_background) {
  auto file = create("a");
  const InodeId inode = file->inode();
  write(*file, 0, "hello");
  file.reset();
  EXPECT_TRUE(fake.until([&] { return primary().closes == 1; }, seconds(1)));
  EXPECT_EQ(fake.bytes(1, inode), "hello");
}

TEST_F(FileTest, shutdown_sends_what_is_left) {
  auto file = create("a");
  write(*file, 0, "hello");
  fake.run(cluster->shutdown());
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello");
  EXPECT_EQ(fake.file(file->inode()).attr.state, FileState::closed);
}

TEST_F(FileTest, writing_through_a_handle_for_reading_is_refused_with_a_reason) {
  auto file = open(fake.makeFile("b", "old", FileState::closed), false);
  try {
    write(*file, 0, "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid);
    EXPECT_NE(error.detail().find("not opened for writing"), std::string::npos);
  }
}

TEST_F(FileTest, offsets_beyond_the_largest_file_are_refused) {
  auto file = create("a");
  EXPECT_THROW(write(*file, schema::MAX_FILE_SIZE, "x"), Error);
  EXPECT_THROW(fake.run(file->truncate(schema::MAX_FILE_SIZE + 1)), Error);
  fake.run(file->close());
}

}  // namespace
}  // namespace vcfs::client
