#include "cli/core/store_path.h"

#include <gtest/gtest.h>

#include "cli/core/usage_error.h"

namespace vcfs::cli {
namespace {

const std::vector<MountMapping> kMounts{
    {"/mnt/vcstore", "/", ""}, {"/mnt/vcstore/inner", "/deep/dir", ""}, {"/srv/alice", "/alice", ""}};

TEST(StorePath, a_path_in_the_store_needs_no_leading_slash) {
  EXPECT_EQ(storePath("alice/a.mp4", kMounts), "/alice/a.mp4");
  EXPECT_EQ(storePath("/alice/a.mp4", kMounts), "/alice/a.mp4");
}

TEST(StorePath, slashes_and_dots_are_resolved) {
  EXPECT_EQ(storePath("//alice/./b//../a.mp4/", kMounts), "/alice/a.mp4");
  EXPECT_EQ(storePath("/", kMounts), "/");
  EXPECT_EQ(storePath("../../x", kMounts), "/x");
}

TEST(StorePath, a_path_under_a_mount_point_is_mapped) {
  EXPECT_EQ(storePath("/mnt/vcstore/alice/a.mp4", kMounts), "/alice/a.mp4");
  EXPECT_EQ(storePath("/mnt/vcstore", kMounts), "/");
}

TEST(StorePath, the_root_of_a_mount_may_be_a_subdirectory) {
  EXPECT_EQ(storePath("/srv/alice/a.mp4", kMounts), "/alice/a.mp4");
}

TEST(StorePath, the_innermost_mount_counts) { EXPECT_EQ(storePath("/mnt/vcstore/inner/x", kMounts), "/deep/dir/x"); }

TEST(StorePath, a_name_that_only_begins_like_a_mount_point_is_not_mapped) {
  EXPECT_EQ(storePath("/mnt/vcstore2/x", kMounts), "/mnt/vcstore2/x");
}

TEST(StorePath, empty_and_nul_are_refused) {
  EXPECT_THROW(storePath("", kMounts), UsageError);
  EXPECT_THROW(storePath(std::string("/a\0b", 4), kMounts), UsageError);
}

TEST(StorePath, splits_into_directory_and_name) {
  EXPECT_EQ(splitPath("/a"), std::make_pair(std::string("/"), std::string("a")));
  EXPECT_EQ(splitPath("/a/b/c"), std::make_pair(std::string("/a/b"), std::string("c")));
}

TEST(StorePath, of_mounts_at_one_place_the_last_counts) {
  const std::vector<MountMapping> mounts{{"/mnt", "/a", "h1:/a"}, {"/mnt", "/b", "h1:/b"}};
  EXPECT_EQ(storePath("/mnt/x", mounts), "/b/x");
  EXPECT_EQ(mountOf("/mnt/x", mounts)->source, "h1:/b");
}

TEST(StorePath, a_path_without_a_leading_slash_is_under_no_mount) {
  EXPECT_EQ(mountOf("mnt/vcstore/x", kMounts), nullptr);
  EXPECT_EQ(mountOf("/mnt/vcstore2/x", kMounts), nullptr);
}

TEST(StorePath, the_source_of_a_mount_tells_its_subdirectory) {
  EXPECT_EQ(directoryOfMount("h1:21000,h2:21000:/", "/"), "/");
  EXPECT_EQ(directoryOfMount("h1:21000,h2:21000:/alice/x/", "/"), "/alice/x");
  EXPECT_EQ(directoryOfMount("h1:21000", "/"), "/");
}

TEST(StorePath, a_bind_mount_shows_a_directory_of_what_is_mounted) {
  EXPECT_EQ(directoryOfMount("h1:21000:/", "/alice"), "/alice");
  EXPECT_EQ(directoryOfMount("h1:21000:/alice", "/old/x"), "/alice/old/x");
}

}  // namespace
}  // namespace vcfs::cli
