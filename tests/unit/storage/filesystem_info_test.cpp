#include "storage/store/filesystem_info.h"

#include <gtest/gtest.h>

namespace vcfs::storage {
namespace {

const char* const kMounts =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "57 27 8:1 / /srv/disk1 rw,noatime shared:1 - xfs /dev/sda1 rw,noatime,attr2\n"
    "58 27 8:2 / /srv/disk10 rw,relatime - ext4 /dev/sda2 ro,errors=remount-ro\n"
    "59 27 8:3 / /srv/disk2 ro,relatime - ext4 /dev/sda3 rw\n"
    "60 27 8:4 / /srv/disk3 rw,relatime - ext4 /dev/sda4 rw,abort,emergency_ro\n"
    "61 27 8:5 / /srv/disk3/old rw - xfs /dev/sda5 rw\n"
    "62 27 8:6 / /srv/disk3/old rw - ext4 /dev/sda6 rw\n";

TEST(FilesystemInfo, is_of_the_deepest_and_latest_mount) {
  EXPECT_EQ(filesystemIn(kMounts, "/var/lib").options, "rw,relatime");
  EXPECT_EQ(filesystemIn(kMounts, "/srv/disk1/data").type, "xfs");
  EXPECT_EQ(filesystemIn(kMounts, "/srv/disk1/data").options, "rw,noatime,attr2");
  EXPECT_EQ(filesystemIn(kMounts, "/srv/disk3/old").type, "ext4");
}

TEST(FilesystemInfo, is_read_only_when_the_mount_point_or_the_filesystem_is) {
  EXPECT_EQ(filesystemIn(kMounts, "/srv/disk10/data").options, "ro,relatime,errors=remount-ro");
  EXPECT_EQ(filesystemIn(kMounts, "/srv/disk2/data").options, "ro,relatime");
  EXPECT_EQ(filesystemIn(kMounts, "/srv/disk3/data").options, "rw,relatime,abort,emergency_ro");
}

}  // namespace
}  // namespace vcfs::storage
