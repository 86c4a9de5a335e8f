#include "common/rpc/call.h"
#include "schema/convert.h"
#include "tests/sim/administrator.h"

// The whole cluster in the situations that matter: recording, a server that dies or is cut off, a tracker that is away,
// a recorder that dies. In those with failures a reader follows and must not notice.
namespace vcfs::sim {
namespace {

constexpr std::size_t kPiece = 20'000;

class Scenario : public ::testing::Test {
 protected:
  void begin(int storages, std::function<Duration()> diskTime = nullptr, std::uint32_t copies = 2) {
    cluster_ = std::make_unique<SimCluster>(storages, 1, 1, std::move(diskTime), copies);
    cluster_->network.setDelay([](const std::string&, const std::string&) { return Duration(200us); });
    client_ = cluster_->connect("c1");
    other_ = cluster_->connect("c2");
    writer_ = std::make_shared<Writer>(client_, "/recording");
    cluster_->run(writer_->open());
  }

  void TearDown() override {
    stopFollowing();
    client_.reset();
    other_.reset();
    writer_.reset();
    follower_.reset();
    cluster_.reset();
  }

  void append(int pieces) {
    for (int i = 0; i < pieces; ++i) cluster_->run(writer_->append(kPiece));
  }
  // How long writing a piece and having it acknowledged takes.
  Duration appendAcknowledged() {
    const Duration begun = cluster_->now();
    append(1);
    cluster_->run(writer_->flush());
    return cluster_->now() - begun;
  }
  void follow() {
    follower_ = std::make_shared<Follower>(other_, writer_, cluster_->clock, 5);
    asio::co_spawn(cluster_->io, follower_->run(), asio::detached);
  }
  void stopFollowing() {
    if (!follower_) return;
    follower_->stop();
    EXPECT_TRUE(cluster_->until([&] { return follower_->ended(); })) << "the reader hangs";
    EXPECT_GT(follower_->bytes, 0u);
    for (const std::string& complaint : follower_->complaints) ADD_FAILURE() << complaint;
    follower_.reset();
  }
  void close() { cluster_->run(writer_->close()); }
  bool sealed(FileState state) { return cluster_->entry(inode()).attr.state == state; }
  void expectClosedAndEqual(std::size_t copies = 2) {
    EXPECT_TRUE(cluster_->until([&] { return sealed(FileState::closed); })) << "not closed in the catalog";
    EXPECT_TRUE(cluster_->until([&] { return cluster_->whole(inode(), copies); })) << "not " << copies << " copies";
    for (int n : cluster_->inSync(inode())) {
      EXPECT_EQ(difference(cluster_->content(n, inode()), writer_->model.bytes()), "") << "s" << n;
    }
    EXPECT_EQ(cluster_->entry(inode()).attr.size, writer_->model.size());
  }
  std::string readByOther() { return cluster_->run(readWhole(other_, writer_->model.size() + 100)); }
  static Task<std::string> readWhole(std::shared_ptr<Cluster> client, std::size_t most) {
    OpenMode mode;
    auto file = co_await client->openPath("/recording", mode, false);
    std::string text(most, '\0');
    const std::span<char> view(text.data(), text.size());
    text.resize(co_await file->readInto(0, std::as_writable_bytes(view)));
    co_await file->close();
    co_return text;
  }
  static Task<void> overwrite(std::shared_ptr<Writer> writer, bool* acknowledged) {
    co_await writer->write(0, 100);
    co_await writer->flush();
    *acknowledged = true;
  }
  InodeId inode() const { return writer_->inode(); }
  int follower() {  // the in-sync replica that is not the primary
    for (int n : cluster_->inSync(inode())) {
      if (n != cluster_->primary(inode())) return n;
    }
    return 0;
  }
  // Has the primary of the recording emptied; its number.
  int drainPrimary();
  bool holds(int n) {
    const std::vector<int> servers = cluster_->inSync(inode());
    return std::find(servers.begin(), servers.end(), n) != servers.end();
  }
  // What a server says to a write of `epoch` that comes past the client library.
  Errc writeRaw(int n, const Layout& layout, Epoch epoch);

  std::unique_ptr<SimCluster> cluster_;
  std::shared_ptr<Cluster> client_;
  std::shared_ptr<Cluster> other_;
  std::shared_ptr<Writer> writer_;
  std::shared_ptr<Follower> follower_;
};

Errc Scenario::writeRaw(int n, const Layout& layout, Epoch epoch) {
  Runtime& runtime = cluster_->host("c9").runtime;
  auto connection = cluster_->run(rpc::Connection::connect(runtime, "s" + std::to_string(n) + ":21100", 1s));
  auto storage = connection->bootstrap<schema::Storage>();
  auto hello = storage.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(99);
  cluster_->run(rpc::call(runtime, hello.send(), 1s));
  auto request = storage.writeRequest();
  Layout old = layout;
  old.epoch = epoch;
  request.setInode(layout.inode);
  request.setEpoch(epoch);
  schema::fill(request.initLayout(), old);
  request.getWriter().setClient(99);
  request.getWriter().setSequence(1);
  request.setData(schema::toData(std::string("old")));
  auto response = cluster_->run(rpc::call(runtime, request.send(), 5s));
  connection->close("done");
  return static_cast<Errc>(response.getStatus().getCode());
}

int Scenario::drainPrimary() {
  const int leaving = cluster_->primary(inode());
  cluster_->run(sayDrain(*cluster_, 1, "s" + std::to_string(leaving), true));
  return leaving;
}

TEST_F(Scenario, what_is_written_and_closed_is_on_both_replicas_and_seen_by_others) {
  begin(2);
  append(10);
  cluster_->run(writer_->sync());
  append(3);
  close();
  expectClosedAndEqual();
  EXPECT_EQ(difference(readByOther(), writer_->model.bytes()), "");
}

TEST_F(Scenario, the_primary_dies_in_the_middle_of_a_window) {
  begin(2);
  append(20);
  cluster_->run(writer_->flush());
  follow();
  cluster_->advance(300ms);
  append(20);
  cluster_->run(writer_->sync());
  // Bytes in the window and on the wire.
  append(20);
  const int dead = cluster_->primary(inode());
  cluster_->advance(300us);
  cluster_->crashStorage(dead);
  append(5);
  cluster_->run(writer_->flush());
  EXPECT_NE(cluster_->primary(inode()), dead);
  cluster_->advance(2s);
  append(5);
  cluster_->run(writer_->sync());
  cluster_->startStorage(dead);
  append(5);
  cluster_->advance(15s);
  append(5);
  close();
  expectClosedAndEqual();
  stopFollowing();
  EXPECT_EQ(difference(readByOther(), writer_->model.bytes()), "");
}

TEST_F(Scenario, a_third_server_takes_the_place_of_a_dead_primary) {
  begin(3);
  append(20);
  cluster_->run(writer_->flush());
  follow();
  append(10);
  cluster_->crashStorage(cluster_->primary(inode()));
  append(10);
  close();
  expectClosedAndEqual();
  stopFollowing();
}

TEST_F(Scenario, a_follower_that_is_cut_off_holds_writers_up_for_3_s_at_most) {
  begin(2);
  append(10);
  cluster_->run(writer_->flush());
  follow();
  cluster_->advance(200ms);
  const Entry before = cluster_->entry(inode());
  const int lost = follower();
  cluster_->cutOff("s" + std::to_string(lost));
  Duration longest{};
  for (int i = 0; i < 50; ++i) {
    longest = std::max(longest, appendAcknowledged());
    cluster_->advance(100ms);
  }
  EXPECT_LE(longest, 3s);
  const Entry during = cluster_->entry(inode());
  EXPECT_GT(during.layout.epoch, before.layout.epoch);
  EXPECT_EQ(writeRaw(cluster_->primary(inode()), before.layout, before.layout.epoch), Errc::staleEpoch);
  cluster_->healAll();
  EXPECT_TRUE(cluster_->until([&] { return cluster_->whole(inode()); })) << "it never came back";
  EXPECT_EQ(writeRaw(lost, before.layout, before.layout.epoch), Errc::staleEpoch);
  append(5);
  close();
  expectClosedAndEqual();
  stopFollowing();
}

TEST_F(Scenario, a_primary_that_is_cut_off_acknowledges_nothing_and_steps_back) {
  begin(3);
  append(10);
  cluster_->run(writer_->flush());
  follow();
  cluster_->advance(200ms);
  const Entry before = cluster_->entry(inode());
  const int lost = cluster_->primary(inode());
  cluster_->cutOff("s" + std::to_string(lost));
  EXPECT_LE(appendAcknowledged(), 3s);
  EXPECT_NE(cluster_->primary(inode()), lost);
  append(10);
  cluster_->healAll();
  cluster_->run(writer_->flush());
  EXPECT_TRUE(cluster_->until([&] { return writeRaw(lost, before.layout, before.layout.epoch) != Errc::ok; }));
  close();
  expectClosedAndEqual();
  stopFollowing();
}

TEST_F(Scenario, a_former_primary_that_the_others_still_hear_changes_nothing_by_itself) {
  begin(3, nullptr, 3);
  append(1);
  cluster_->run(writer_->flush());
  auto second = std::make_shared<Writer>(other_, "/recording");
  cluster_->run(second->open());
  const std::string lost = "s" + std::to_string(cluster_->primary(inode()));
  // The old primary and the second writer are left with the other servers; the first writer and the tracker go on.
  cluster_->cut(lost, "t1");
  cluster_->cut("c2", "t1");
  cluster_->cut(lost, "c1");
  EXPECT_LE(appendAcknowledged(), 3s);
  EXPECT_NE("s" + std::to_string(cluster_->primary(inode())), lost);
  bool acknowledged = false;
  asio::co_spawn(cluster_->io, overwrite(second, &acknowledged), asio::detached);
  // Refused by the others; the new primary tells the old one who it is, and the writer goes there.
  EXPECT_TRUE(cluster_->until([&] { return acknowledged; }, 10s));
  for (int n : cluster_->inSync(inode())) {
    EXPECT_EQ(cluster_->content(n, inode()).substr(0, 100), second->model.bytes()) << "s" << n;
    EXPECT_NE("s" + std::to_string(n), lost);
  }
  EXPECT_LE(appendAcknowledged(), 100ms);
  cluster_->healAll();
  writer_->model.write(0, second->model.bytes());
  close();
  cluster_->run(second->close());
  expectClosedAndEqual(3);
}

// Nobody is told of a loss of power: the primary and a server that is still believed to be there are gone.
TEST_F(Scenario, of_three_copies_the_one_that_kept_its_power_goes_on) {
  begin(3, nullptr, 3);
  append(3);
  cluster_->run(writer_->flush());
  const int primary = cluster_->primary(inode());
  const int next = cluster_->inSync(inode()).at(1);
  for (int n : {primary, next}) cluster_->hang("s" + std::to_string(n));
  EXPECT_LT(appendAcknowledged(), 3s);
  EXPECT_EQ(cluster_->inSync(inode()).size(), 1u);
  EXPECT_FALSE(holds(next));
  for (int n : {primary, next}) {
    cluster_->losePower(n);
    cluster_->goOn("s" + std::to_string(n));
    cluster_->startStorage(n);
  }
  append(1);
  close();
  expectClosedAndEqual(3);
}

// They are back before anybody has noticed.
TEST_F(Scenario, of_three_copies_one_that_kept_its_power_follows_though_the_others_are_back) {
  begin(3, nullptr, 3);
  append(3);
  cluster_->run(writer_->flush());
  const std::vector<int> servers = cluster_->inSync(inode());
  for (int i : {0, 1}) cluster_->losePower(servers.at(static_cast<std::size_t>(i)));
  for (int i : {0, 1}) cluster_->startStorage(servers.at(static_cast<std::size_t>(i)));
  append(1);
  close();
  expectClosedAndEqual(3);
}

TEST_F(Scenario, a_read_that_stands_in_line_at_the_disk_of_a_lost_replica_does_not_tell_what_was_there_before) {
  begin(2, [] { return Duration(100us); });
  append(1);
  cluster_->run(writer_->sync());
  cluster_->run(writer_->write(0, kPiece));
  cluster_->run(writer_->flush());
  DiskFaults& faults = cluster_->faults(cluster_->primary(inode()));
  faults.syncs = Errc::io;  // gives the second version up
  faults.delay = 20ms;
  // The later ones come to their turn when the replica is being made good.
  std::vector<std::shared_ptr<std::optional<std::string>>> texts;
  for (int i = 0; i < 20; ++i) {
    texts.push_back(std::make_shared<std::optional<std::string>>());
    asio::co_spawn(cluster_->io, keepResult(readWhole(other_, kPiece), texts.back()), asio::detached);
  }
  cluster_->run(writer_->sync());
  for (const auto& text : texts) {
    ASSERT_TRUE(cluster_->until([&] { return text->has_value(); })) << "a reader hangs";
    EXPECT_EQ(difference(**text, writer_->model.bytes()), "");
  }
  faults = DiskFaults();
  close();
  expectClosedAndEqual();
}

TEST_F(Scenario, recording_goes_on_while_the_tracker_is_away) {
  begin(2);
  append(5);
  cluster_->run(writer_->flush());
  cluster_->crashTracker();
  for (int i = 0; i < 20; ++i) {
    EXPECT_LT(appendAcknowledged(), 100ms);
    cluster_->advance(200ms);
  }
  close();
  EXPECT_TRUE(sealed(FileState::open));
  cluster_->advance(2s);
  cluster_->startTracker();
  expectClosedAndEqual();
}

TEST_F(Scenario, a_recorder_that_dies_leaves_a_file_that_is_sealed_as_recovered) {
  begin(2);
  append(10);
  cluster_->run(writer_->flush());
  const std::uint64_t published = writer_->model.size();
  cluster_->cutOff("c1");
  cluster_->network.reset("c1");
  const Duration died = cluster_->now();
  EXPECT_TRUE(cluster_->until([&] { return sealed(FileState::recovered); })) << "still open";
  EXPECT_GE(cluster_->now() - died, 9s);
  EXPECT_LE(cluster_->now() - died, 15s);
  EXPECT_EQ(cluster_->entry(inode()).attr.size, published);
  for (int n : {1, 2}) {
    EXPECT_EQ(difference(cluster_->content(n, inode()), writer_->model.bytes()), "") << "s" << n;
  }
  EXPECT_EQ(difference(readByOther(), writer_->model.bytes()), "");
}

TEST_F(Scenario, a_recording_whose_primary_is_emptied_has_two_copies_all_the_time) {
  begin(3);
  follow();
  append(10);
  const int leaving = drainPrimary();
  std::size_t fewest = 2;
  EXPECT_TRUE(cluster_->until([&] {
    fewest = std::min(fewest, cluster_->inSync(inode()).size());
    return !holds(leaving);
  })) << "it stays";
  EXPECT_EQ(fewest, 2u);
  append(10);
  close();
  expectClosedAndEqual();
}

// It can never end in time what is under way, and is replaced as if it had died.
TEST_F(Scenario, a_primary_whose_writes_always_take_long_is_emptied_all_the_same) {
  begin(3);
  append(10);
  cluster_->run(writer_->flush());
  const std::string primary = "s" + std::to_string(cluster_->primary(inode()));
  cluster_->network.setDelay([primary](const std::string& from, const std::string& to) {
    return from == primary && to.front() == 's' ? Duration(700ms) : Duration(200us);
  });
  const int leaving = drainPrimary();
  EXPECT_TRUE(cluster_->until([&] { return !holds(leaving); }, 120s)) << "it stays for good";
  append(10);
  close();
  expectClosedAndEqual();
}

}  // namespace
}  // namespace vcfs::sim
