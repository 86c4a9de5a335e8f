// mtime and ctime as a writing host shows them: right after a change they are what the servers will store.
#include "client/src/core/send_window.h"
#include "client/src/core/size_view.h"
#include "tests/unit/client/fake_cluster.h"
#include "vcfs/set_times.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(TimesOfWindow, gathered_writes_have_the_time_of_the_latest) {
  SendWindow window(SendWindow::Limits(), 1);
  const TimePoint now{};
  window.write(0, bytesOf("abc"), nullptr, false, now, 5);
  window.write(3, bytesOf("def"), nullptr, false, now, 7);
  window.flush();
  EXPECT_EQ(window.next(now)->writtenNs, 7);
}

TEST(TimesOfWindow, what_is_sent_again_has_the_same_time) {
  SendWindow window(SendWindow::Limits(), 1);
  const TimePoint now{};
  window.write(0, bytesOf("abc"), nullptr, false, now, 5);
  window.flush();
  window.next(now);
  window.write(3, bytesOf("def"), nullptr, false, now, 7);
  window.rewind();
  window.flush();
  EXPECT_EQ(window.next(now)->writtenNs, 5);
  EXPECT_EQ(window.next(now)->writtenNs, 7);
}

TEST(TimesOfWindow, the_newest_change_counts_until_it_is_acknowledged) {
  SendWindow window(SendWindow::Limits(), 1);
  const TimePoint now{};
  EXPECT_EQ(window.newestChangeNs(), 0);
  window.write(0, bytesOf("abc"), nullptr, false, now, 5);
  window.write(100, bytesOf("abc"), nullptr, false, now, 6);
  const auto sync = window.sync();
  EXPECT_EQ(window.newestChangeNs(), 6);
  window.flush();
  window.next(now), window.next(now);
  window.finish(2);
  EXPECT_EQ(window.newestChangeNs(), 0) << "the primary has executed the first one too";
  window.finish(1);
  EXPECT_EQ(window.newestChangeNs(), 0) << "a sync changes nothing";
  window.finish(sync);
  window.truncate(1, 8);
  EXPECT_EQ(window.newestChangeNs(), 8);
  window.allocate(0, 1, 0, 9);
  EXPECT_EQ(window.newestChangeNs(), 9);
  window.copy(0, 1, std::make_shared<SendWindow::Source>(), 10);
  EXPECT_EQ(window.newestChangeNs(), 10);
}

FileInfo ofTime(std::int64_t mtimeNs) {
  FileInfo info;
  info.mtimeNs = mtimeNs;
  return info;
}

TEST(TimesOfView, the_latest_that_servers_told_is_kept) {
  SizeView view;
  const auto early = view.sending();
  view.wrote(view.sending(), ofTime(20), 0);
  view.observed(early, ofTime(10));
  EXPECT_EQ(view.info().mtimeNs, 20);
  EXPECT_EQ(view.latestNs(), 20);
  view.changedAt(30);
  view.changedAt(25);
  EXPECT_EQ(view.latestNs(), 30);
}

TEST(TimesOfView, a_time_that_somebody_set_ends_with_the_next_write) {
  SizeView view;
  Attr attr;
  attr.mtimeNs = 1'000'000;
  attr.ctimeNs = 10;
  view.known(attr);
  EXPECT_EQ(view.info().mtimeNs, 10) << "it is no time at which anything happened";
  EXPECT_EQ(view.latestNs(), 0);
  view.wrote(view.sending(), ofTime(20), 0);
  EXPECT_EQ(view.info().mtimeNs, 20);
}

class TimesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster = fake.connect();
    OpenMode mode;
    mode.write = true;
    file = fake.run(cluster->openPath("a", mode, true));
    fake.advance(seconds(1));
  }
  void write(std::uint64_t offset, const std::string& text) { fake.run(file->write(offset, bytesOf(text))); }
  Attr attr() { return fake.run(cluster->getAttr(file->inode())).attr; }
  std::int64_t now() const { return fake.clock.wallNs(); }
  FakeStorage& primary() { return fake.storage(1); }
  // As the tracker has it after a utimens() by another host, at `when` by the tracker's clock.
  void setTimes(std::int64_t mtime, std::int64_t when) {
    Attr& stored = fake.file(file->inode()).attr;
    stored.mtimeNs = mtime;
    stored.ctimeNs = when;
    stored.acl |= kMtimeSet;
    ++stored.changeId;
    Change change;
    change.inode = file->inode();
    fake.tell(change);
    fake.advance(milliseconds(10));
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
};

TEST_F(TimesTest, right_after_a_write_are_what_the_server_will_have) {
  write(0, "hello");
  const Attr shown = attr();
  EXPECT_EQ(shown.mtimeNs, now());
  EXPECT_EQ(shown.ctimeNs, shown.mtimeNs);
  EXPECT_EQ(primary().writes, 0);
  fake.advance(milliseconds(60));
  EXPECT_EQ(primary().writtenTimes, std::vector{shown.mtimeNs});
  EXPECT_EQ(attr().mtimeNs, shown.mtimeNs);
  EXPECT_EQ(attr().ctimeNs, shown.ctimeNs);
  fake.run(file->close());
  EXPECT_EQ(attr().mtimeNs, shown.mtimeNs);
}

TEST_F(TimesTest, differ_for_every_change_though_the_clock_stands) {
  std::set<std::int64_t> times;
  for (int i = 0; i < 10; ++i) {
    write(0, "hello");
    EXPECT_TRUE(times.insert(attr().mtimeNs).second) << i;
  }
  fake.run(file->truncate(2));
  EXPECT_TRUE(times.insert(attr().mtimeNs).second);
}

TEST_F(TimesTest, of_each_piece_of_a_large_write_are_later_than_those_of_the_one_before) {
  write(0, std::string(3 << 20, 'x'));
  const std::int64_t shown = attr().mtimeNs;
  fake.run(file->flush());
  ASSERT_GE(primary().writtenTimes.size(), 3u);
  EXPECT_TRUE(std::is_sorted(primary().writtenTimes.begin(), primary().writtenTimes.end(), std::less_equal<>()));
  EXPECT_EQ(primary().writtenTimes.back(), shown);
  EXPECT_EQ(attr().mtimeNs, shown);
}

TEST_F(TimesTest, do_not_go_back_with_this_hosts_clock) {
  write(0, "hello");
  const std::int64_t first = attr().mtimeNs;
  fake.clock.setWall(-seconds(1));
  write(0, "world");
  EXPECT_EQ(attr().mtimeNs, first + 1);
}

TEST_F(TimesTest, are_later_than_what_another_host_wrote_by_a_clock_that_is_ahead) {
  primary().replicas[file->inode()].mtimeNs = now() + 300'000'000;
  fake.run(cluster->getAttr(file->inode()));
  write(0, "hello");
  EXPECT_EQ(attr().mtimeNs, now() + 300'000'001);
}

TEST_F(TimesTest, stay_when_the_write_is_sent_again_to_another_server) {
  primary().silent = true;
  write(0, "hello");
  const std::int64_t shown = attr().mtimeNs;
  fake.advance(milliseconds(100));
  ASSERT_EQ(primary().writes, 1);
  fake.killStorage(1);
  fake.run(file->flush());
  EXPECT_EQ(fake.storage(2).writtenTimes, std::vector{shown});
  EXPECT_EQ(attr().mtimeNs, shown);
}

TEST_F(TimesTest, of_unsent_bytes_are_none_that_the_server_told_of_others) {
  primary().ownTimes = true;
  write(0, "hello");
  fake.advance(milliseconds(40));
  const std::int64_t before = attr().mtimeNs;
  fake.run(file->flush());
  const std::int64_t told = attr().mtimeNs;
  EXPECT_GT(told, before);
  primary().replicas[file->inode()].mtimeNs = told + 1'000'000'000;  // another host's write, after this host's next
  write(0, "world");
  EXPECT_EQ(attr().mtimeNs, told + 1'000'000'001) << "no longer the content that has the other time";
}

TEST_F(TimesTest, of_a_write_after_utimens_elsewhere_are_later_though_this_hosts_clock_is_behind) {
  write(0, "hello");
  fake.run(file->flush());
  const std::int64_t when = now() + 500'000'000;
  setTimes(42, when);
  EXPECT_EQ(attr().mtimeNs, 42);
  write(0, "world");
  EXPECT_EQ(attr().mtimeNs, when + 1);
  EXPECT_EQ(attr().ctimeNs, when + 1);
  fake.run(file->flush());
  EXPECT_EQ(primary().writtenTimes.back(), when + 1);
  EXPECT_EQ(attr().mtimeNs, when + 1);
}

TEST_F(TimesTest, of_a_write_after_utimens_to_the_future_are_of_now) {
  setTimes(now() + 3'600'000'000'000, now());
  fake.file(file->inode()).attr.acl = 0;
  write(0, "hello");
  const std::int64_t shown = attr().mtimeNs;
  EXPECT_LE(shown, now() + 1);
  fake.run(file->flush());
  EXPECT_EQ(attr().mtimeNs, shown);
}

}  // namespace
}  // namespace vcfs::client
