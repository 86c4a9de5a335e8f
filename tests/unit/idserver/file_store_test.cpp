#include "idserver/store/file_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include "common/base/error.h"

namespace vcfs::idserver {
namespace {

namespace fs = std::filesystem;

class FileStoreTest : public testing::Test {
 protected:
  FileStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "vcfs-ids-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~FileStoreTest() override { fs::remove_all(path_); }

  FileStore open(std::optional<std::uint64_t> above = std::nullopt) { return FileStore(openDirectory(path_), above); }
  void put(const std::string& name, const std::string& content) { std::ofstream(path_ + "/" + name) << content; }
  Errc codeOfOpen() {
    try {
      open();
    } catch (const Error& e) {
      EXPECT_NE(e.detail().find(path_), std::string::npos) << e.detail();
      return e.code();
    }
    return Errc::ok;
  }

  std::string path_;
};

TEST_F(FileStoreTest, starts_at_1024_and_continues_after_a_restart) {
  EXPECT_EQ(open().reserve(10).first, 1024u);
  EXPECT_EQ(open().reserve(10).first, 1034u);
}

TEST_F(FileStoreTest, makes_its_directory) {
  path_ += "/a/b";
  EXPECT_EQ(open().reserve(1).first, 1024u);
}

TEST_F(FileStoreTest, a_second_process_is_refused) {
  FileStore first = open();
  EXPECT_EQ(codeOfOpen(), Errc::exists);
}

TEST_F(FileStoreTest, every_single_damaged_byte_is_noticed) {
  open().reserve(10);
  std::string good = FileStore::encode(1034);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x01);
    put("ids", bad);
    EXPECT_EQ(codeOfOpen(), Errc::corrupted) << "byte " << i;
  }
}

TEST_F(FileStoreTest, every_truncation_is_noticed) {
  open().reserve(10);
  std::string good = FileStore::encode(1034);
  for (std::size_t i = 0; i < good.size(); ++i) {
    put("ids", good.substr(0, i));
    EXPECT_EQ(codeOfOpen(), Errc::corrupted) << "length " << i;
  }
}

TEST_F(FileStoreTest, a_lost_file_is_refused_instead_of_starting_over) {
  open().reserve(10);
  fs::remove(path_ + "/ids");
  EXPECT_EQ(codeOfOpen(), Errc::corrupted);
}

TEST_F(FileStoreTest, a_newer_format_is_refused) {
  put("ids", "vcfs-idserver 2\nwhatever\n");
  EXPECT_EQ(codeOfOpen(), Errc::corrupted);
}

TEST_F(FileStoreTest, recover_above_goes_on_after_damage) {
  open().reserve(10);
  put("ids", "garbage");
  EXPECT_EQ(open(5000).reserve(1).first, 5001u);
  EXPECT_EQ(open().reserve(1).first, 5002u);
}

TEST_F(FileStoreTest, recover_above_never_goes_back) {
  open().reserve(1'000'000);
  EXPECT_THROW(open(5000), Error);
  EXPECT_EQ(open().reserve(1).first, 1'001'024u);
}

TEST_F(FileStoreTest, says_no_space_when_all_ids_are_used) {
  FileStore store = open(kEndOfIds - 10);
  EXPECT_EQ(store.reserve(9).count, 9u);
  try {
    store.reserve(1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::noSpace);
  }
}

// A child reserves as fast as it can and writes each range to a pipe after it has it; the parent kills it.
TEST_F(FileStoreTest, sigkill_at_any_instant_never_repeats_an_id) {
  std::mt19937_64 random(7);
  std::uint64_t highest = kFirstId - 1;
  for (int round = 0; round < 200; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    pid_t child = ::fork();
    if (child == 0) {
      try {
        FileStore store = open();
        for (;;) {
          IdRange range = store.reserve(7);
          if (::write(ends[1], &range, sizeof range) != sizeof range) ::_exit(1);
        }
      } catch (...) {
        ::_exit(2);
      }
    }
    ::close(ends[1]);
    int most = static_cast<int>(random() % 12);
    IdRange range;
    int seen = 0;
    while (seen <= most && ::read(ends[0], &range, sizeof range) == sizeof range) {
      ASSERT_GT(range.first, highest);
      highest = range.end() - 1;
      ++seen;
    }
    ::usleep(static_cast<useconds_t>(random() % 300));  // to strike anywhere in the next reservation
    ::kill(child, SIGKILL);
    while (::read(ends[0], &range, sizeof range) == sizeof range) {
      ASSERT_GT(range.first, highest);
      highest = range.end() - 1;
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed by itself, code " << WEXITSTATUS(status);
    ::close(ends[0]);
  }
}

}  // namespace
}  // namespace vcfs::idserver
