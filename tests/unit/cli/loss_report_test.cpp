#include "cli/core/loss_report.h"

#include <gtest/gtest.h>

namespace vcfs::cli {
namespace {

LossEntry entry(const std::string& path, LossFate fate, std::uint64_t size, std::uint64_t kept) {
  LossEntry entry;
  entry.inode = 0x400;
  entry.path = path;
  entry.fate = fate;
  entry.size = size;
  entry.kept = kept;
  entry.state = FileState::closed;
  return entry;
}

TEST(LossReport, tells_of_each_file_what_is_kept_and_of_all_how_much_is_lost) {
  LossReport report("s2", false, 10);
  LossEntry kept = entry("/a", LossFate::kept, 3 << 20, 1 << 20);
  kept.source = "s1";
  report.add(kept);
  report.add(entry("/b", LossFate::lost, 1 << 20, 0));
  report.addElsewhere(5, 0);
  EXPECT_EQ(report.text(),
            "/a: 1.0 MiB of 3.0 MiB kept, the older copy of s1\n"
            "/b: lost, 1.0 MiB\n"
            "s2: 5 files have an up-to-date copy elsewhere, 1 fall back to an older one, 1 are lost; 3.0 MiB less");
  EXPECT_EQ(report.waiting(), 0u);
}

TEST(LossReport, tells_of_copies_that_are_away_too) {
  LossReport report("s2", true, 10);
  report.addElsewhere(5, 2);
  report.addElsewhere(3, 1);
  EXPECT_NE(
      report.text().find("8 files have an up-to-date copy elsewhere (3 of them only on servers that are away, too)"),
      std::string::npos)
      << report.text();
  EXPECT_EQ(report.json().at("files").at("elsewhere"), 8);
  EXPECT_EQ(report.json().at("files").at("others_away"), 3);
}

TEST(LossReport, says_whom_a_file_waits_for) {
  LossReport report("s2", true, 10);
  LossEntry waits = entry("/a", LossFate::waits, 1000, 0);
  waits.unseen = {"s3", "s4"};
  report.add(waits);
  EXPECT_NE(report.text().find("/a: waits: s3, s4 may have a better copy of it"), std::string::npos) << report.text();
  EXPECT_NE(report.text().find("would be so: s2"), std::string::npos);
  EXPECT_EQ(report.waiting(), 1u);
  EXPECT_EQ(report.json().at("bytes_lost"), 0) << "nothing was given up";
}

TEST(LossReport, tells_of_gaps) {
  LossReport report("s2", true, 10);
  LossEntry kept = entry("/a", LossFate::kept, 3 << 20, 3 << 20);
  kept.gaps = true;
  report.add(kept);
  EXPECT_NE(report.text().find("may have gaps"), std::string::npos) << report.text();
  EXPECT_EQ(report.json().at("losses").at(0).at("may_have_gaps"), true);
}

TEST(LossReport, tells_files_that_wait_for_servers_from_those_that_only_want_a_repetition) {
  LossReport report("s2", false, 10);
  report.add(entry("/a", LossFate::waits, 1000, 0));
  EXPECT_NE(report.text().find("repeat"), std::string::npos) << report.text();
  EXPECT_EQ(report.waitingForServers(), 0u);
  LossEntry waits = entry("/b", LossFate::waits, 1000, 0);
  waits.unseen = {"s3"};
  report.add(waits);
  EXPECT_EQ(report.waitingForServers(), 1u);
  EXPECT_EQ(report.waiting(), 2u);
}

TEST(LossReport, of_an_open_file_the_size_is_a_lower_bound) {
  LossReport report("s2", true, 10);
  LossEntry open = entry("/a", LossFate::kept, 1000, 4000);
  open.state = FileState::open;
  report.add(open);
  EXPECT_NE(report.text().find("3.9 KiB of at least 1000 B kept"), std::string::npos) << report.text();
  EXPECT_EQ(report.json().at("bytes_lost"), 0);
}

TEST(LossReport, may_be_told_as_it_comes) {
  LossReport report("s2", true, 1);
  const LossEntry one = entry("/a", LossFate::lost, 10, 0);
  EXPECT_TRUE(report.add(one));
  EXPECT_FALSE(report.add(entry("/b", LossFate::lost, 10, 0)));
  EXPECT_EQ(report.text(), LossReport::line(one) + "\n" + report.summary());
}

TEST(LossReport, a_long_list_is_cut_and_all_are_counted) {
  LossReport report("s2", true, 2);
  for (int i = 0; i < 5; ++i) report.add(entry("/f", LossFate::lost, 10, 0));
  EXPECT_EQ(report.entries().size(), 2u);
  EXPECT_NE(report.text().find("… and 3 more"), std::string::npos);
  const auto json = report.json();
  EXPECT_EQ(json.at("files").at("lost"), 5);
  EXPECT_EQ(json.at("bytes_lost"), 50);
  EXPECT_EQ(json.at("losses").size(), 2u);
  EXPECT_FALSE(json.at("removed"));
}

}  // namespace
}  // namespace vcfs::cli
