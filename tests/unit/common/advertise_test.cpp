#include "common/base/advertise.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace vcfs {
namespace {

TEST(Advertise, what_is_given_wins) { EXPECT_EQ(advertisedAddress("a:1", "0.0.0.0:2"), "a:1"); }

TEST(Advertise, an_address_is_itself) {
  EXPECT_EQ(advertisedAddress("", "192.0.2.10:21000"), "192.0.2.10:21000");
  EXPECT_EQ(advertisedAddress("", "[::1]:21000"), "[::1]:21000");
}

TEST(Advertise, a_wildcard_becomes_the_name_of_the_host) {
  for (const char* listen : {"0.0.0.0:21000", "[::]:21000", "[0:0::0]:21000"}) {
    EXPECT_EQ(advertisedAddress("", listen), hostName() + ":21000") << listen;
  }
}

TEST(Advertise, what_is_no_address_is_named_with_its_option) {
  try {
    advertisedAddress("nowhere", "0.0.0.0:1");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.detail().find("--advertise: "), 0u) << error.detail();
  }
}

TEST(Advertise, only_wildcards_are_wildcards) {
  EXPECT_TRUE(isWildcard("0.0.0.0"));
  EXPECT_TRUE(isWildcard("::"));
  EXPECT_TRUE(isWildcard("[::]"));
  for (const char* host : {"", "[]", "127.0.0.1", "::1", "host", "0.0.0.1"}) EXPECT_FALSE(isWildcard(host)) << host;
}

}  // namespace
}  // namespace vcfs
