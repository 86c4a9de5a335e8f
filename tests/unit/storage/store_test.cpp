#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "storage/core/crc32c.h"
#include "storage/store/block_sums.h"
#include "storage/store/disk_store.h"
#include "storage/store/memory_store.h"
#include "storage/store/meta.h"

namespace vcfs::storage {
namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string readAll(ReplicaFile& file) {
  std::string text(file.stat().size, '\0');
  text.resize(file.pread(std::as_writable_bytes(std::span(text)), 0));
  return text;
}

ReplicaMeta metaOf(InodeId inode) { return ReplicaMeta{inode, 1, FileState::open, 0, 0}; }

class Folder {
 public:
  Folder() {
    // Not /tmp, which may be a filesystem without user attributes.
    std::string pattern = std::filesystem::current_path() / "storage-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

DiskStoreOptions optionsOf(const Folder& folder, const std::string& name = "s1") {
  DiskStoreOptions options;
  options.directory = folder.path() + "/data";
  options.name = name;
  options.openFiles = 16;
  return options;
}

// No file of this process grows beyond `bytes`: a write across the limit is short, the next one fails, as on a full
// disk.
class FullAt {
 public:
  explicit FullAt(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FullAt() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit before_{};
};

// No descriptor is to be had but for `spare`.
class DescriptorsUsedUp {
 public:
  explicit DescriptorsUsedUp(rlim_t spare) {
    const int next = ::dup(0);
    ::close(next);
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit now{static_cast<rlim_t>(next) + spare, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~DescriptorsUsedUp() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// The same for both stores.
class AnyStore : public ::testing::TestWithParam<bool> {
 protected:
  AnyStore() {
    if (GetParam())
      store_ = std::make_unique<DiskStore>(optionsOf(folder_));
    else
      store_ = std::make_unique<MemoryStore>();
  }
  Folder folder_;
  std::unique_ptr<Store> store_;
};

TEST_P(AnyStore, keeps_bytes_and_attributes) {
  auto file = store_->file(1024);
  EXPECT_FALSE(store_->load(1024));
  file->create(metaOf(1024), "room1", "/room1/a.mp4");
  file->pwrite(bytes("hello"), 3);
  const auto loaded = store_->load(1024);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->meta, metaOf(1024));
  EXPECT_EQ(loaded->stat.size, 8u);
  EXPECT_EQ(readAll(*file), std::string("\0\0\0hello", 8));
}

TEST_P(AnyStore, truncates_punches_and_seeks) {
  auto file = store_->file(5);
  file->create(metaOf(5), "", "");
  const std::string block(256u << 10, 'x');
  file->pwrite(bytes(block), 0);
  file->allocate(64u << 10, 64u << 10, 3);
  EXPECT_EQ(file->seek(0, true), 64u << 10);
  EXPECT_EQ(file->seek(64u << 10, false), 128u << 10);
  file->truncate(10);
  EXPECT_EQ(readAll(*file), std::string(10, 'x'));
  EXPECT_FALSE(file->seek(10, false));
}

TEST_P(AnyStore, lists_removes_and_remembers_active_files) {
  for (InodeId inode : {1024, 1025, 999999}) store_->file(inode)->create(metaOf(inode), "", "");
  std::vector<InodeId> found;
  store_->scan([&](InodeId inode) { found.push_back(inode); });
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<InodeId>{1024, 1025, 999999}));
  EXPECT_EQ(store_->activeFiles().size(), 3u);
  store_->markStable({1024, 1025});
  EXPECT_EQ(store_->activeFiles(), std::vector<InodeId>{999999});
  EXPECT_TRUE(store_->remove(1024));
  EXPECT_FALSE(store_->remove(1024));
  EXPECT_FALSE(store_->load(1024));
}

INSTANTIATE_TEST_SUITE_P(Disk, AnyStore, ::testing::Values(true));
INSTANTIATE_TEST_SUITE_P(Memory, AnyStore, ::testing::Values(false));

TEST(ReplicaPath, neighbours_share_a_directory) {
  EXPECT_EQ(replicaPath(0x123456), "12/34/0000000000123456");
  EXPECT_EQ(replicaDirectory(0x1234ff), "12/34");
  EXPECT_EQ(replicaDirectory(0x123500), "12/35");
  EXPECT_EQ(parseReplicaName("0000000000123456"), 0x123456u);
  EXPECT_EQ(parseReplicaName("0000000000123456x"), 0u);
  EXPECT_EQ(parseReplicaName("00000000001234G6"), 0u);
}

TEST(ReplicaMetaText, survives_and_skips_unknown_keys) {
  const ReplicaMeta meta{77, 3, FileState::recovered, 12, 34};
  EXPECT_EQ(parseMeta(formatMeta(meta)), meta);
  const ReplicaMeta old{77, 3, FileState::closed, 12, -1'000'000'000};
  EXPECT_EQ(parseMeta(formatMeta(old)), old) << "of before 1970";
  const ReplicaMeta lost{77, 3, FileState::open, 0, 0, true, 0x300000001, 2};
  EXPECT_EQ(formatMeta(lost), "1 i=4d e=3 s=o d=1 p=300000001 l=2");
  EXPECT_EQ(parseMeta(formatMeta(lost)), lost);
  ReplicaMeta behind{77, 3, FileState::recovered, 10, 0};
  behind.partial = true;
  EXPECT_EQ(formatMeta(behind), "1 i=4d e=3 s=y z=10") << "no longer than without: a full disk takes it";
  EXPECT_TRUE(parseMeta(formatMeta(behind)).partial);
  EXPECT_EQ(parseMeta(formatMeta(behind)).state, FileState::open);
  EXPECT_EQ(parseMeta(formatMeta(meta) + " later=1"), meta);
  EXPECT_EQ(parseMeta(formatMeta(meta, "u", "/v/a b=c n=d")), meta);
  EXPECT_EQ(updateMeta(formatMeta(meta, "u", "/v/a b"), {77, 4, FileState::open, 0, 0}), "1 i=4d e=4 s=o u=u n=/v/a b");
  EXPECT_THROW(parseMeta("2 i=1 e=1"), Error);
  EXPECT_THROW(parseMeta("1 i=zz e=1"), Error);
  EXPECT_THROW(parseMeta(""), Error);
}

TEST(DiskStore, attributes_tell_people_what_a_file_is) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  store.file(0x400)->create(metaOf(0x400), "room1", "/room1/a.mp4");
  const std::string path = folder.path() + "/data/00/04/0000000000000400";
  char text[256] = {};
  ASSERT_GT(::getxattr(path.c_str(), "user.vcfs", text, sizeof text), 0);
  EXPECT_THAT(text, testing::EndsWith(" n=/room1/a.mp4"));
}

// What was acknowledged before stays, however little of the next write the disk took.
TEST(DiskStore, a_write_that_failed_half_way_leaves_the_old_size) {
  struct Case {
    std::uint64_t size, offset, length, limit;
  };
  for (const Case& one : {Case{5000, 3000, 9000, 8192}, Case{5000, 3000, 9000, 5000}, Case{5000, 3000, 9000, 4096},
                          Case{5000, 5000, 9000, 8192}, Case{5000, 7000, 9000, 8192}}) {
    SCOPED_TRACE(fmt::format("{} bytes, {} at {}, full at {}", one.size, one.length, one.offset, one.limit));
    Folder folder;
    DiskStore store(optionsOf(folder));
    auto file = store.file(1024);
    file->create(metaOf(1024), "", "");
    file->pwrite(bytes(std::string(one.size, 'a')), 0);
    {
      FullAt full(one.limit);
      EXPECT_THROW(file->pwrite(bytes(std::string(one.length, 'b')), one.offset), Error);
    }
    EXPECT_EQ(file->stat().size, one.size);
    const std::string older = readAll(*file).substr(0, one.offset);
    EXPECT_TRUE(older == std::string(std::min(one.offset, one.size), 'a')) << "other bytes";
  }
}

TEST(DiskStore, second_process_is_refused) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  EXPECT_THROW(DiskStore second(optionsOf(folder)), Error);
}

TEST(DiskStore, disk_of_another_server_is_refused) {
  Folder folder;
  { DiskStore store(optionsOf(folder)); }
  try {
    DiskStore other(optionsOf(folder, "s2"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.detail().find("\"s1\""), std::string::npos) << error.detail();
  }
}

TEST(DiskStore, directory_that_cannot_be_made_is_said_to_be_so) {
  DiskStoreOptions options;
  options.directory = "/proc/nowhere/disk1";
  options.name = "s1";
  try {
    DiskStore store(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.detail(), testing::HasSubstr("/proc/nowhere/disk1: cannot make it"));
  }
}

TEST(DiskStore, foreign_directory_is_refused_and_left_alone) {
  Folder folder;
  std::filesystem::create_directory(folder.path() + "/data");
  std::ofstream(folder.path() + "/data/thesis.tex") << "text";
  EXPECT_THROW(DiskStore store(optionsOf(folder)), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/data/vcfs-storage"));
}

TEST(DiskStore, identity_and_active_files_survive_a_restart) {
  Folder folder;
  {
    DiskStore store(optionsOf(folder));
    store.setIdentity(3, "main", "1f2e");
    store.file(1024)->create(metaOf(1024), "", "");
    store.file(1025)->create(metaOf(1025), "", "");
    store.markStable({1024});
  }
  DiskStore store(optionsOf(folder));
  EXPECT_EQ(store.storageId(), 3u);
  EXPECT_EQ(store.cluster(), "main");
  EXPECT_EQ(store.uuid(), "1f2e");
  EXPECT_EQ(store.activeFiles(), std::vector<InodeId>{1025});
  EXPECT_TRUE(store.machineStayedUp());
}

TEST(DiskStore, counts_a_loss_of_power_once_however_often_it_is_opened_before_that_is_settled) {
  Folder folder;
  EXPECT_EQ(DiskStore(optionsOf(folder)).powerLosses(), 0u);
  // What is found after a boot in which there was no orderly stop.
  std::ofstream(optionsOf(folder).directory + "/lock") << "an earlier boot";
  for (int start = 0; start < 2; ++start) {
    DiskStore store(optionsOf(folder));
    EXPECT_FALSE(store.machineStayedUp());
    EXPECT_EQ(store.powerLosses(), 1u);
    if (start == 1) store.machineChecked();
  }
  DiskStore store(optionsOf(folder));
  EXPECT_TRUE(store.machineStayedUp());
  EXPECT_EQ(store.powerLosses(), 1u);
}

TEST(DiskStore, part_of_a_line_of_the_active_list_costs_no_other_line) {
  Folder folder;
  {
    DiskStore store(optionsOf(folder));
    for (InodeId inode : {1, 2}) store.markActive(inode);
    {
      FullAt full(2 * 18 + 7);
      EXPECT_THROW(store.markActive(3), Error);
      EXPECT_THROW(store.markActive(3), Error) << "it is not in the list";
    }
    EXPECT_EQ(store.activeFiles(), (std::vector<InodeId>{1, 2}));
    for (InodeId inode : {3, 4}) store.markActive(inode);
  }
  DiskStore again(optionsOf(folder));
  EXPECT_EQ(again.activeFiles(), (std::vector<InodeId>{1, 2, 3, 4}));
}

// Who adds to it does not wait for the disk.
TEST(DiskStore, list_of_active_files_that_has_grown_is_rewritten_by_a_sync) {
  Folder folder;
  const std::string path = optionsOf(folder).directory + "/active";
  {
    DiskStore store(optionsOf(folder));
    std::vector<InodeId> stable;
    for (InodeId inode = 1; inode <= 60'000; ++inode) {
      store.markActive(inode);
      if (inode > 2) stable.push_back(inode);
    }
    store.markStable(stable);
    EXPECT_EQ(std::filesystem::file_size(path), 18u * (60'000 + 59'998));
    store.syncActiveList();
    EXPECT_EQ(std::filesystem::file_size(path), 18u * 2);
    store.markActive(3);
    store.syncActiveList();
  }
  DiskStore again(optionsOf(folder));
  EXPECT_EQ(again.activeFiles(), (std::vector<InodeId>{1, 2, 3}));
}

TEST(DiskStore, starts_on_a_full_disk) {
  Folder folder;
  {
    DiskStore store(optionsOf(folder));
    for (InodeId inode : {1, 2, 3}) store.markActive(inode);
  }
  {
    FullAt full(40);
    DiskStore store(optionsOf(folder));
    EXPECT_EQ(store.activeFiles(), (std::vector<InodeId>{1, 2, 3}));
  }
  {
    FullAt full(40);
    DiskStore store(optionsOf(folder));
    EXPECT_EQ(store.activeFiles(), (std::vector<InodeId>{1, 2, 3}));
    EXPECT_THROW(store.markActive(4), Error);
  }
  DiskStore store(optionsOf(folder));
  store.markActive(4);
  EXPECT_EQ(store.activeFiles(), (std::vector<InodeId>{1, 2, 3, 4}));
}

TEST(DiskStore, descriptors_are_bounded) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  std::vector<std::shared_ptr<ReplicaFile>> files;
  for (InodeId inode = 1; inode <= 50; ++inode) {
    files.push_back(store.file(inode));
    files.back()->create(metaOf(inode), "", "");
    files.back()->pwrite(bytes("x"), 0);
  }
  EXPECT_LE(store.openFiles(), 16u);
  for (auto& file : files) EXPECT_EQ(readAll(*file), "x");
}

constexpr std::size_t kMiB = 1u << 20;

// Bytes of the replica that are in the machine's memory.
std::size_t residentBytes(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const std::size_t size = std::filesystem::file_size(path);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  EXPECT_EQ(::mincore(at, size, pages.data()), 0);
  ::munmap(at, size);
  return page *
         static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto p) { return (p & 1) != 0; }));
}

bool isOnDisk(const Folder& folder) {  // not in memory altogether
  struct statfs info {};
  return ::statfs(folder.path().c_str(), &info) == 0 && info.f_type != TMPFS_MAGIC;
}

TEST(DiskStore, a_copy_takes_little_of_the_machines_memory) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  auto file = store.file(0x400);
  const std::string path = folder.path() + "/data/00/04/0000000000000400";
  file->create(metaOf(0x400), "", "");
  std::string piece(kMiB, 'a');
  for (std::size_t i = 0; i < 48; ++i) {
    piece[0] = static_cast<char>('a' + i % 26);
    file->pwriteUncached(bytes(piece), i * kMiB);
    file->sync();
  }
  if (isOnDisk(folder)) {
    EXPECT_LE(residentBytes(path), 20 * kMiB);
  }
  std::string back(kMiB, '\0');
  for (std::size_t i = 0; i < 48; ++i) {
    ASSERT_EQ(file->pread(std::as_writable_bytes(std::span(back)), i * kMiB), kMiB);
    piece[0] = static_cast<char>('a' + i % 26);
    ASSERT_EQ(back, piece);
  }
}

TEST_P(AnyStore, sums_blocks_as_far_as_the_file_goes) {
  auto file = store_->file(1024);
  file->create(metaOf(1024), "u", "/f");
  const std::string content = std::string(4096, 'a') + std::string(4096, 'b') + "c";
  file->pwrite(bytes(content), 0);
  std::vector<std::uint32_t> all, two, none;
  appendBlockSums(*file, 0, 4096, 1000, all);
  EXPECT_EQ(all, (std::vector{crc32c(bytes(content.substr(0, 4096))), crc32c(bytes(content.substr(4096, 4096))),
                              crc32c(bytes("c"))}));
  appendBlockSums(*file, 4096, 4096, 1, two);
  EXPECT_EQ(two, std::vector{all[1]});
  appendBlockSums(*file, 1 << 20, 4096, 10, none);
  EXPECT_TRUE(none.empty());
}

std::vector<InodeId> scanned(DiskStore& store) {
  std::vector<InodeId> found;
  store.scan([&](InodeId inode) { found.push_back(inode); });
  std::sort(found.begin(), found.end());
  return found;
}

TEST(DiskStore, directory_that_cannot_be_listed_is_not_taken_for_an_empty_one) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  for (InodeId inode : {1024, 999999}) store.file(inode)->create(metaOf(inode), "", "");
  for (rlim_t spare : {0, 1, 2}) {
    DescriptorsUsedUp few(spare);
    EXPECT_THROW(scanned(store), Error) << spare;
  }
  EXPECT_EQ(scanned(store), (std::vector<InodeId>{1024, 999999}));
}

TEST(DiskStore, what_is_no_directory_of_replicas_is_none_of_its_business) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  store.file(1024)->create(metaOf(1024), "", "");
  const std::filesystem::path data = folder.path() + "/data";
  std::ofstream(data / "ab") << "a file";
  std::ofstream(data / "00" / "cd") << "a file";
  std::filesystem::create_directory(data / "lost+found");
  std::filesystem::permissions(data / "lost+found", std::filesystem::perms::none);
  EXPECT_EQ(scanned(store), std::vector<InodeId>{1024});
}

TEST(DiskStore, reserve_is_kept_for_what_runs) {
  Folder folder;
  DiskStoreOptions options = optionsOf(folder);
  DiskStore probe(options);
  auto running = probe.file(1);
  running->create(metaOf(1), "", "");
  EXPECT_GT(probe.space().freeBytes, 0u);
}

TEST(DiskStore, file_without_attributes_is_called_corrupted) {
  Folder folder;
  DiskStore store(optionsOf(folder));
  store.file(0x400)->create(metaOf(0x400), "", "");
  ::removexattr((folder.path() + "/data/00/04/0000000000000400").c_str(), "user.vcfs");
  try {
    store.load(0x400);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupted);
  }
}

TEST(MemoryStore, power_cut_loses_what_was_not_synced) {
  MemoryStore store;
  auto file = store.file(1);
  file->create(metaOf(1), "", "");
  file->pwrite(bytes("safe"), 0);
  file->sync();
  file->pwrite(bytes("lost"), 4);
  store.file(2)->create(metaOf(2), "", "");
  store.losePower();
  EXPECT_EQ(store.content(1), "safe");
  EXPECT_FALSE(store.load(2));
  EXPECT_FALSE(store.machineStayedUp());
}

TEST(MemoryStore, a_failed_sync_of_the_disk_is_told_of_files_whose_bytes_it_gave_up) {
  MemoryStore store;
  const auto cut = store.file(1);
  const auto written = store.file(2);
  cut->create(metaOf(1), "", "");
  written->create(metaOf(2), "", "");
  cut->pwrite(bytes("cut off"), 0);
  written->pwrite(bytes("given up"), 0);
  cut->truncate(0);
  store.failSyncs(Errc::io);
  EXPECT_THROW(store.syncAll(), Error);
  store.failSyncs(Errc::ok);
  EXPECT_NO_THROW(cut->sync());
  EXPECT_THROW(written->sync(), Error);
}

}  // namespace
}  // namespace vcfs::storage
