// Names and attributes on a mount, against a cluster in memory.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>

#include "tests/unit/fuse/mounted.h"

namespace vcfs::fuse::test {
namespace {

class Names : public Mounted {
 protected:
  // f0, f1 …, each with its number in it.
  void makeSealed(int count) {
    onLoop([&] {
      for (int i = 0; i < count; ++i) {
        auto id = store_->make(kRootInode, "f" + std::to_string(i), FileType::regular, 0644, 0, 0);
        auto& node = store_->node(id);
        node.bytes = std::to_string(i);
        node.attr.size = node.bytes.size();
        node.attr.state = FileState::closed;
      }
    });
  }
};

TEST_F(Names, a_made_file_is_found_again) {
  write("a", "hello");
  EXPECT_EQ(read("a"), "hello");
}

TEST_F(Names, an_absent_name_is_enoent) {
  EXPECT_EQ(::access(path("absent").c_str(), F_OK), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(Names, directories_nest_and_count_links) {
  ASSERT_EQ(::mkdir(path("d").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(path("d/e").c_str(), 0700), 0);
  struct stat info = {};
  ASSERT_EQ(::stat(path("d").c_str(), &info), 0);
  EXPECT_EQ(info.st_nlink, 3u);
  EXPECT_EQ(::rmdir(path("d").c_str()), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
  EXPECT_EQ(::rmdir(path("d/e").c_str()), 0);
  EXPECT_EQ(::rmdir(path("d").c_str()), 0);
}

// The trackers forget what has no name after a while, whether somebody uses it or not.
TEST_F(Names, what_is_in_use_has_attributes_though_it_was_removed_and_forgotten) {
  ASSERT_EQ(::mkdir(path("d").c_str(), 0755), 0);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const InodeId id = inodeOf("fifo");
  const int fifo = ::open(path("fifo").c_str(), O_RDWR);
  const int directory = ::open(path("d").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::unlink(path("fifo").c_str()), 0);
  ASSERT_EQ(::rmdir(path("d").c_str()), 0);
  onLoop([&] { store_->nodes.erase(id); });
  struct stat info = {};
  EXPECT_EQ(::fstat(directory, &info), 0) << errno;
  EXPECT_EQ(info.st_nlink, 0u);
  EXPECT_TRUE(S_ISDIR(info.st_mode));
  EXPECT_EQ(::fstat(fifo, &info), 0) << errno;
  EXPECT_EQ(info.st_nlink, 0u);
  ::close(fifo);
  ::close(directory);
}

TEST_F(Names, rename_over_an_existing_name_is_atomic_and_flags_are_obeyed) {
  write("a", "1");
  write("b", "2");
  EXPECT_EQ(::renameat2(AT_FDCWD, path("a").c_str(), AT_FDCWD, path("b").c_str(), RENAME_NOREPLACE), -1);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(::renameat2(AT_FDCWD, path("a").c_str(), AT_FDCWD, path("b").c_str(), RENAME_EXCHANGE), 0);
  EXPECT_EQ(read("a"), "2");
  EXPECT_EQ(::rename(path("a").c_str(), path("b").c_str()), 0);
  EXPECT_EQ(read("b"), "2");
}

TEST_F(Names, hard_links_share_the_inode) {
  write("a", "x");
  ASSERT_EQ(::link(path("a").c_str(), path("b").c_str()), 0);
  struct stat info = {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_nlink, 2u);
  EXPECT_EQ(inodeOf("a"), inodeOf("b"));
}

TEST_F(Names, symbolic_links_are_read_and_followed) {
  write("a", "x");
  ASSERT_EQ(::symlink("a", path("s").c_str()), 0);
  EXPECT_EQ(read("s"), "x");
  char text[16] = {};
  EXPECT_EQ(::readlink(path("s").c_str(), text, sizeof text), 1);
}

TEST_F(Names, fifos_can_be_made) {
  ASSERT_EQ(::mkfifo(path("p").c_str(), 0600), 0);
  struct stat info = {};
  ASSERT_EQ(::stat(path("p").c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
}

TEST_F(Names, a_name_of_255_bytes_is_fine_and_one_more_is_too_long) {
  write(std::string(255, 'n'), "x");
  EXPECT_EQ(::open(path(std::string(256, 'n')).c_str(), O_WRONLY | O_CREAT, 0644), -1);
  EXPECT_EQ(errno, ENAMETOOLONG);
}

TEST_F(Names, the_umask_is_applied_once) {
  auto before = ::umask(027);
  write("a", "");
  ::umask(before);
  struct stat info = {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u & ~027u);
}

TEST_F(Names, times_mode_and_owner_can_be_set) {
  write("a", "x");
  timespec times[2] = {{100, 1}, {200, 2}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("a").c_str(), times, 0), 0);
  ASSERT_EQ(::chmod(path("a").c_str(), 0600), 0);
  ASSERT_EQ(::chown(path("a").c_str(), 5, 6), 0);
  struct stat info = {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mtim.tv_sec, 200);
  EXPECT_EQ(info.st_mtim.tv_nsec, 2);
  EXPECT_EQ(info.st_atim.tv_sec, 100);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(info.st_uid, 5u);
  EXPECT_EQ(info.st_gid, 6u);
}

TEST_F(Names, chown_takes_setuid_away) {
  write("a", "x");
  ASSERT_EQ(::chmod(path("a").c_str(), 06755), 0);
  ASSERT_EQ(::chown(path("a").c_str(), 5, 6), 0);
  struct stat info = {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST_F(Names, extended_attributes_of_users_are_kept_and_sized) {
  write("a", "x");
  auto file = path("a");
  ASSERT_EQ(::setxattr(file.c_str(), "user.colour", "green", 5, 0), 0);
  char value[64];
  EXPECT_EQ(::getxattr(file.c_str(), "user.colour", nullptr, 0), 5);
  EXPECT_EQ(::getxattr(file.c_str(), "user.colour", value, sizeof value), 5);
  EXPECT_EQ(::getxattr(file.c_str(), "user.colour", value, 2), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(::listxattr(file.c_str(), value, sizeof value), 12);
  EXPECT_EQ(::setxattr(file.c_str(), "user.colour", "red", 3, XATTR_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(::removexattr(file.c_str(), "user.colour"), 0);
  EXPECT_EQ(::getxattr(file.c_str(), "user.colour", value, sizeof value), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(Names, the_state_is_an_attribute_that_cannot_be_set_and_is_not_listed) {
  auto file = path("a");
  int fd = ::open(file.c_str(), O_WRONLY | O_CREAT, 0644);
  char value[64] = {};
  EXPECT_EQ(::getxattr(file.c_str(), "user.vcfs.state", value, sizeof value), 4);
  EXPECT_STREQ(value, "open");
  ::close(fd);
  eventually([&] { return ::getxattr(file.c_str(), "user.vcfs.state", value, sizeof value) == 6; }, "closed");
  EXPECT_EQ(::listxattr(file.c_str(), value, sizeof value), 0);
  EXPECT_EQ(::setxattr(file.c_str(), "user.vcfs.state", "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(Names, an_inode_without_acl_costs_no_question) {
  write("a", "x");
  struct stat info = {};
  ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
  auto asked = calls("getXattr");
  EXPECT_EQ(::getxattr(path("a").c_str(), "system.posix_acl_access", nullptr, 0), -1);
  EXPECT_EQ(errno, ENODATA);
  EXPECT_EQ(calls("getXattr"), asked);
}

TEST_F(Names, statfs_tells_usable_bytes) {
  struct statvfs space = {};
  ASSERT_EQ(::statvfs(point_.c_str(), &space), 0);
  EXPECT_EQ(space.f_blocks * space.f_frsize, 1ull << 40);
  EXPECT_EQ(space.f_bavail * space.f_frsize, 1ull << 39);
  EXPECT_EQ(space.f_namemax, 255u);
}

TEST_F(Names, a_large_directory_is_listed_whole_and_in_few_questions) {
  makeSealed(5000);
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(point_)) {
    struct stat info = {};
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    names.insert(entry.path().filename());
  }
  EXPECT_EQ(names.size(), 5000u);
  EXPECT_LT(calls("readDir"), 10);
  EXPECT_LT(calls("lookup"), 200);
}

TEST_F(Names, files_read_in_the_order_of_their_listing_are_asked_for_together) {
  makeSealed(300);
  int listed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(point_)) listed += entry.is_regular_file() ? 1 : 0;
  ASSERT_EQ(listed, 300);
  const int asked = calls("getAttr") + calls("lookup") + calls("readDir");
  for (int i = 0; i < 300; ++i) EXPECT_EQ(read("f" + std::to_string(i)), std::to_string(i));
  EXPECT_LT(calls("getAttr") + calls("lookup") + calls("readDir") - asked, 30);
}

TEST_F(Names, a_listing_that_is_not_used_for_stat_is_good_for_it_all_the_same) {
  makeSealed(2000);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(point_)) names.push_back(entry.path());
  ASSERT_EQ(names.size(), 2000u);
  const int asked = calls("lookup") + calls("getAttr");
  struct stat info = {};
  for (const auto& name : names) ASSERT_EQ(::lstat(name.c_str(), &info), 0);
  EXPECT_LT(calls("lookup") + calls("getAttr") - asked, 20);
}

TEST_F(Names, a_directory_that_did_not_change_is_not_read_again) {
  makeSealed(500);
  auto list = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(point_)) names.insert(entry.path().filename());
    return names;
  };
  EXPECT_EQ(list().size(), 500u);
  EXPECT_EQ(list().size(), 500u);  // from now on the directory's time is known
  const int asked = calls("readDir");
  EXPECT_EQ(list().size(), 500u);
  EXPECT_EQ(calls("readDir"), asked);
  write("new", "x");
  EXPECT_EQ(list().count("new"), 1u);
  ASSERT_EQ(::unlink(path("f7").c_str()), 0);
  EXPECT_EQ(list().count("f7"), 0u);
}

TEST_F(Names, seekdir_goes_back_to_where_telldir_was) {
  onLoop([&] {
    for (int i = 0; i < 700; ++i) store_->make(kRootInode, "f" + std::to_string(i), FileType::regular, 0644, 0, 0);
  });
  auto* directory = ::opendir(point_.c_str());
  ASSERT_NE(directory, nullptr);
  for (int i = 0; i < 500; ++i) ASSERT_NE(::readdir(directory), nullptr);
  auto place = ::telldir(directory);
  std::string next = ::readdir(directory)->d_name;
  while (::readdir(directory) != nullptr) {
  }
  ::seekdir(directory, place);
  EXPECT_EQ(next, ::readdir(directory)->d_name);
  ::closedir(directory);
}

TEST_F(Names, a_directory_can_be_emptied_while_it_is_listed) {
  for (int i = 0; i < 600; ++i) write("f" + std::to_string(i), "");
  for (const auto& entry : std::filesystem::directory_iterator(point_)) std::filesystem::remove(entry.path());
  EXPECT_TRUE(std::filesystem::is_empty(point_));
}

TEST_F(Names, o_tmpfile_is_refused) {
  EXPECT_EQ(::open(point_.c_str(), O_TMPFILE | O_RDWR, 0600), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(Names, a_failing_cluster_is_eio_and_the_mount_goes_on) {
  onLoop([&] { store_->failing["mkdir"] = Errc::unavailable; });
  EXPECT_EQ(::mkdir(path("d").c_str(), 0755), -1);
  EXPECT_EQ(errno, EIO);
  onLoop([&] { store_->failing.clear(); });
  EXPECT_EQ(::mkdir(path("d").c_str(), 0755), 0);
}

class Subdirectory : public Mounted {
  void prepare(FakeStore& store) override {
    inner_ = store.make(kRootInode, "inner", FileType::directory, 0755, 0, 0);
    store.make(inner_, "file", FileType::regular, 0644, 0, 0);
  }
  void configure(MountSettings& settings) override { settings.root = inner_; }

 protected:
  InodeId inner_ = 0;
};

TEST_F(Subdirectory, is_the_root_of_the_mount) {
  EXPECT_EQ(inodeOf("."), inner_);
  EXPECT_EQ(inodeOf("file"), 1025u);
  write("other", "x");
  EXPECT_EQ(onLoop([&] { return store_->node(inner_).names.size(); }), 2u);
}

class ReadOnly : public Mounted {
  void configure(MountSettings& settings) override { settings.readOnly = true; }
};

TEST_F(ReadOnly, refuses_changes) {
  EXPECT_EQ(::mkdir(path("d").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

}  // namespace
}  // namespace vcfs::fuse::test
