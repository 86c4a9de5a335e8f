#include "httpd/store/entry_cache.h"

#include <gtest/gtest.h>

namespace vcfs::httpd {
namespace {

using namespace std::chrono_literals;
using Heard = EntryCache::Heard;

class EntryCacheTest : public testing::Test {
 protected:
  static Entry sealed(InodeId inode) {
    Entry e;
    e.attr.inode = inode;
    e.attr.type = FileType::regular;
    e.attr.state = FileState::closed;
    return e;
  }
  void put(const Entry& entry) { cache_.put("anna/x", {"anna", "x"}, entry, cache_.sequence()); }
  static Change named(const std::string& name) {
    Change change;
    change.parent = 5;
    change.name = name;
    return change;
  }

  asio::io_context io_;
  ManualClock clock_{io_};
  EntryCache cache_{clock_, 1s, 100};
};

TEST_F(EntryCacheTest, remembers_for_its_time_and_no_longer) {
  put(sealed(9));
  ASSERT_TRUE(cache_.find("anna/x"));
  clock_.advance(999ms);
  EXPECT_TRUE(cache_.find("anna/x"));
  clock_.advance(2ms);
  EXPECT_FALSE(cache_.find("anna/x"));
}

TEST_F(EntryCacheTest, never_remembers_what_is_being_recorded_nor_directories) {
  Entry open = sealed(9);
  open.attr.state = FileState::open;
  put(open);
  EXPECT_FALSE(cache_.find("anna/x"));
  Entry directory = sealed(9);
  directory.attr.type = FileType::directory;
  put(directory);
  EXPECT_FALSE(cache_.find("anna/x"));
}

TEST_F(EntryCacheTest, tells_whether_a_file_may_have_changed_since) {
  const std::uint64_t before = cache_.sequence();
  EXPECT_EQ(cache_.heardSince(9, before), Heard::nothing);
  Change change;
  change.inode = 9;
  cache_.changed(change);
  EXPECT_EQ(cache_.heardSince(9, before), Heard::named);
  EXPECT_EQ(cache_.heardSince(10, before), Heard::nothing);
  EXPECT_EQ(cache_.heardSince(9, cache_.sequence()), Heard::nothing);
  Change everything;
  everything.everything = true;
  cache_.changed(everything);
  EXPECT_EQ(cache_.heardSince(10, before), Heard::lostTrack);
  EXPECT_EQ(cache_.heardSince(9, before), Heard::named);
}

TEST_F(EntryCacheTest, forgets_when_the_inode_or_a_name_on_the_path_changes) {
  put(sealed(9));
  Change inode;
  inode.inode = 9;
  cache_.changed(inode);
  EXPECT_FALSE(cache_.find("anna/x"));
  put(sealed(9));
  cache_.changed(named("anna"));
  EXPECT_FALSE(cache_.find("anna/x"));
  put(sealed(9));
  cache_.changed(named("somebody else"));
  EXPECT_TRUE(cache_.find("anna/x"));
  Change everything;
  everything.everything = true;
  cache_.changed(everything);
  EXPECT_FALSE(cache_.find("anna/x"));
}

TEST_F(EntryCacheTest, an_answer_that_a_change_overtook_is_not_kept) {
  std::uint64_t asked = cache_.sequence();
  cache_.changed(named("x"));
  cache_.put("anna/x", {"anna", "x"}, sealed(9), asked);
  EXPECT_FALSE(cache_.find("anna/x"));
}

TEST_F(EntryCacheTest, is_bounded) {
  for (int i = 0; i < 1000; ++i) cache_.put(std::to_string(i), {}, sealed(9), cache_.sequence());
  EXPECT_LE(cache_.size(), 100u);
}

}  // namespace
}  // namespace vcfs::httpd
