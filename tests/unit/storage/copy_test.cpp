#include "cluster_fixture.h"

// copyRange: a write whose bytes the server fetches itself, from its own disk or from another server.
namespace vcfs::storage {
namespace {

constexpr InodeId kTarget = 2048;
constexpr auto in = ReplicaState::inSync;

class CopyRange : public ClusterTest {
 protected:
  void SetUp() override {
    startTracker();
    for (int n : {1, 2, 3}) startStorage(n);
    put(twoCopies());
    put(target());
    put(elsewhere());
  }
  Layout target() { return layout(1, {{1, in}, {2, in}}, kTarget); }
  // A file that server 1 has no replica of.
  Layout elsewhere() { return layout(1, {{3, in}, {2, in}}, 3072); }

  struct Copied {
    bool answered = false;
    Errc code = Errc::ok;
    std::uint32_t copied = 0;
  };
  Copied copy(Layout into, std::uint64_t sequence, std::uint64_t offset, Layout source, bool open,
              std::uint64_t sourceOffset, std::uint32_t length) {
    auto request = to(1).copyRangeRequest();
    request.setInode(into.inode);
    request.setEpoch(into.epoch);
    request.initWriter().setClient(7);
    request.getWriter().setSequence(sequence);
    schema::fill(request.initLayout(), into);
    request.setOffset(offset);
    schema::fill(request.initSource(), source);
    request.setSourceOpen(open);
    request.setSourceOffset(sourceOffset);
    request.setLength(length);
    auto result = std::make_shared<Copied>();
    request.send()
        .then([result](auto&& answer) {
          result->code = static_cast<Errc>(answer.getStatus().getCode());
          result->copied = answer.getCopied();
          result->answered = true;
        })
        .detach([](kj::Exception&&) {});
    EXPECT_TRUE(eventually([&] { return result->answered; })) << "no answer";
    return *result;
  }
};

TEST_F(CopyRange, bytes_of_a_file_here_arrive_at_every_replica) {
  of(write(1, twoCopies(), 1, 0, "hello world"));
  const Copied copied = copy(target(), 1, 3, twoCopies(), true, 6, 5);
  EXPECT_EQ(copied.code, Errc::ok);
  EXPECT_EQ(copied.copied, 5u);
  EXPECT_EQ(content(1, kTarget), std::string("\0\0\0world", 8));
  EXPECT_EQ(content(2, kTarget), std::string("\0\0\0world", 8));
}

TEST_F(CopyRange, bytes_of_a_file_on_other_servers_are_fetched_from_them) {
  of(write(3, elsewhere(), 1, 0, "hello world"));
  EXPECT_EQ(copy(target(), 1, 0, elsewhere(), true, 0, 11).copied, 11u);
  EXPECT_EQ(content(2, kTarget), "hello world");
  of(close(3, elsewhere(), 2));
  EXPECT_EQ(copy(target(), 2, 11, elsewhere(), false, 5, 6).copied, 6u);
  EXPECT_EQ(content(1, kTarget), "hello world world");
}

TEST_F(CopyRange, stops_at_the_sources_end) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  EXPECT_EQ(copy(target(), 1, 0, twoCopies(), true, 3, 100).copied, 2u);
  EXPECT_EQ(content(1, kTarget), "lo");
  EXPECT_EQ(copy(target(), 2, 0, twoCopies(), true, 5, 100).copied, 0u);
  EXPECT_EQ(content(1, kTarget), "lo");
}

TEST_F(CopyRange, within_one_file) {
  of(write(1, twoCopies(), 1, 0, "abcdef"));
  EXPECT_EQ(copy(twoCopies(), 2, 6, twoCopies(), true, 0, 3).copied, 3u);
  EXPECT_EQ(content(2), "abcdefabc");
}

TEST_F(CopyRange, repeating_a_call_does_not_execute_it_again) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  copy(target(), 1, 0, twoCopies(), true, 0, 5);
  of(write(1, target(), 2, 0, "HELLO"));
  EXPECT_EQ(copy(target(), 1, 0, twoCopies(), true, 0, 5).copied, 5u);
  EXPECT_EQ(content(1, kTarget), "HELLO");
}

TEST_F(CopyRange, source_that_cannot_be_read_is_left_to_the_caller) {
  of(write(3, elsewhere(), 1, 0, "hello"));
  crash(3);
  EXPECT_EQ(copy(target(), 1, 0, elsewhere(), true, 0, 5).code, Errc::notSupported);
  of(write(1, layout(2, {{1, in}, {2, in}}), 1, 0, "hello"));
  EXPECT_EQ(copy(target(), 1, 0, twoCopies(), true, 0, 5).code, Errc::notSupported);
}

TEST_F(CopyRange, only_the_primary_of_the_target_takes_it) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  const Layout other = layout(2, {{2, in}, {1, in}}, kTarget);
  EXPECT_EQ(copy(other, 1, 0, twoCopies(), true, 0, 5).code, Errc::notPrimary);
}

TEST_F(CopyRange, bad_requests_are_refused) {
  EXPECT_EQ(copy(target(), 0, 0, twoCopies(), true, 0, 5).code, Errc::invalid);
  EXPECT_EQ(copy(target(), 1, 0, twoCopies(), true, 0, 2u << 20).code, Errc::invalid);
  EXPECT_EQ(copy(target(), 1, UINT64_MAX, twoCopies(), true, 0, 5).code, Errc::tooLarge);
}

}  // namespace
}  // namespace vcfs::storage
