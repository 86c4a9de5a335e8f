#include "cli/command.h"

#include <gmock/gmock.h>

#include "cli/core/usage_error.h"
#include "cli/fsck/scan.h"

namespace vcfs::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

std::string complaint(const std::string& timeout) {
  try {
    parseTimeout(timeout);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(Timeout, has_units_and_bounds) {
  EXPECT_EQ(parseTimeout("100ms"), 100ms);
  EXPECT_EQ(parseTimeout("1h"), 1h);
  for (const char* wrong : {"50ms", "0", "61m", "soon"}) EXPECT_THAT(complaint(wrong), HasSubstr("--timeout")) << wrong;
}

TEST(FsckReport, is_clean_only_when_everybody_could_be_asked) {
  fsck::Report report;
  EXPECT_TRUE(report.clean());
  EXPECT_THAT(fsck::summary(report), HasSubstr("clean"));
  report.unreachable.push_back("s2");
  EXPECT_FALSE(report.clean());
  EXPECT_THAT(fsck::summary(report), HasSubstr("not all could be asked"));
  EXPECT_THAT(fsck::summary(report), Not(HasSubstr("clean")));
}

TEST(FsckReport, with_problems_is_not_clean) {
  fsck::Report report;
  report.found = 1;
  EXPECT_FALSE(report.clean());
  EXPECT_THAT(fsck::summary(report), HasSubstr("1 problems"));
}

}  // namespace
}  // namespace vcfs::cli
