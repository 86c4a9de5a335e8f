#include "cli/core/status_merge.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;

struct StatusMerge : testing::Test {
  ClusterSettings settings;
  std::vector<ProcessSpec> plan = planCluster(settings, StateDir{"/d"});
  std::map<std::string, LocalState> states;
  Json status = Json::parse(R"({"trackers":[{"address":"127.0.0.1:21000","state":"up"}],
    "storages":[{"name":"s1","state":"up","capacity_bytes":10},{"name":"s2","state":"up"},{"name":"far","state":"up"}],
    "mounts":[{"path":"/mnt/vcstore","address":"127.0.0.1:5","host":"here","state":"up"}], "files":{"live":1,"degraded":0}})");

  void SetUp() override {
    int pid = 100;
    for (const auto& spec : plan) states[spec.name] = {pid++, spec.role == Role::mount};
  }
  void merge(bool answered = true) { mergeLocal(status, plan, states, {settings.mount, "here"}, answered); }
  const Json& storage(const std::string& name) {
    for (const auto& item : status["storages"]) {
      if (item["name"] == name) return item;
    }
    throw std::runtime_error("no " + name);
  }
};

TEST_F(StatusMerge, live_processes_get_their_pid) {
  merge();
  EXPECT_EQ(status["trackers"][0]["pid"], states["tracker-1"].pid);
  EXPECT_EQ(storage("s2")["pid"], states["storage-s2"].pid);
  EXPECT_EQ(status["mounts"][0]["pid"], states["mount"].pid);
  EXPECT_EQ(storage("s1")["state"], "up");
  EXPECT_EQ(storage("s1")["capacity_bytes"], 10);
}

TEST_F(StatusMerge, a_dead_process_is_down_whatever_the_tracker_believes) {
  states["storage-s1"].pid = 0;
  merge();
  EXPECT_EQ(storage("s1")["state"], "down");
  EXPECT_FALSE(storage("s1").contains("pid"));
}

TEST_F(StatusMerge, what_other_machines_run_stays_as_the_tracker_says) {
  merge();
  EXPECT_EQ(storage("far")["state"], "up");
  EXPECT_FALSE(storage("far").contains("pid"));
}

TEST_F(StatusMerge, a_process_the_tracker_does_not_know_yet_is_starting) {
  merge();
  ASSERT_EQ(status["httpds"].size(), 1u);
  EXPECT_EQ(status["httpds"][0]["state"], "starting");
  EXPECT_EQ(status["idservers"].size(), 1u);
}

TEST_F(StatusMerge, another_hosts_mount_at_the_same_path_is_another_mount) {
  status["mounts"].push_back({{"path", "/mnt/vcstore"}, {"host", "there"}, {"state", "up"}});
  merge();
  ASSERT_EQ(status["mounts"].size(), 2u);
  EXPECT_FALSE(status["mounts"][1].contains("pid"));
}

TEST_F(StatusMerge, a_mount_process_without_its_mount_is_down) {
  states["mount"].mounted = false;
  merge();
  EXPECT_EQ(status["mounts"][0]["state"], "down");
}

TEST_F(StatusMerge, without_an_answer_it_tells_what_was_found_here) {
  status = Json::object();
  states["tracker-1"].pid = 0;
  merge(false);
  EXPECT_EQ(status["trackers"][0]["state"], "down");
  EXPECT_EQ(storage("s1")["state"], "unknown");
  EXPECT_EQ(storage("s1")["data"], "/d/storage/s1");
  EXPECT_EQ(status["mounts"][0]["path"], "/mnt/vcstore");
}

TEST_F(StatusMerge, people_see_why_a_server_that_runs_takes_no_part) {
  status["storages"][0]["state"] = "unreachable";
  status["storages"][0]["refused"] = "its disk is new";
  merge();
  const std::string text = statusText(status);
  EXPECT_THAT(text, testing::HasSubstr("unreachable, refused"));
  EXPECT_THAT(text, testing::HasSubstr("\ns1 is refused: its disk is new\n"));
}

TEST_F(StatusMerge, people_see_every_section) {
  merge();
  std::string text = statusText(status);
  for (const char* part : {"TRACKER", "STORAGE", "HTTP SERVER", "MOUNT", "/mnt/vcstore", "1 being written"}) {
    EXPECT_THAT(text, testing::HasSubstr(part));
  }
}

}  // namespace
}  // namespace vcfs::cli
