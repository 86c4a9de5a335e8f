#include "cli/doctor/diagnosis.h"

#include <gtest/gtest.h>

using namespace vcfs::cli::doctor;

namespace {

Daemon daemon(const std::string& role, const std::string& name) {
  Daemon d;
  d.role = role;
  d.name = name;
  d.version = "1.0";
  d.clockNs = 1;
  return d;
}

std::string levels(const Findings& findings) {
  std::string text;
  for (const Finding& f : findings) text += std::string(nameOf(f.level)) + ":" + f.check + " ";
  return text;
}

}  // namespace

TEST(Doctor, clocks_that_agree_are_good) {
  Findings findings;
  judgeClocks({daemon("tracker", "a"), daemon("storage", "b")}, findings);
  EXPECT_EQ(levels(findings), "ok:clock ");
}

TEST(Doctor, a_clock_that_is_two_seconds_ahead_is_named) {
  Daemon ahead = daemon("storage", "s2");
  ahead.clockNs = 2'000'000'000;
  Findings findings;
  judgeClocks({daemon("tracker", "a"), ahead}, findings);
  EXPECT_EQ(levels(findings), "bad:clock ");
  EXPECT_NE(findings[0].what.find("storage s2"), std::string::npos);
}

TEST(Doctor, what_a_slow_answer_leaves_open_is_not_held_against_a_clock) {
  Daemon slow = daemon("storage", "s2");
  slow.clockNs = 400'000'000;
  slow.roundTripNs = 800'000'000;
  Findings findings;
  judgeClocks({slow}, findings);
  EXPECT_EQ(levels(findings), "ok:clock ");
}

TEST(Doctor, several_versions_are_a_warning) {
  Daemon old = daemon("httpd", "h");
  old.version = "0.9";
  Findings findings;
  judgeVersions({daemon("tracker", "a"), old}, "1.0", findings);
  EXPECT_EQ(levels(findings), "warning:version ");
}

TEST(Doctor, a_setting_that_differs_within_a_role_is_named_with_who_has_what) {
  Daemon a = daemon("tracker", "a:1"), b = daemon("tracker", "b:1"), other = daemon("storage", "s1");
  a.settings = {{"replace-after", "10m"}, {"copies", "2"}, {"idservers", "i:1"}};
  b.settings = {{"replace-after", "5m"}, {"copies", "2"}, {"idservers", ""}};
  other.settings = {{"copies", "3"}};
  Findings findings;
  judgeSettings({a, b, other}, findings);
  ASSERT_EQ(levels(findings), "warning:settings warning:settings ");
  EXPECT_NE(findings[0].what.find("none (b:1); i:1 (a:1)"), std::string::npos) << findings[0].what;
  EXPECT_NE(findings[1].what.find("10m (a:1); 5m (b:1)"), std::string::npos) << findings[1].what;
  EXPECT_FALSE(findings[1].remedy.empty());
}

TEST(Doctor, what_depends_on_the_machine_may_differ_and_an_older_version_tells_nothing) {
  Daemon a = daemon("storage", "s1"), b = daemon("storage", "s2");
  a.settings = {{"open-files", "1024"}, {"lease", "10s"}};
  b.settings = {{"open-files", "4096"}, {"lease", "10s"}};
  Findings findings;
  judgeSettings({a, b, daemon("storage", "s3")}, findings);
  EXPECT_EQ(levels(findings), "ok:settings ");
}

TEST(Doctor, who_does_not_answer_is_named) {
  Daemon gone = daemon("idserver", "h:1");
  gone.failure = "refused";
  Findings findings;
  judgeReach({daemon("tracker", "a"), gone}, findings);
  EXPECT_EQ(levels(findings), "bad:reach ");
  EXPECT_NE(findings[0].what.find("h:1"), std::string::npos);
}

TEST(Doctor, a_read_only_disk_is_bad_and_an_unknown_filesystem_a_warning) {
  Daemon readOnly = daemon("storage", "s1");
  readOnly.filesystem = "ext4";
  readOnly.mountOptions = "ro,noatime";
  Daemon other = daemon("storage", "s2");
  other.filesystem = "btrfs";
  other.mountOptions = "rw";
  Findings findings;
  judgeDisks({readOnly, other}, findings);
  EXPECT_EQ(levels(findings), "bad:disk warning:disk ");
}

TEST(Doctor, a_disk_that_the_kernel_closed_after_an_error_is_bad) {
  for (const char* options : {"ro,noatime", "rw,noatime,emergency_ro", "rw,shutdown"}) {
    Daemon broken = daemon("storage", "s1");
    broken.filesystem = "ext4";
    broken.mountOptions = options;
    Findings findings;
    judgeDisks({broken}, findings);
    EXPECT_EQ(levels(findings), "bad:disk ") << options;
  }
}

TEST(Doctor, a_server_that_is_refused_need_not_be_started) {
  const auto status = nlohmann::ordered_json::parse(R"({
    "coordinator": "a:1", "trackers": [{"address": "a:1"}],
    "storages": [{"name": "s1", "state": "unreachable", "refused": "its disk is new"}]})");
  Findings findings;
  judgeStatus(status, findings);
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].level, Level::bad);
  EXPECT_NE(findings[0].what.find("its disk is new"), std::string::npos) << findings[0].what;
  EXPECT_EQ(findings[0].remedy.find("start it"), std::string::npos) << findings[0].remedy;
}

TEST(Doctor, the_cluster_s_own_account_is_judged) {
  const auto status = nlohmann::ordered_json::parse(R"({
    "coordinator": "a:1", "candidate": "", "trackers": [{"address": "a:1"}],
    "storages": [{"name": "s1", "state": "up", "capacity_bytes": 1000, "free_bytes": 900},
                 {"name": "s2", "state": "up", "capacity_bytes": 1000, "free_bytes": 10},
                 {"name": "s3", "state": "unreachable"}],
    "files": {"degraded": 3, "bytes_to_go": 5000}})");
  Findings findings;
  judgeStatus(status, findings);
  EXPECT_EQ(levels(findings), "ok:space warning:space bad:storage warning:files ");
  // The unit has the name of the settings file, which is not the server's.
  EXPECT_EQ(findings[2].remedy.find("vcfs-storage@s3"), std::string::npos) << findings[2].remedy;
}
