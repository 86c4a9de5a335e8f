#include "cli/local/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace vcfs::cli {
namespace {

struct Files : testing::Test {
  std::string folder = [] {
    char name[] = "/tmp/vcfs-files-XXXXXX";
    return std::string(::mkdtemp(name));
  }();
  ~Files() override { std::filesystem::remove_all(folder); }
};

TEST_F(Files, an_absent_file_is_a_value) { EXPECT_FALSE(readFileIfThere(folder + "/none")); }

TEST_F(Files, a_file_is_replaced_as_a_whole_with_its_mode) {
  std::string file = folder + "/f";
  writeFileAtomically(file, "long text", 0644);
  writeFileAtomically(file, "new", 0600);
  EXPECT_EQ(readFileIfThere(file), "new");
  struct stat st {};
  ::stat(file.c_str(), &st);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(Files, the_tail_starts_at_the_place_and_has_at_most_so_many_lines) {
  std::string file = folder + "/log";
  std::ofstream(file) << "old\na\nb\nc\n";
  EXPECT_EQ(tail(file, 4, 2), "  | b\n  | c\n");
  EXPECT_EQ(tail(file, 4, 9), "  | a\n  | b\n  | c\n");
  EXPECT_EQ(tail(folder + "/none", 0, 2), "");
}

}  // namespace
}  // namespace vcfs::cli
