#include "cluster_fixture.h"

// A primary that is well makes room for another one: no byte is uncertain, and no copy is given up for it.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;

class HandOver : public ThreeCopiesTest {
 protected:
  struct Answer {
    Errc code = Errc::ok;
    std::set<StorageId> equal;
  };
  using AnswerPtr = std::shared_ptr<std::optional<Answer>>;
  AnswerPtr handOver(int n, const Layout& layout) {
    auto request = to(n).handOverRequest();
    request.setInode(layout.inode);
    request.setEpoch(layout.epoch);
    schema::fill(request.initLayout(), layout);
    auto answer = std::make_shared<std::optional<Answer>>();
    request.send()
        .then([answer](auto&& response) {
          Answer got;
          got.code = static_cast<Errc>(response.getStatus().getCode());
          for (StorageId storage : response.getEqual()) got.equal.insert(storage);
          *answer = got;
        })
        .detach([](kj::Exception&&) {});
    return answer;
  }
  Answer of(AnswerPtr answer) {
    EXPECT_TRUE(eventually([&] { return answer->has_value(); })) << "no answer";
    return answer->value_or(Answer());
  }
  using ClusterTest::of;
  // Everything that s1 sends to the others takes so long.
  void slowReplication(Duration delay) {
    network_.setDelay([delay](const std::string& from, const std::string& to) {
      return from == "s1" && (to == "s2" || to == "s3") ? delay : Duration{};
    });
  }
};

TEST_F(HandOver, what_is_under_way_ends_before_and_nothing_begins_after) {
  slowReplication(100ms);
  auto underWay = write(1, before_, 2, 3, "def");
  settle(5ms);
  auto handed = handOver(1, before_);
  settle(5ms);
  const Reply late = of(write(1, before_, 3, 6, "ghi"));
  EXPECT_EQ(late.code, Errc::unavailable) << "something new was begun";
  EXPECT_FALSE(handed->has_value()) << "it did not wait for the write";
  EXPECT_EQ(of(underWay).code, Errc::ok);
  const Answer answer = of(handed);
  EXPECT_EQ(answer.code, Errc::ok);
  EXPECT_EQ(answer.equal, (std::set<StorageId>{2, 3}));
  EXPECT_EQ(of(write(1, before_, 3, 6, "ghi")).code, Errc::staleEpoch);
  EXPECT_EQ(of(read(1, before_, 0, 10)).code, Errc::notInSync);
  EXPECT_EQ(content(2), "abcdef");
  EXPECT_EQ(content(3), "abcdef");
}

TEST_F(HandOver, the_next_primary_goes_on_with_all_the_others_in_sync) {
  ASSERT_EQ(of(handOver(1, before_)).code, Errc::ok);
  const Layout next = layout(2, {{2, in}, {3, in}});
  put(next);
  EXPECT_EQ(of(write(2, next, 1, 0, "abc")).code, Errc::ok) << "the repeat of what was executed";
  EXPECT_EQ(of(write(2, next, 2, 3, "def")).size, 6u);
  EXPECT_EQ(content(3), "abcdef");
  const Reply old = of(write(1, next, 3, 6, "ghi"));
  EXPECT_EQ(old.code, Errc::notPrimary);
  EXPECT_EQ(of(close(2, next, 3)).state, FileState::closed);
  EXPECT_EQ(stateOnDisk(3), FileState::closed);
  settle(5s);
  EXPECT_EQ(current().epoch, 2u) << "the former primary gave the file up although it had a successor";
}

TEST_F(HandOver, while_a_follower_is_lost_and_nobody_knows_it_the_primary_stays) {
  network_.cut("s1", "t1");  // it cannot say so
  network_.cut("t1", "s1");
  crash(3);
  EXPECT_EQ(of(handOver(1, before_)).code, Errc::overloaded);
  EXPECT_EQ(of(stat(1, before_)).size, 3u);
  network_.heal("s1", "t1");
  network_.heal("t1", "s1");
  ASSERT_TRUE(eventually([&] { return current().epoch > 1; }, 5s));
  EXPECT_EQ(of(write(1, current(), 2, 3, "def")).size, 6u);
  const Answer answer = of(handOver(1, current()));
  EXPECT_EQ(answer.code, Errc::ok);
  EXPECT_EQ(answer.equal, (std::set<StorageId>{2}));
}

// It lost power and nobody has noticed: no byte is being written.
TEST_F(HandOver, a_follower_that_is_being_checked_is_not_equal) {
  network_.cut("s3", "t1");  // what it fears it cannot tell
  network_.cut("t1", "s3");
  crash(3);
  stores_.at(3)->losePower();
  startStorage(3);
  EXPECT_EQ(of(handOver(1, before_)).code, Errc::staleEpoch) << "the primary has told a tracker that it is lost";
  EXPECT_EQ(of(handOver(1, current())).equal, (std::set<StorageId>{2}));
}

TEST_F(HandOver, asked_again_it_answers_the_same) {
  EXPECT_EQ(of(handOver(1, before_)).equal, (std::set<StorageId>{2, 3}));
  const Answer again = of(handOver(1, before_));
  EXPECT_EQ(again.code, Errc::ok);
  EXPECT_EQ(again.equal, (std::set<StorageId>{2, 3}));
}

class SlowDisks : public HandOver {
 protected:
  void SetUp() override {
    diskDelay_ = 800ms;
    HandOver::SetUp();
  }
};

TEST_F(SlowDisks, a_sync_is_not_waited_for_and_repeated_at_the_next_primary) {
  auto underWay = sync(1, before_, 2);
  settle(5ms);
  EXPECT_EQ(of(handOver(1, before_)).code, Errc::ok);
  EXPECT_EQ(of(underWay).code, Errc::staleEpoch);
  const Layout next = layout(2, {{2, in}, {3, in}});
  put(next);
  EXPECT_EQ(of(sync(2, next, 2)).code, Errc::ok);
}

TEST_F(HandOver, one_that_is_being_caught_up_is_not_equal) {
  const Layout next = layout(2, {{1, in}, {2, in}, {3, syncing}});
  put(next);
  const Answer answer = of(handOver(1, next));
  EXPECT_EQ(answer.code, Errc::ok);
  EXPECT_EQ(answer.equal, (std::set<StorageId>{2}));
}

TEST_F(HandOver, what_does_not_end_keeps_the_primary) {
  slowReplication(800ms);
  auto underWay = write(1, before_, 2, 3, "def");
  settle(5ms);
  EXPECT_EQ(of(handOver(1, before_)).code, Errc::overloaded);
  EXPECT_EQ(of(underWay).code, Errc::ok);
  slowReplication(0ms);
  EXPECT_EQ(of(write(1, before_, 3, 6, "ghi")).size, 9u);
}

TEST_F(HandOver, it_goes_on_when_the_next_layout_says_so) {
  ASSERT_EQ(of(handOver(1, before_)).code, Errc::ok);
  const Layout next = layout(2, {{1, in}, {2, in}, {3, in}});
  put(next);
  EXPECT_EQ(of(write(1, next, 2, 3, "def")).size, 6u);
  settle(5s);
  EXPECT_EQ(current().epoch, 2u) << "it gave up a file of which it is the primary";
  EXPECT_EQ(of(write(1, next, 3, 6, "ghi")).size, 9u);
}

TEST_F(HandOver, without_a_successor_a_tracker_names_one) {
  ASSERT_EQ(of(handOver(1, before_)).code, Errc::ok);
  ASSERT_TRUE(eventually([&] { return current().epoch > 1; }, 5s)) << "the file has no primary for good";
  const Layout next = current();
  EXPECT_NE(next.primary()->storage, 1u);
  EXPECT_EQ(of(write(static_cast<int>(next.primary()->storage), next, 2, 3, "def")).size, 6u);
}

TEST_F(HandOver, only_the_primary_of_this_epoch_is_asked) {
  EXPECT_EQ(of(handOver(2, before_)).code, Errc::notPrimary);
  const Layout next = layout(2, {{1, in}, {2, in}, {3, in}});
  put(next);
  ASSERT_EQ(of(write(1, next, 2, 3, "def")).code, Errc::ok);
  EXPECT_EQ(of(handOver(1, before_)).code, Errc::staleEpoch);
}

}  // namespace
}  // namespace vcfs::storage
