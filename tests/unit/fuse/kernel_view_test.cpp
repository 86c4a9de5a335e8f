// What the kernel is told to forget and to believe, without a kernel.
#include "fuse/kernel_view.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/fuse/fake_cluster.h"
#include "tests/unit/fuse/no_transport.h"

namespace vcfs::fuse {
namespace {

using namespace std::chrono_literals;

class FakeKernel final : public KernelCache {
 public:
  void dropAttributes(InodeId node, Duration after) override { attributes.emplace_back(node, after); }
  void dropPages(InodeId node, Duration after) override { pages.emplace_back(node, after); }
  bool keepAttributes(InodeId node) override { return takenBack.contains(node); }
  void dropName(InodeId directory, const std::string& name) override { names.emplace_back(directory, name); }
  void dropEverything() override { ++everything; }
  bool dropsEverything() const override { return canDropEverything; }
  void forgetNow(InodeId) override { ++hurried; }
  bool forgetting(InodeId node) const override { return pending.contains(node); }
  bool mapsDirect() const override { return true; }

  std::vector<std::pair<InodeId, Duration>> attributes, pages;
  std::vector<std::pair<InodeId, std::string>> names;
  std::set<InodeId> takenBack, pending;
  int everything = 0, hurried = 0;
  bool canDropEverything = true;
};

class KernelViewTest : public ::testing::Test {
 protected:
  Entry file(FileState state = FileState::closed) {
    Entry entry;
    entry.attr.inode = kFile;
    entry.attr.type = FileType::regular;
    entry.attr.state = state;
    entry.attr.size = 5;
    return entry;
  }
  static MountSettings settings() {
    MountSettings settings;
    settings.root = kRoot;
    settings.attrCache = 60s;
    return settings;
  }
  Entry fileOf(std::uint64_t size) {
    Entry entry = file();
    entry.attr.size = size;
    return entry;
  }
  // The kernel was told of it with that size.
  InodePtr told(std::uint64_t size) {
    const auto since = known_->changes.now();
    auto inode = known_->remember(fileOf(size), since);
    view_->attributesLast(fileOf(size), since);
    return inode;
  }
  void changedElsewhere() {
    known_->changes.note(kFile);
    known_->inodes.find(kFile)->changedElsewhere = true;
  }
  bool knowsEnd(std::uint64_t size, std::int64_t opener = 42) {
    bool knows = false;
    ended_ = false;
    spawn([](KernelView& view, Entry entry, std::int64_t thread, bool& out) -> Task<void> {
      out = co_await view.knowsEnd(std::move(entry), thread);
    }(*view_, fileOf(size), opener, knows));
    clock_.advance(20ms);
    EXPECT_TRUE(ended_);
    return knows;
  }
  void spawn(Task<void> work) {
    asio::co_spawn(io_, std::move(work), [this](std::exception_ptr) { ended_ = true; });
    clock_.advance(0ms);
  }

  static constexpr InodeId kRoot = 77, kFile = 2000;
  asio::io_context io_{1};
  ManualClock clock_{io_};
  test::NoTransport transport_;
  Runtime runtime_{io_, clock_, transport_, std::mt19937_64(1)};
  std::shared_ptr<test::FakeStore> store_ = std::make_shared<test::FakeStore>(clock_);
  std::shared_ptr<test::FakeCluster> cluster_ = std::make_shared<test::FakeCluster>(runtime_, store_);
  const MountSettings settings_ = settings();
  std::shared_ptr<Known> known_ = std::make_shared<Known>(runtime_, cluster_, settings_);
  FakeKernel kernel_;
  std::shared_ptr<KernelView> view_ = std::make_shared<KernelView>(runtime_, cluster_, settings_, known_, kernel_);
  bool ended_ = false;
};

TEST_F(KernelViewTest, the_mounts_root_is_node_1) {
  EXPECT_EQ(view_->inodeOf(1), kRoot);
  EXPECT_EQ(view_->nodeOf(kRoot), 1u);
  EXPECT_EQ(view_->nodeOf(kFile), kFile);
  view_->dropAttributes(kRoot);
  EXPECT_EQ(kernel_.attributes.back().first, 1u);
}

TEST_F(KernelViewTest, attributes_of_a_file_that_is_being_written_are_not_believed) {
  EXPECT_EQ(view_->attributesLast(file(FileState::open), known_->changes.now()), 0);
  EXPECT_EQ(view_->attributesLast(file(), known_->changes.now()), 60);
}

TEST_F(KernelViewTest, answer_that_was_under_way_during_a_change_is_not_believed) {
  const auto since = known_->changes.now();
  known_->changes.note(kFile);
  EXPECT_EQ(view_->attributesLast(file(), since), 0);
}

TEST_F(KernelViewTest, nothing_is_believed_for_long_by_a_kernel_that_cannot_forget_everything) {
  kernel_.canDropEverything = false;
  EXPECT_EQ(view_->believed(60s), 10s);
  EXPECT_EQ(view_->believed(1s), 1s);
}

TEST_F(KernelViewTest, kernel_that_is_asking_hears_nothing_about_the_attributes) {
  {
    KernelView::Asking asking(view_, kFile);
    view_->forgetAttributes(kFile);
    EXPECT_TRUE(kernel_.attributes.empty());
    asking.answered();
  }
  view_->forgetAttributes(kFile);
  ASSERT_EQ(kernel_.attributes.size(), 1u);
  EXPECT_GT(kernel_.attributes[0].second, Duration(0)) << "who asked is woken first";
}

TEST_F(KernelViewTest, question_without_an_answer_gives_back_the_order_it_took) {
  kernel_.takenBack.insert(kFile);
  { KernelView::Asking asking(view_, kFile); }
  EXPECT_EQ(kernel_.attributes.size(), 1u);
}

// Each open(2) looks once: what grows meanwhile must not make it fail.
TEST_F(KernelViewTest, who_opens_what_ends_elsewhere_than_the_kernel_knows_looks_again_once) {
  told(5);
  EXPECT_TRUE(knowsEnd(9)) << "nobody told of a change: it is this mount's own";
  changedElsewhere();
  EXPECT_TRUE(knowsEnd(5)) << "its size is as before";
  EXPECT_FALSE(knowsEnd(9));
  EXPECT_TRUE(knowsEnd(12)) << "it has looked";
  EXPECT_FALSE(knowsEnd(12)) << "the next one";
  EXPECT_FALSE(knowsEnd(12, 43)) << "another thread";
  EXPECT_TRUE(knowsEnd(12));
  told(12);
  EXPECT_TRUE(knowsEnd(12, 43));
  EXPECT_TRUE(knowsEnd(12, 44));
}

TEST_F(KernelViewTest, what_is_written_through_the_kernel_it_knows) {
  auto inode = told(5);
  changedElsewhere();
  grewInKernel(*inode, 9);
  grewInKernel(*inode, 7);
  EXPECT_TRUE(knowsEnd(9));
}

TEST_F(KernelViewTest, who_is_not_known_opens_what_there_is) {
  told(5);
  changedElsewhere();
  EXPECT_TRUE(knowsEnd(9, 0)) << "a thread that this mount cannot see could not be told from another one";
}

TEST_F(KernelViewTest, an_answer_that_crossed_a_change_does_not_tell_where_the_kernel_takes_the_file_to_end) {
  told(5);
  const auto since = known_->changes.now();
  changedElsewhere();
  view_->attributesLast(fileOf(9), since);
  EXPECT_FALSE(knowsEnd(9));
}

TEST_F(KernelViewTest, nothing_is_forgotten_while_somebody_looks_again) {
  told(5);
  changedElsewhere();
  ASSERT_FALSE(knowsEnd(9));
  view_->forgetAttributes(kFile);
  EXPECT_TRUE(kernel_.attributes.empty()) << "the kernel would throw away what it is told";
  ASSERT_TRUE(knowsEnd(9));
  EXPECT_EQ(kernel_.attributes.size(), 1u);
}

TEST_F(KernelViewTest, who_does_not_come_back_is_not_waited_for) {
  told(5);
  changedElsewhere();
  ASSERT_FALSE(knowsEnd(9));
  view_->forgetAttributes(kFile);
  clock_.advance(1s);
  EXPECT_EQ(kernel_.attributes.size(), 1u);
}

TEST_F(KernelViewTest, who_comes_back_and_looks_anew_is_not_given_up_for_the_look_before) {
  told(5);
  changedElsewhere();
  ASSERT_FALSE(knowsEnd(9));
  clock_.advance(900ms);
  ASSERT_TRUE(knowsEnd(9));
  ASSERT_FALSE(knowsEnd(9));
  clock_.advance(200ms);  // more than a second after the first
  EXPECT_TRUE(knowsEnd(12)) << "the kernel would not open it a third time";
}

TEST_F(KernelViewTest, who_was_told_to_look_for_another_reason_is_not_told_once_more) {
  told(5);
  changedElsewhere();
  EXPECT_TRUE(view_->looksAgain(kFile, 42));
  EXPECT_TRUE(knowsEnd(9)) << "its second attempt";
  EXPECT_FALSE(knowsEnd(9)) << "the next open";
}

TEST_F(KernelViewTest, an_answer_to_an_own_change_is_not_the_newest_when_others_changed_the_file_meanwhile) {
  auto inode = told(5);
  const auto asked = known_->changes.now();
  EXPECT_EQ(view_->attributesLast(file(), known_->noteOwnChange(file(), asked)), 60);
  EXPECT_TRUE(inode->known);
  const auto again = known_->changes.now();
  known_->changes.note(kFile);
  EXPECT_EQ(view_->attributesLast(file(), known_->noteOwnChange(file(), again)), 0);
  EXPECT_FALSE(inode->known);
}

TEST_F(KernelViewTest, who_opens_a_file_waits_until_the_kernel_has_forgotten) {
  kernel_.pending.insert(kFile);
  spawn(view_->forgotten(kFile));
  EXPECT_EQ(kernel_.hurried, 1);
  clock_.advance(20ms);
  EXPECT_FALSE(ended_);
  kernel_.pending.clear();
  clock_.advance(5ms);
  EXPECT_TRUE(ended_);
}

TEST_F(KernelViewTest, kernel_that_does_not_forget_does_not_hold_an_open_for_ever) {
  kernel_.pending.insert(kFile);
  spawn(view_->forgotten(kFile));
  clock_.advance(600ms);
  EXPECT_TRUE(ended_);
}

TEST_F(KernelViewTest, only_what_differs_from_what_was_told_is_forgotten_at_open) {
  known_->remember(file(), known_->changes.now());
  view_->attributesLast(file(), known_->changes.now());
  view_->forgetOlder(file());
  EXPECT_TRUE(kernel_.attributes.empty());
  Entry grown = file();
  grown.attr.size = 6;
  view_->forgetOlder(grown);
  EXPECT_EQ(kernel_.attributes.size(), 1u);
}

TEST_F(KernelViewTest, nothing_is_told_after_the_end_of_the_mount) {
  view_->detach();
  view_->forgetAttributes(kFile);
  view_->forgetPages(kFile);
  view_->forgetName(kRoot, "name");
  view_->forgetEverything();
  spawn(view_->forgotten(kFile));
  EXPECT_TRUE(ended_);
  EXPECT_TRUE(kernel_.attributes.empty() && kernel_.pages.empty() && kernel_.names.empty());
  EXPECT_EQ(kernel_.everything, 0);
}

}  // namespace
}  // namespace vcfs::fuse
