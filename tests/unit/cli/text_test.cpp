#include "cli/core/text.h"

#include <gtest/gtest.h>

namespace vcfs::cli {
namespace {

TEST(Text, columns_are_as_wide_as_their_widest_cell) {
  Table table({"NAME", "SIZE"}, {false, true});
  table.add({"s1", "5"});
  table.add({"storage", "12345"});
  EXPECT_EQ(table.text(), "NAME      SIZE\ns1           5\nstorage  12345\n");
}

TEST(Text, letters_of_several_bytes_take_one_column) {
  Table table({"N", "X"});
  table.add({"ü", "1"});
  EXPECT_EQ(table.text(), "N  X\nü  1\n");
}

TEST(Text, bytes_for_people) {
  EXPECT_EQ(humanBytes(0), "0 B");
  EXPECT_EQ(humanBytes(1023), "1023 B");
  EXPECT_EQ(humanBytes(1536), "1.5 KiB");
  EXPECT_EQ(humanBytes(~0ull), "16.0 EiB");
}

TEST(Text, modes_as_ls_shows_them) {
  EXPECT_EQ(modeText('-', 0644), "-rw-r--r--");
  EXPECT_EQ(modeText('d', 01777), "drwxrwxrwt");
  EXPECT_EQ(modeText('-', 06640), "-rwSr-S---");
  EXPECT_EQ(modeText('-', 04755), "-rwsr-xr-x");
}

TEST(Text, control_characters_do_not_reach_a_terminal) { EXPECT_EQ(printable("a\x1b[31m\nß"), "a\\x1b[31m\\x0aß"); }

}  // namespace
}  // namespace vcfs::cli
