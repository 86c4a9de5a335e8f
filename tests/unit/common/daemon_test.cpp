#include "common/base/daemon.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "common/base/error.h"

namespace vcfs {
namespace {

using testing::HasSubstr;

std::string message(const std::function<int()>& body, int code) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(reportingFailure(body, code), code);
  return testing::internal::GetCapturedStderr();
}

TEST(ReportingFailure, hands_on_the_exit_code) {
  EXPECT_EQ(reportingFailure([] { return 7; }), 7);
}

TEST(ReportingFailure, tells_an_error_by_its_detail) {
  EXPECT_THAT(message([]() -> int { throw Error(Errc::invalid, "give another --data"); }, 2),
              HasSubstr(": give another --data\n"));
}

TEST(ReportingFailure, tells_what_a_library_throws) {
  auto body = []() -> int {
    std::filesystem::directory_iterator("/proc/nowhere");
    return 0;
  };
  EXPECT_THAT(message(body, 1), HasSubstr("/proc/nowhere"));
}

}  // namespace
}  // namespace vcfs
