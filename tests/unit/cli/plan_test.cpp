#include "cli/core/plan.h"

#include <gmock/gmock.h>

namespace vcfs::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

const StateDir kDir{"/d"};

std::vector<std::string> names(const std::vector<ProcessSpec>& plan) {
  std::vector<std::string> result;
  for (const auto& spec : plan) result.push_back(spec.name);
  return result;
}

const ProcessSpec& named(const std::vector<ProcessSpec>& plan, const std::string& name) {
  for (const auto& spec : plan) {
    if (spec.name == name) return spec;
  }
  throw std::runtime_error("no " + name);
}

// The argument after `option`.
std::string valueOf(const ProcessSpec& spec, const std::string& option) {
  auto it = std::find(spec.arguments.begin(), spec.arguments.end(), option);
  return it == spec.arguments.end() || it + 1 == spec.arguments.end() ? "" : *(it + 1);
}

TEST(Plan, starts_what_others_need_first_and_the_mount_last) {
  EXPECT_THAT(names(planCluster({}, kDir)),
              ElementsAre("idserver-1", "tracker-1", "storage-s1", "storage-s2", "httpd-1", "mount"));
}

TEST(Plan, ports_follow_the_port_base) {
  ClusterSettings s;
  s.portBase = 22000;
  auto plan = planCluster(s, kDir);
  EXPECT_EQ(named(plan, "tracker-1").port, 22000);
  EXPECT_EQ(named(plan, "idserver-1").port, 22010);
  EXPECT_EQ(named(plan, "httpd-1").port, 22080);
  EXPECT_EQ(named(plan, "storage-s2").port, 22101);
}

TEST(Plan, storages_are_dealt_out_to_the_groups_in_turn) {
  ClusterSettings s;
  s.storages = 5;
  s.groups = 2;
  std::vector<std::string> groups;
  for (const auto& spec : planCluster(s, kDir)) {
    if (spec.role == Role::storage) groups.push_back(spec.group);
  }
  EXPECT_THAT(groups, ElementsAre("g1", "g2", "g1", "g2", "g1"));
}

TEST(Plan, each_storage_has_its_own_directory) {
  auto plan = planCluster({}, kDir);
  EXPECT_EQ(named(plan, "storage-s1").data, "/d/storage/s1");
  EXPECT_EQ(valueOf(named(plan, "storage-s2"), "--data"), "/d/storage/s2");
}

TEST(Plan, every_tracker_knows_all_trackers) {
  ClusterSettings s;
  s.trackers = 2;
  s.catalog = "mariadb://u:secret@h:1/d";
  auto plan = planCluster(s, kDir);
  EXPECT_EQ(valueOf(named(plan, "tracker-2"), "--trackers"), "127.0.0.1:21000,127.0.0.1:21001");
  EXPECT_EQ(valueOf(named(plan, "tracker-2"), "--listen"), "127.0.0.1:21001");
}

TEST(Plan, a_password_is_in_a_file_and_not_on_the_command_line) {
  ClusterSettings s;
  s.catalog = "mariadb://u:secret@h:1/d";
  const auto plan = planCluster(s, kDir);
  const ProcessSpec& tracker = named(plan, "tracker-1");
  for (const auto& argument : tracker.arguments) EXPECT_THAT(argument, testing::Not(HasSubstr("secret")));
  EXPECT_THAT(tracker.config, HasSubstr("secret"));
  EXPECT_EQ(valueOf(tracker, "--config"), kDir.configFile("tracker-1"));
}

TEST(Plan, role_options_reach_their_role_only) {
  ClusterSettings s;
  s.options = {"storage.reserve=1GiB", "mount.max_lag=0", "mount.ro="};
  auto plan = planCluster(s, kDir);
  EXPECT_THAT(named(plan, "storage-s1").arguments, Contains("--reserve=1GiB"));
  EXPECT_THAT(named(plan, "tracker-1").arguments, testing::Not(Contains(HasSubstr("--reserve"))));
  EXPECT_EQ(valueOf(named(plan, "mount"), "-o"), "rw,max_lag=0,ro");
}

// In one word: as two, a switch would not take its value.
TEST(Plan, switches_can_be_set_as_role_options) {
  ClusterSettings s;
  s.options = {"httpd.access-log=true"};
  EXPECT_THAT(named(planCluster(s, kDir), "httpd-1").arguments, Contains("--access-log=true"));
}

// Not -f, which is mount(8)'s word for mounting nothing.
TEST(Plan, the_mount_stays_in_the_foreground) {
  const auto plan = planCluster({}, kDir);
  EXPECT_THAT(named(plan, "mount").arguments, Contains("--foreground"));
  EXPECT_THAT(named(plan, "mount").arguments, testing::Not(Contains("-f")));
}

TEST(Plan, without_a_mount_point_nothing_is_mounted) {
  ClusterSettings s;
  s.mount = "";
  s.httpds = 0;
  EXPECT_THAT(names(planCluster(s, kDir)), ElementsAre("idserver-1", "tracker-1", "storage-s1", "storage-s2"));
}

TEST(Plan, every_process_says_when_it_is_ready) {
  for (const auto& spec : planCluster({}, kDir)) EXPECT_EQ(valueOf(spec, "--ready-file"), kDir.readyFile(spec.name));
}

}  // namespace
}  // namespace vcfs::cli
