#include "fuse/tables/opened_ahead.h"

#include <gtest/gtest.h>

namespace vcfs::fuse {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1'000'000'000};
const PageVersion kVersion{3, 4096, 77};

// Nothing of the file is used: a pointer that owns nothing stands for it.
std::shared_ptr<File> someFile() {
  static int place = 0;
  return std::shared_ptr<File>(std::make_shared<int>(++place), reinterpret_cast<File*>(&place));
}

TEST(OpenedAhead, gives_a_file_once) {
  OpenedAhead ahead;
  auto file = someFile();
  ahead.add(7, kVersion, file, kNow);
  EXPECT_EQ(ahead.take(7, kVersion), file);
  EXPECT_EQ(ahead.take(7, kVersion), nullptr);
}

TEST(OpenedAhead, of_another_version_is_not_given) {
  OpenedAhead ahead;
  ahead.add(7, kVersion, someFile(), kNow);
  EXPECT_EQ(ahead.take(7, PageVersion{4, 4096, 77}), nullptr);
  EXPECT_FALSE(ahead.contains(7));
}

TEST(OpenedAhead, what_changed_is_dropped) {
  OpenedAhead ahead;
  std::weak_ptr<File> held;
  {
    auto file = someFile();
    held = file;
    ahead.add(7, kVersion, std::move(file), kNow);
  }
  EXPECT_FALSE(held.expired());
  ahead.drop(7);
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(ahead.take(7, kVersion), nullptr);
}

TEST(OpenedAhead, what_nobody_opens_is_dropped_after_a_while) {
  OpenedAhead ahead;
  ahead.add(7, kVersion, someFile(), kNow);
  ahead.add(8, kVersion, someFile(), kNow + 1s);
  ahead.expire(kNow + OpenedAhead::kKept);
  EXPECT_FALSE(ahead.contains(7));
  EXPECT_TRUE(ahead.contains(8));
  ahead.expire(kNow + 1s + OpenedAhead::kKept);
  EXPECT_TRUE(ahead.empty());
}

TEST(OpenedAhead, added_anew_it_stays_as_long_as_new) {
  OpenedAhead ahead;
  ahead.add(7, kVersion, someFile(), kNow);
  ahead.add(7, kVersion, someFile(), kNow + 2s);
  ahead.expire(kNow + OpenedAhead::kKept);
  EXPECT_TRUE(ahead.contains(7));
}

TEST(OpenedAhead, is_bounded) {
  OpenedAhead ahead(10);
  for (InodeId id = 1; id <= 1000; ++id) ahead.add(id, kVersion, someFile(), kNow);
  EXPECT_LE(ahead.size(), 10u);
  EXPECT_TRUE(ahead.contains(1000));
}

}  // namespace
}  // namespace vcfs::fuse
