// The command line of mount.vcfs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "common/base/error.h"
#include "mount-helpers/command_line.h"
#include "mount-helpers/mount_point.h"
#include "mount-helpers/options.h"
#include "mount-helpers/source.h"

namespace vcfs::mounting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.detail();
  }
  return "(accepted)";
}

MountRequest parsed(std::vector<std::string> arguments) { return std::get<MountRequest>(parseCommandLine(arguments)); }

TEST(Source, names_trackers_and_a_directory) {
  auto source = parseSource("10.0.0.1:21000,other:22000:/a//b/./c/");
  EXPECT_THAT(source.trackers, ElementsAre("10.0.0.1:21000", "other:22000"));
  EXPECT_EQ(source.subdirectory, "/a/b/c");
}

TEST(Source, the_port_may_be_left_out) { EXPECT_THAT(parseSource("host:/").trackers, ElementsAre("host:21000")); }

TEST(Source, ipv6_addresses_stand_in_brackets) {
  EXPECT_THAT(parseSource("[::1]:21000,[fe80::2]:/").trackers, ElementsAre("[::1]:21000", "[fe80::2]:21000"));
}

TEST(Source, refuses_what_is_none) {
  for (const char* text :
       {"", "nothing", ":/", "host:99999:/", "host:x:/", "host:0:/", "a,,b:/", "host:/a/../b", "/dev/sda"}) {
    EXPECT_NE(refusal([&] { parseSource(text); }), "(accepted)") << text;
  }
}

TEST(Options, are_parsed_with_their_units) {
  MountRequest request;
  applyOptions("stall_limit=5s,send_window=16MiB,attr_cache=250,max_lag=0,read_ahead=1MiB,spin=20", request);
  EXPECT_EQ(request.cluster.stallLimit, 5s);
  EXPECT_EQ(request.cluster.sendWindow, 16u << 20);
  EXPECT_EQ(request.mount.attrCache, 250ms);
  EXPECT_EQ(request.cluster.maxLag, 0ms);
  EXPECT_EQ(request.mount.readAheadKb, 1024u);
  EXPECT_EQ(request.daemon.spinMicroseconds, 20);
}

TEST(Options, those_of_fstab_are_taken_or_ignored) {
  MountRequest request;
  applyOptions(
      "rw,ro,nosuid,nodev,noexec,_netdev,noauto,nofail,user=joe,x-systemd.requires=network-online.target,defaults,"
      "comment=x",
      request);
  EXPECT_TRUE(request.mount.readOnly);
  EXPECT_EQ(request.mount.mountFlags, static_cast<unsigned long>(MS_NOSUID | MS_NODEV | MS_NOEXEC));
  applyOptions("exec,rw", request);
  EXPECT_FALSE(request.mount.readOnly);
  EXPECT_EQ(request.mount.mountFlags, static_cast<unsigned long>(MS_NOSUID | MS_NODEV));
}

TEST(Options, bad_ones_are_named) {
  MountRequest request;
  EXPECT_THAT(refusal([&] { applyOptions("colour=red", request); }), HasSubstr("colour"));
  EXPECT_THAT(refusal([&] { applyOptions("stall_limit=soon", request); }), HasSubstr("stall_limit"));
  EXPECT_THAT(refusal([&] { applyOptions("stall_limit=1ms", request); }), HasSubstr("from 1000ms"));
  EXPECT_THAT(refusal([&] { applyOptions("stall_limit", request); }), HasSubstr("wants a value"));
  EXPECT_THAT(refusal([&] { applyOptions("foreground=1", request); }), HasSubstr("takes no value"));
  EXPECT_THAT(refusal([&] { applyOptions("remount,ro", request); }), HasSubstr("remount"));
  EXPECT_THAT(refusal([&] { applyOptions("log_level=loud", request); }), HasSubstr("log_level"));
  EXPECT_THAT(refusal([&] { applyOptions("spin=1001", request); }), HasSubstr("from 0 to 1000"));
  EXPECT_THAT(refusal([&] { applyOptions("spin=1ms", request); }), HasSubstr("from 0 to 1000"));
}

TEST(Options, unknown_ones_are_ignored_when_told_to_be_sloppy) {
  auto request = parsed({"h:/", "/mnt", "-o", "colour=red", "-s"});
  EXPECT_TRUE(request.sloppy);
}

TEST(CommandLine, takes_options_anywhere) {
  auto request = parsed({"-o", "ro", "h1,h2:/sub", "-nv", "/mnt/x", "-ostall_limit=2s,max_lag=0", "--foreground",
                         "--ready-file", "/run/x"});
  EXPECT_TRUE(request.mount.readOnly);
  EXPECT_TRUE(request.foreground);
  EXPECT_TRUE(request.verbose);
  EXPECT_EQ(request.daemon.readyFile, "/run/x");
  EXPECT_EQ(request.source, "h1:21000,h2:21000:/sub");
  EXPECT_EQ(request.subdirectory, "/sub");
  EXPECT_EQ(request.mount.mountPoint, "/mnt/x");
  EXPECT_EQ(request.mount.opLimit, 12s);
}

TEST(CommandLine, f_is_the_fake_of_mount_and_not_the_foreground) {
  auto request = parsed({"h:/", "/mnt/x", "-fv", "-o", "ro"});
  EXPECT_TRUE(request.fake);
  EXPECT_FALSE(request.foreground);
  EXPECT_TRUE(parsed({"h:/", "/mnt/x", "-o", "foreground"}).foreground);
  EXPECT_FALSE(parsed({"h:/", "/mnt/x", "--foreground"}).fake);
  EXPECT_THAT(refusal([] { parsed({"h:/", "/mnt/x", "-f", "-o", "colour=red"}); }), HasSubstr("colour"));
}

TEST(CommandLine, a_window_above_that_of_all_files_is_told_in_the_words_of_the_options) {
  auto text = refusal([] { parsed({"h:/", "/a", "-o", "send_window=256MiB"}); });
  EXPECT_THAT(text, HasSubstr("send_window=262144KiB,send_window_total=1048576KiB"));
  EXPECT_EQ(parsed({"h:/", "/a", "-o", "send_window=256MiB,send_window_total=1GiB"}).cluster.sendWindow, 256u << 20);
}

TEST(CommandLine, wants_a_source_and_a_mount_point) {
  EXPECT_THAT(refusal([] { parsed({"h:/"}); }), HasSubstr("mount point"));
  EXPECT_THAT(refusal([] { parsed({"h:/", "/a", "/b"}); }), HasSubstr("/b"));
  EXPECT_THAT(refusal([] { parsed({"h:/", "/a", "--colour"}); }), HasSubstr("--colour"));
  EXPECT_THAT(refusal([] { parsed({"h:/", "/a", "-o"}); }), HasSubstr("-o"));
}

TEST(CommandLine, help_teaches_every_option) {
  auto text = std::get<PrintAndExit>(parseCommandLine({"--help"})).text;
  for (const auto& option : optionHelp()) EXPECT_THAT(text, HasSubstr(option.name));
  EXPECT_THAT(text, HasSubstr("/etc/fstab"));
}

TEST(MountPoint, a_vcfs_is_recognised_under_what_lies_on_it) {
  const char* text =
      "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
      "30 22 0:50 / /mnt/a\\040b rw shared:1 - fuse.vcfs h:/ rw,user_id=0\n"
      "31 22 0:51 / /mnt/c rw - fuse.vcfs h:/ rw\n"
      "32 31 0:52 / /mnt/c rw - tmpfs tmpfs rw\n";
  EXPECT_TRUE(isVcfsMounted(text, "/mnt/a b"));
  EXPECT_FALSE(isVcfsMounted(text, "/mnt/c"));
  EXPECT_FALSE(isVcfsMounted(text, "/"));
}

TEST(MountPoint, must_be_a_directory_that_is_there) {
  EXPECT_THAT(refusal([] { checkMountPoint("/nowhere/at/all"); }), HasSubstr("mkdir"));
  EXPECT_THAT(refusal([] { checkMountPoint("/etc/passwd"); }), HasSubstr("not a directory"));
  EXPECT_EQ(checkMountPoint("/usr/../usr"), "/usr");
}

}  // namespace
}  // namespace vcfs::mounting
