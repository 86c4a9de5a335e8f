#include "cli/local/mounts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/base/error.h"

namespace vcfs::cli {
namespace {

TEST(Mounts, mountinfo_is_understood_with_blanks_in_names) {
  auto mounts = parseMountInfo(
      "22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw\n"
      "99 1 0:50 / /mnt/my\\040store rw,nosuid - fuse.vcfs 127.0.0.1:21000:/ rw,user_id=0\n"
      "103 1 0:50 /alice\\040b /srv/alice rw,nosuid shared:7 - fuse.vcfs 127.0.0.1:21000:/ rw,user_id=0\n"
      "a line that is none\n");
  ASSERT_EQ(mounts.size(), 3u);
  EXPECT_EQ(mounts[1].id, 99);
  EXPECT_EQ(mounts[1].mountPoint, "/mnt/my store");
  EXPECT_EQ(mounts[1].type, "fuse.vcfs");
  EXPECT_EQ(mounts[1].source, "127.0.0.1:21000:/");
  EXPECT_EQ(mounts[1].root, "/");
  EXPECT_EQ(mounts[2].root, "/alice b");
}

TEST(Mounts, the_root_is_mounted) {
  EXPECT_TRUE(isMounted("/proc"));
  EXPECT_FALSE(isMounted("/proc/self"));
}

TEST(Mounts, a_made_mount_point_cannot_be_written_to_and_can_be_taken_back) {
  char name[] = "/tmp/vcfs-mnt-XXXXXX";
  std::string folder = ::mkdtemp(name), point = folder + "/a/mnt";
  makeMountPoint(point);
  struct stat st {};
  ASSERT_EQ(::stat(point.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0u);
  std::ofstream(point + "/recording") << "x";  // refused for root too where the filesystem has the immutable attribute
  EXPECT_TRUE(::geteuid() == 0 || !std::filesystem::exists(point + "/recording"));
  std::filesystem::remove(point + "/recording");
  makeMountPoint(point);  // again: nothing to do
  EXPECT_EQ(removeMountPoint(point), "");
  EXPECT_FALSE(std::filesystem::exists(point));
  EXPECT_EQ(removeMountPoint(point), "") << "it is gone already";
  std::filesystem::remove_all(folder);
}

TEST(Mounts, a_directory_that_was_not_made_for_it_is_not_taken_away) {
  char name[] = "/tmp/vcfs-mnt-XXXXXX";
  std::string folder = ::mkdtemp(name);
  EXPECT_NE(removeMountPoint(folder), "");
  EXPECT_TRUE(std::filesystem::exists(folder));
  EXPECT_NE(removeMountPoint("/proc").find("is mounted there"), std::string::npos);
  std::filesystem::remove(folder);
}

TEST(Mounts, a_file_in_the_mount_points_place_is_refused) {
  try {
    makeMountPoint("/proc/self/stat");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::notDirectory);
  }
}

TEST(Mounts, who_uses_a_directory_is_named) {
  char name[] = "/tmp/vcfs-use-XXXXXX";
  std::string folder = ::mkdtemp(name);
  {
    std::ofstream held(folder + "/file");
    bool found = false;
    for (const auto& user : usersOf(folder)) found |= user.find(std::to_string(::getpid())) != std::string::npos;
    EXPECT_TRUE(found);
  }
  EXPECT_TRUE(usersOf(folder).empty());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace vcfs::cli
