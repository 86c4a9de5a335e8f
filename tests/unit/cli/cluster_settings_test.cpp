#include "cli/core/cluster_settings.h"

#include <gmock/gmock.h>

#include "cli/core/ports.h"
#include "cli/core/usage_error.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ClusterSettings decide(RequestedSettings requested, std::optional<ClusterSettings> saved = std::nullopt,
                       Running running = {}) {
  return decideSettings(saved, requested, running, "/d");
}

// What the UsageError says; "" when there was none.
std::string complaint(RequestedSettings requested, std::optional<ClusterSettings> saved = std::nullopt,
                      Running running = {}) {
  try {
    decide(requested, saved, running);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(ClusterSettings, without_options_is_one_tracker_two_storages_two_copies) {
  ClusterSettings s = decide({});
  EXPECT_EQ(s.trackers, 1);
  EXPECT_EQ(s.storages, 2);
  EXPECT_EQ(s.copies, 2);
  EXPECT_EQ(s.mount, "/mnt/vcstore");
}

TEST(ClusterSettings, one_storage_server_has_one_copy_unless_more_were_asked_for) {
  RequestedSettings r;
  r.storages = 1;
  EXPECT_EQ(decide(r).copies, 1);
  r.copies = 2;
  EXPECT_THAT(complaint(r), HasSubstr("--copies 2"));
}

TEST(ClusterSettings, copies_are_held_against_the_smallest_group) {
  RequestedSettings r;
  r.storages = 5;
  r.groups = 2;
  r.copies = 3;
  EXPECT_THAT(complaint(r), HasSubstr("only 2 storage servers"));
}

TEST(ClusterSettings, one_copy_is_not_kept_quiet) {
  RequestedSettings r;
  EXPECT_EQ(loneCopyNote(decide(r)), "");
  r.storages = 3;
  r.groups = 2;
  EXPECT_THAT(loneCopyNote(decide(r)), HasSubstr("--storages 4"));
  r.storages = 4;
  EXPECT_EQ(loneCopyNote(decide(r)), "");
  r.copies = 1;
  EXPECT_THAT(loneCopyNote(decide(r)), HasSubstr("vcfs group set"));
}

TEST(ClusterSettings, several_trackers_need_mariadb) {
  RequestedSettings r;
  r.trackers = 2;
  EXPECT_THAT(complaint(r), HasSubstr("mariadb://"));
  r.catalog = "mariadb://u:p@127.0.0.1:3306/vcfs";
  EXPECT_EQ(complaint(r), "");
}

TEST(ClusterSettings, values_outside_their_range_are_named) {
  RequestedSettings r;
  r.storages = 0;
  EXPECT_THAT(complaint(r), HasSubstr("--storages 0"));
  r.storages = 2;
  r.portBase = 80;
  EXPECT_THAT(complaint(r), HasSubstr("--port-base 80"));
}

TEST(ClusterSettings, the_highest_port_base_leaves_room_for_the_last_storage_server) {
  RequestedSettings r;
  r.portBase = 65000;
  r.storages = kMaxStorages;
  EXPECT_LE(storagePort(decide(r), kMaxStorages), 65535);
  r.portBase = 65001;
  EXPECT_THAT(complaint(r), HasSubstr("--port-base 65001"));
}

TEST(ClusterSettings, more_groups_than_storages_is_refused) {
  RequestedSettings r;
  r.groups = 3;
  EXPECT_THAT(complaint(r), HasSubstr("--groups 3"));
}

TEST(ClusterSettings, a_wildcard_is_refused_as_nobody_can_connect_to_it) {
  for (const char* wildcard : {"0.0.0.0", "::", "[::]"}) {
    RequestedSettings r;
    r.listen = wildcard;
    EXPECT_THAT(complaint(r), HasSubstr("that other hosts reach")) << wildcard;
    EXPECT_THAT(complaint(r, ClusterSettings{}), HasSubstr(wildcard));
  }
}

TEST(ClusterSettings, a_wildcard_that_was_saved_can_be_read_and_replaced) {
  ClusterSettings saved;
  saved.listen = "0.0.0.0";
  EXPECT_EQ(settingsFromJson(toJson(saved), "f").listen, "0.0.0.0");
  EXPECT_THAT(complaint({}, saved), HasSubstr("--listen 0.0.0.0"));
  RequestedSettings r;
  r.listen = "192.0.2.10";
  EXPECT_EQ(decide(r, saved).listen, "192.0.2.10");
}

TEST(ClusterSettings, an_unknown_catalog_is_refused) {
  RequestedSettings r;
  r.catalog = "postgres://x/y";
  EXPECT_THAT(complaint(r), HasSubstr("--catalog"));
}

TEST(ClusterSettings, a_second_up_without_options_takes_what_was_saved) {
  ClusterSettings saved;
  saved.storages = 4;
  saved.groups = 2;
  EXPECT_EQ(decide({}, saved), saved);
}

TEST(ClusterSettings, a_second_up_with_the_same_options_is_fine) {
  ClusterSettings saved;
  RequestedSettings r;
  r.storages = 2;
  r.portBase = 21000;
  r.mount = "/mnt/vcstore";
  EXPECT_EQ(decide(r, saved), saved);
}

TEST(ClusterSettings, a_contradicting_option_is_refused_with_both_values) {
  RequestedSettings r;
  r.storages = 3;
  std::string text = complaint(r, ClusterSettings{});
  EXPECT_THAT(text, HasSubstr("--storages 3"));
  EXPECT_THAT(text, HasSubstr("made with 2"));
}

TEST(ClusterSettings, a_contradicting_catalog_is_refused_without_showing_a_password) {
  ClusterSettings saved;
  saved.catalog = "mariadb://u:secret1@h:1/d";
  RequestedSettings r;
  r.catalog = "mariadb://u:secret2@h:1/d";
  std::string text = complaint(r, saved);
  EXPECT_THAT(text, HasSubstr("--catalog"));
  EXPECT_THAT(text, testing::Not(HasSubstr("secret")));
}

TEST(ClusterSettings, the_mount_point_moves_only_while_nothing_is_mounted) {
  RequestedSettings r;
  r.mount = "/mnt/other";
  EXPECT_EQ(decide(r, ClusterSettings{}).mount, "/mnt/other");
  EXPECT_THAT(complaint(r, ClusterSettings{}, {true, true}), HasSubstr("/mnt/vcstore"));
}

TEST(ClusterSettings, ports_change_only_while_nothing_runs) {
  RequestedSettings r;
  r.portBase = 22000;
  EXPECT_EQ(decide(r, ClusterSettings{}).portBase, 22000);
  EXPECT_THAT(complaint(r, ClusterSettings{}, {true, false}), HasSubstr("vcfs down"));
}

TEST(ClusterSettings, survive_being_written_and_read) {
  ClusterSettings s;
  s.storages = 7;
  s.catalog = "mariadb://u:p@h:3306/d";
  s.trackers = 3;
  s.mount = "";
  s.options = {"storage.reserve=1GiB"};
  EXPECT_EQ(settingsFromJson(toJson(s), "f"), s);
}

TEST(ClusterSettings, a_damaged_file_is_named) {
  for (const char* text : {"", "{", "[]", "{\"version\":1}", "{\"version\":1,\"trackers\":\"two\"}"}) {
    try {
      settingsFromJson(text, "/d/cluster.json");
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupted);
      EXPECT_THAT(e.detail(), HasSubstr("/d/cluster.json"));
    }
  }
}

TEST(ClusterSettings, a_later_version_of_the_file_is_refused) {
  std::string text = toJson(ClusterSettings{});
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 9");
  EXPECT_THROW(settingsFromJson(text, "f"), Error);
}

TEST(ClusterSettings, role_options_have_role_name_and_value) {
  RoleOption o = parseRoleOption("mount.max_lag=a=b");
  EXPECT_EQ(o.role, "mount");
  EXPECT_EQ(o.name, "max_lag");
  EXPECT_EQ(o.value, "a=b");
  for (const char* wrong : {"", "x", "storage.=1", "disk.a=1", "storage=1.5", "a=b.c"}) {
    EXPECT_THROW(parseRoleOption(wrong), UsageError) << wrong;
  }
}

TEST(ClusterSettings, its_store_is_known_however_people_write_its_source) {
  ClusterSettings s;
  for (const char* own : {"127.0.0.1:21000:/", "127.0.0.1:/", "localhost:/", "localhost:21000:/"}) {
    EXPECT_TRUE(isMountSource(own, s)) << own;
  }
  for (const char* other : {"127.0.0.1:22000:/", "127.0.0.1:/rooms", "127.0.0.1:21000,10.0.0.9:21000:/", "10.0.0.9:/",
                            "tmpfs", ":/", "/", "", "a:b:c:/", "//server/share"}) {
    EXPECT_FALSE(isMountSource(other, s)) << other;
  }
  s.trackers = 3;
  EXPECT_TRUE(isMountSource(mountSource(s), s));
  EXPECT_TRUE(isMountSource("127.0.0.1:21001:/", s)) << "some of its trackers are enough";
}

TEST(ClusterSettings, the_trackers_of_a_source_have_ports) {
  EXPECT_EQ(trackersOfSource("h1,h2:7:/rooms"), (std::vector<std::string>{"h1:21000", "h2:7"}));
  EXPECT_TRUE(trackersOfSource("tmpfs").empty());
  EXPECT_TRUE(trackersOfSource("a:b:c:/").empty());
}

TEST(ClusterSettings, one_common_tracker_is_enough_in_either_spelling) {
  const std::vector<std::string> own{"127.0.0.1:21000", "h2:21000"};
  EXPECT_TRUE(shareTracker(own, {"h1:21000", "h2:21000"}));
  EXPECT_TRUE(shareTracker(own, {"localhost:21000"}));
  EXPECT_TRUE(shareTracker({"localhost:21000"}, own));
  EXPECT_FALSE(shareTracker(own, {"127.0.0.1:22000"}));
  EXPECT_FALSE(shareTracker(own, {}));
}

TEST(ClusterSettings, tracker_addresses_follow_the_port_base) {
  ClusterSettings s;
  s.trackers = 2;
  s.portBase = 22000;
  EXPECT_THAT(trackerAddresses(s), ElementsAre("127.0.0.1:22000", "127.0.0.1:22001"));
  s.listen = "::1";
  EXPECT_EQ(address(s, 5), "[::1]:5");
}

}  // namespace
}  // namespace vcfs::cli
