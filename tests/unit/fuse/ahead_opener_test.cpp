// Files that are opened in the order of their listing, without a kernel.
#include "fuse/ahead_opener.h"

#include <gtest/gtest.h>

#include "tests/unit/fuse/fake_cluster.h"
#include "tests/unit/fuse/no_transport.h"

namespace vcfs::fuse {
namespace {

using namespace std::chrono_literals;

class AheadOpenerTest : public ::testing::Test {
 protected:
  // Small sealed files, which a listing has told of.
  void SetUp() override {
    std::uint64_t after = 0;
    for (int i = 0; i < 20; ++i) {
      const std::string name = "file-" + std::to_string(i);
      files_.push_back(store_->make(kRootInode, name, FileType::regular, 0644, 0, 0));
      auto& node = store_->node(files_.back());
      node.bytes = "bytes";
      node.attr.state = FileState::closed;
      ahead_->listed(kRootInode, after, files_.back());
      after = store_->directory(kRootInode).names.at(name).second;
    }
  }
  Entry open(std::size_t i) {
    std::optional<Entry> entry;
    std::exception_ptr failure;
    asio::co_spawn(io_, ahead_->entryToOpen(files_[i]), [&](std::exception_ptr error, Entry found) {
      failure = error;
      entry = std::move(found);
    });
    clock_.advance(0ms);
    if (failure) std::rethrow_exception(failure);
    return entry.value();
  }
  bool isHere(std::size_t i) { return ahead_->take(open(i)) != nullptr; }

  asio::io_context io_{1};
  ManualClock clock_{io_};
  test::NoTransport transport_;
  Runtime runtime_{io_, clock_, transport_, std::mt19937_64(1)};
  std::shared_ptr<test::FakeStore> store_ = std::make_shared<test::FakeStore>(clock_);
  std::shared_ptr<test::FakeCluster> cluster_ = std::make_shared<test::FakeCluster>(runtime_, store_);
  const MountSettings settings_;
  std::shared_ptr<Known> known_ = std::make_shared<Known>(runtime_, cluster_, settings_);
  std::shared_ptr<AheadOpener> ahead_ = std::make_shared<AheadOpener>(runtime_, cluster_, known_);
  std::vector<InodeId> files_;
};

TEST_F(AheadOpenerTest, files_in_the_order_of_their_listing_are_asked_for_together) {
  for (std::size_t i = 0; i < files_.size(); ++i) open(i);
  EXPECT_EQ(store_->calls["getAttr"], 1) << "for the first";
  EXPECT_LT(store_->calls["readDir"], 5);
}

TEST_F(AheadOpenerTest, bytes_of_small_files_are_fetched_before_they_are_opened) {
  open(0);
  open(1);
  EXPECT_TRUE(isHere(2));
  EXPECT_FALSE(isHere(2)) << "it is the caller's now";
}

TEST_F(AheadOpenerTest, file_that_changed_meanwhile_is_not_used) {
  open(0);
  open(1);
  ahead_->drop(files_[2]);
  EXPECT_FALSE(isHere(2));
  store_->node(files_[3]).bytes = "others";
  store_->touch(store_->node(files_[3]), true);
  known_->inodes.find(files_[3])->known = false;  // as FileSystem::changed does
  EXPECT_FALSE(isHere(3));
}

TEST_F(AheadOpenerTest, what_nobody_opens_is_given_up) {
  open(0);
  open(1);
  clock_.advance(2 * OpenedAhead::kKept);
  EXPECT_FALSE(isHere(2));
}

TEST_F(AheadOpenerTest, file_that_cannot_be_opened_ahead_does_not_fail_the_one_that_is_asked_for) {
  store_->failing["open"] = Errc::invalid;
  open(0);
  EXPECT_EQ(open(1).attr.inode, files_[1]);
  EXPECT_FALSE(isHere(2));
}

}  // namespace
}  // namespace vcfs::fuse
