#include "cli/fsck/judge.h"

#include <gtest/gtest.h>

using namespace vcfs;
using namespace vcfs::cli::fsck;

namespace {

constexpr auto S = ReplicaState::inSync;

CatalogFile closedFile(std::uint64_t size = 100) {
  CatalogFile file;
  file.attr.inode = file.layout.inode = 5000;
  file.attr.type = FileType::regular;
  file.attr.nlink = 1;
  file.attr.size = size;
  file.attr.state = FileState::closed;
  file.layout.epoch = 3;
  file.layout.replicas = {Replica{1, S, {}}, Replica{2, S, {}}};
  file.copies = 2;
  return file;
}

Stored stored(std::uint64_t size = 100) {
  Stored s;
  s.epoch = 1;
  s.size = size;
  s.state = FileState::closed;
  s.mtimeNs = 1000;
  return s;
}

std::string kinds(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) text += std::string(nameOf(f.kind)) + "@" + std::to_string(f.storage) + " ";
  return text;
}

Name name(FileType type) {
  Name n;
  n.parent = n.inodeParent = 1;
  n.inode = 7;
  n.type = n.inodeType = type;
  n.parentType = FileType::directory;
  return n;
}

}  // namespace

TEST(Fsck, a_whole_file_is_clean) { EXPECT_EQ(kinds(judgeFile(closedFile(), {{1, stored()}, {2, stored()}})), ""); }

TEST(Fsck, a_missing_and_a_shorter_replica_are_found) {
  EXPECT_EQ(kinds(judgeFile(closedFile(), {{1, std::nullopt}, {2, stored(99)}})), "missing@1 size@2 ");
}

TEST(Fsck, a_server_that_was_not_asked_is_not_judged) {
  EXPECT_EQ(kinds(judgeFile(closedFile(), {{1, stored()}})), "");
}

TEST(Fsck, an_empty_file_needs_nothing_on_the_disk) {
  EXPECT_EQ(kinds(judgeFile(closedFile(0), {{1, std::nullopt}, {2, std::nullopt}})), "");
}

TEST(Fsck, the_size_of_a_file_that_is_written_is_not_judged) {
  CatalogFile file = closedFile();
  file.attr.state = FileState::open;
  EXPECT_EQ(kinds(judgeFile(file, {{1, stored(500)}, {2, stored(300)}})), "");
}

TEST(Fsck, a_stale_replica_is_found_when_nothing_replaces_it) {
  CatalogFile file = closedFile();
  file.layout.replicas[1].state = ReplicaState::stale;
  EXPECT_EQ(kinds(judgeFile(file, {{1, stored()}})), "degraded@0 stale@2 ");
  file.layout.replicas.push_back(Replica{3, ReplicaState::syncing, {}});
  EXPECT_EQ(kinds(judgeFile(file, {{1, stored()}})), "");
}

TEST(Fsck, a_file_that_went_with_its_servers_is_lost_and_nothing_else) {
  CatalogFile file = closedFile();
  file.attr.state = FileState::lost;
  file.layout.replicas.clear();
  EXPECT_EQ(kinds(judgeFile(file, {})), "lost@0 ");
  file.attr.nlink = 0;
  file.trashed = true;
  EXPECT_EQ(kinds(judgeFile(file, {})), "");
}

TEST(Fsck, an_unreadable_replica_is_found) {
  EXPECT_EQ(kinds(judgeFile(closedFile(), {{1, stored()}, {2, Stored{}}})), "unreadable@2 ");
}

TEST(Fsck, a_nameless_inode_must_be_in_the_trash) {
  CatalogFile file = closedFile();
  file.attr.nlink = 0;
  EXPECT_EQ(kinds(judgeFile(file, {})), "leaked@0 ");
  file.trashed = true;
  EXPECT_EQ(kinds(judgeFile(file, {})), "");
}

TEST(Fsck, a_replica_that_nobody_placed_is_extra_unless_it_is_about_to_be_deleted) {
  CatalogFile file = closedFile();
  EXPECT_FALSE(judgeStored(file, 2, stored()));
  EXPECT_EQ(judgeStored(file, 3, stored())->kind, Kind::extra);
  file.removals = {3};
  EXPECT_FALSE(judgeStored(file, 3, stored()));
  EXPECT_EQ(judgeStored(CatalogFile(), 3, stored())->kind, Kind::extra);
}

// The catalog was restored from a backup of a time before a failover, and before the file was moved.
TEST(Fsck, a_replica_of_a_later_epoch_than_the_catalogs_is_newer_wherever_it_is) {
  CatalogFile file = closedFile();
  Stored later = stored();
  later.epoch = 4;
  EXPECT_EQ(kinds(judgeFile(file, {{1, later}, {2, stored()}})), "newer@1 ");
  file.layout.replicas[1].state = ReplicaState::stale;
  file.copies = 1;
  EXPECT_EQ(kinds(judgeFile(file, {{1, stored()}, {2, later}})), "newer@2 ");
  EXPECT_EQ(judgeStored(file, 3, later)->kind, Kind::newer);
  later.epoch = 3;
  EXPECT_EQ(kinds(judgeFile(file, {{1, later}, {2, stored()}})), "");
}

TEST(Fsck, the_catalog_goes_on_from_whole_replicas_of_the_latest_epoch) {
  auto at = [](Epoch epoch, FileState state, std::uint64_t size, bool gaps = false) {
    Stored s = stored(size);
    s.epoch = epoch;
    s.state = state;
    s.gaps = gaps;
    return s;
  };
  using Holders = std::vector<StorageId>;
  const auto closed = FileState::closed, open = FileState::open;
  CatalogFile file = closedFile();
  EXPECT_EQ(newestOf(file, {{1, at(3, closed, 500)}, {2, at(5, closed, 100)}, {3, at(5, closed, 100)}}).holders,
            (Holders{2, 3}));
  EXPECT_EQ(newestOf(file, {{1, at(5, open, 100)}, {2, at(5, closed, 100)}, {3, std::nullopt}}).holders, Holders{2});
  EXPECT_EQ(newestOf(file, {{1, at(5, closed, 90)}, {2, at(5, closed, 100)}}).holders, Holders{2}) << "cut off";
  EXPECT_EQ(newestOf(file, {{1, at(5, open, 100)}, {2, at(5, open, 100)}}).holders, Holders{1}) << "compared with it";
  EXPECT_EQ(newestOf(file, {{1, at(5, open, 100, true)}, {2, at(4, closed, 100)}}).holders, Holders{});
  file.removals = {2};
  EXPECT_EQ(newestOf(file, {{1, at(4, closed, 100)}, {2, at(5, closed, 100)}}).holders, Holders{});
}

// Server 2 was away while more was written on server 1, and was to be caught up next: its epoch is the latest, too.
TEST(Fsck, the_catalog_does_not_go_on_from_a_replica_when_another_may_have_more) {
  auto at = [](FileState state, std::uint64_t size, std::int64_t sealedMtimeNs) {
    Stored s = stored(size);
    s.epoch = 5;
    s.state = state;
    s.sealedMtimeNs = sealedMtimeNs;
    return s;
  };
  const auto closed = FileState::closed, open = FileState::open;
  const CatalogFile file = closedFile();
  EXPECT_TRUE(newestOf(file, {{1, at(open, 500, 0)}, {2, at(closed, 100, 0)}}).holders.empty()) << "longer";
  EXPECT_TRUE(newestOf(file, {{1, at(closed, 100, 7)}, {2, at(closed, 100, 3)}}).holders.empty()) << "written anew";
  Stored gaps = at(open, 500, 0);
  gaps.gaps = true;
  EXPECT_EQ(newestOf(file, {{1, at(closed, 100, 0)}, {2, gaps}}).holders, std::vector<StorageId>{1});
}

TEST(Fsck, link_counts_agree_with_the_names) {
  CatalogFile file = closedFile();
  EXPECT_FALSE(judgeLinks(file, LinkCounts{1, 0}));
  EXPECT_EQ(judgeLinks(file, LinkCounts{2, 0})->kind, Kind::links);
  EXPECT_EQ(judgeLinks(file, LinkCounts{0, 0})->kind, Kind::links);
  file.attr.type = FileType::directory;
  file.attr.nlink = 4;
  EXPECT_FALSE(judgeLinks(file, LinkCounts{1, 2}));
  EXPECT_TRUE(judgeLinks(file, LinkCounts{1, 1}));
  EXPECT_TRUE(judgeLinks(file, LinkCounts{2, 2}));
  file.attr.inode = kRootInode;
  EXPECT_FALSE(judgeLinks(file, LinkCounts{0, 2}));
}

TEST(Fsck, names_lead_somewhere) {
  EXPECT_FALSE(judgeName(name(FileType::regular)));
  EXPECT_FALSE(judgeName(name(FileType::directory)));
  Name lost = name(FileType::regular);
  lost.inodeType = FileType::none;
  EXPECT_TRUE(judgeName(lost));
  Name outside = name(FileType::regular);
  outside.parentType = FileType::none;
  EXPECT_TRUE(judgeName(outside));
  Name moved = name(FileType::directory);
  moved.inodeParent = 99;
  EXPECT_TRUE(judgeName(moved));
}

TEST(Fsck, an_extra_file_is_deleted_only_when_it_is_old_and_nobody_could_miss_it) {
  EXPECT_TRUE(mayDeleteExtra(CatalogFile(), 3, stored(), 5000, 1000));
  EXPECT_FALSE(mayDeleteExtra(CatalogFile(), 3, stored(), 1500, 1000));
  EXPECT_TRUE(mayDeleteExtra(closedFile(), 3, stored(), 5000, 1000));
  EXPECT_FALSE(mayDeleteExtra(closedFile(), 2, stored(), 5000, 1000));
  Stored newer = stored();
  newer.epoch = 9;
  EXPECT_FALSE(mayDeleteExtra(closedFile(), 3, newer, 5000, 1000));
}

TEST(Fsck, a_replica_is_replaced_only_beside_a_good_one) {
  EXPECT_TRUE(mayReplace(closedFile(), 1, {{1, std::nullopt}, {2, stored()}}));
  EXPECT_FALSE(mayReplace(closedFile(), 1, {{1, std::nullopt}, {2, stored(99)}}));
  EXPECT_FALSE(mayReplace(closedFile(), 1, {{1, std::nullopt}}));
}

TEST(Fsck, one_replica_against_most_is_the_wrong_one) {
  const std::vector<std::uint32_t> a{1, 2}, b{1, 3}, c{4, 4};
  EXPECT_EQ(oddOne({{a, {1, 2}}, {b, {3}}}), StorageId{3});
  EXPECT_EQ(oddOne({{a, {1}}, {b, {2}}}), std::nullopt) << "either may be wrong";
  EXPECT_EQ(oddOne({{a, {1}}, {b, {2}}, {c, {3}}}), std::nullopt);
  EXPECT_EQ(oddOne({{a, {1, 2, 3}}, {b, {4, 5}}}), std::nullopt) << "not one";
}
