#include "cli/local/process.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "cli/local/files.h"
#include "cli/local/local_cluster.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

using namespace std::chrono_literals;

struct Process : testing::Test {
  std::string folder = [] {
    char name[] = "/tmp/vcfs-cli-XXXXXX";
    return std::string(::mkdtemp(name));
  }();
  ~Process() override { std::filesystem::remove_all(folder); }
  std::string log() const { return folder + "/log"; }
};

TEST_F(Process, this_process_is_alive) {
  auto me = identify(::getpid());
  ASSERT_TRUE(me);
  EXPECT_TRUE(isAlive(*me));
}

TEST_F(Process, a_pid_that_another_program_has_now_is_not_the_same_process) {
  auto me = identify(::getpid());
  ASSERT_TRUE(me);
  me->startTicks -= 1;
  EXPECT_FALSE(isAlive(*me));
  me = identify(::getpid());
  me->boot = "another-boot";
  EXPECT_FALSE(isAlive(*me));
}

TEST_F(Process, an_identity_survives_being_written_and_read) {
  auto me = identify(::getpid());
  EXPECT_EQ(identityFromText(toText(*me)), me);
  EXPECT_FALSE(identityFromText(""));
  EXPECT_FALSE(identityFromText("12\n"));
  EXPECT_FALSE(identityFromText("-5 1 x\n"));
}

TEST_F(Process, a_command_name_with_blanks_and_brackets_is_read_past) {
  auto fields = parseStat("12 (a ) b) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->state, 'S');
  EXPECT_EQ(fields->startTicks, 98765u);
  EXPECT_FALSE(parseStat("12 (cut"));
}

TEST_F(Process, a_started_program_has_its_own_session_and_its_output_in_the_log) {
  pid_t pid =
      startDetached("/bin/sh", {"-c", "ps -o sid= -p $$; umask; pwd; readlink /proc/self/fd/0; echo oops >&2"}, log());
  auto identity = identify(pid);
  if (identity) {
    ASSERT_TRUE(waitGone(*identity, 10s));
  }
  for (int i = 0; i < 1000 && fileSize(log()) < 20; ++i) ::usleep(1000);
  std::string text = readFileIfThere(log()).value_or("");
  EXPECT_THAT(text, testing::HasSubstr(std::to_string(pid)));
  EXPECT_THAT(text, testing::HasSubstr("0022\n/\n/dev/null\noops\n"));
}

TEST_F(Process, a_program_that_cannot_be_executed_is_an_error_here) {
  try {
    startDetached(folder + "/absent", {}, log());
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.detail(), testing::HasSubstr(folder + "/absent"));
  }
}

TEST_F(Process, the_end_of_a_child_is_told_with_its_code) {
  pid_t pid = startDetached("/bin/sh", {"-c", "exit 3"}, log());
  std::optional<std::string> end;
  for (int i = 0; i < 5000 && !(end = childEnd(pid)); ++i) ::usleep(1000);
  EXPECT_EQ(end, "exit code 3");
}

TEST_F(Process, signals_go_to_the_right_process_only) {
  pid_t pid = startDetached("/bin/sleep", {"100"}, log());
  auto identity = identify(pid);
  ASSERT_TRUE(identity);
  auto other = *identity;
  other.startTicks += 1;
  signalProcess(other, SIGKILL);
  EXPECT_FALSE(waitGone(*identity, 20ms));
  signalProcess(*identity, SIGKILL);
  EXPECT_TRUE(waitGone(*identity, 10s));
}

TEST_F(Process, a_cluster_finds_its_processes_again) {
  LocalCluster cluster(folder + "/c");
  Fd lock = cluster.lock();
  EXPECT_FALSE(cluster.running("tracker-1"));
  cluster.started("tracker-1", *identify(::getpid()));
  EXPECT_TRUE(cluster.running("tracker-1"));
  EXPECT_EQ(readFileIfThere(cluster.dir().pidFile("tracker-1")), std::to_string(::getpid()) + "\n");
  cluster.stopped("tracker-1");
  EXPECT_FALSE(cluster.running("tracker-1"));
}

TEST_F(Process, a_directory_without_a_cluster_has_no_settings) {
  LocalCluster cluster(folder + "/none");
  EXPECT_FALSE(cluster.exists());
  EXPECT_FALSE(cluster.loadSettings());
  EXPECT_FALSE(std::filesystem::exists(folder + "/none"));
}

}  // namespace
}  // namespace vcfs::cli
