#include "client/src/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/src/local_host.h"
#include "common/base/advertise.h"

namespace vcfs::client {
namespace {

std::string refusal(ClusterOptions options) {
  try {
    validate(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid);
    return error.detail();
  }
  return "";
}

ClusterOptions good() {
  ClusterOptions options;
  options.trackers = {"tracker1"};
  return options;
}

TEST(Options, defaults_are_valid_and_trackers_get_the_default_port) {
  ClusterOptions options = good();
  validate(options);
  EXPECT_EQ(options.trackers.front(), "tracker1:21000");
}

TEST(Options, a_missing_tracker_is_named) { EXPECT_THAT(refusal(ClusterOptions{}), ::testing::HasSubstr("tracker")); }

TEST(Options, values_out_of_bounds_are_named_with_what_is_allowed) {
  ClusterOptions window = good();
  window.sendWindow = 10;
  EXPECT_THAT(refusal(window), ::testing::HasSubstr("sendWindow"));
  ClusterOptions stall = good();
  stall.stallLimit = std::chrono::milliseconds(0);
  EXPECT_THAT(refusal(stall), ::testing::HasSubstr("stallLimit"));
  ClusterOptions total = good();
  total.sendWindowTotal = total.sendWindow - 1;
  EXPECT_THAT(refusal(total), ::testing::HasSubstr("sendWindowTotal"));
}

TEST(LocalHost, loopback_and_own_name_are_local_others_are_not) {
  EXPECT_TRUE(isLocalAddress("127.0.0.1:21100"));
  EXPECT_TRUE(isLocalAddress("[::1]:21100"));
  EXPECT_TRUE(isLocalAddress(hostName() + ":1"));
  EXPECT_FALSE(isLocalAddress("192.0.2.77:21100"));
}

}  // namespace
}  // namespace vcfs::client
