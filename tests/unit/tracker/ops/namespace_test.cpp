#include "tests/unit/tracker/engines.h"

// POSIX semantics of the namespace operations, on both engines.
namespace vcfs::tracker::test {

using NamespaceTest = OpsTest;
INSTANTIATE_TEST_SUITE_P(Engines, NamespaceTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(NamespaceTest, create_makes_an_open_file_with_its_replicas_placed) {
  const auto made = create(kRootInode, "a.mp4");
  EXPECT_TRUE(made.created);
  const auto found = lookup(kRootInode, "a.mp4");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->attr.inode, made.entry.attr.inode);
  EXPECT_EQ(found->attr.state, FileState::open);
  EXPECT_EQ(found->attr.nlink, 1u);
  EXPECT_EQ(found->attr.mode, 0644u);
  EXPECT_EQ(found->attr.uid, 1000u);
  EXPECT_EQ(found->layout.epoch, 1u);
  EXPECT_EQ(found->layout.replicas.size(), 2u);
  EXPECT_EQ(found->layout.user, "default");
  EXPECT_EQ(found->layout.name, "/a.mp4");
}

TEST_P(NamespaceTest, create_moves_the_times_of_the_parent) {
  const Attr before = attr(kRootInode);
  create(kRootInode, "a");
  const Attr after = attr(kRootInode);
  EXPECT_EQ(after.mtimeNs, now_);
  EXPECT_EQ(after.ctimeNs, now_);
  EXPECT_EQ(after.atimeNs, before.atimeNs);
  EXPECT_GT(after.changeId, before.changeId);
}

TEST_P(NamespaceTest, create_of_a_present_name_is_refused_only_when_exclusive) {
  const auto first = create(kRootInode, "a");
  EXPECT_EQ(codeOf([&] { create(kRootInode, "a"); }), Errc::exists);
  const auto again = create(kRootInode, "a", FileType::regular, false);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.entry.attr.inode, first.entry.attr.inode);
}

TEST_P(NamespaceTest, a_name_below_a_file_or_in_a_removed_directory_is_an_error) {
  const auto file = create(kRootInode, "f");
  EXPECT_EQ(codeOf([&] { create(file.entry.attr.inode, "x"); }), Errc::notDirectory);
  EXPECT_EQ(codeOf([&] { lookup(file.entry.attr.inode, "x"); }), Errc::notDirectory);
  EXPECT_EQ(codeOf([&] { create(777777, "x"); }), Errc::notFound);
  const auto dir = mkdir(kRootInode, "d");
  rmdir(kRootInode, "d");
  EXPECT_EQ(codeOf([&] { create(dir.entry.attr.inode, "x"); }), Errc::notFound);
}

TEST_P(NamespaceTest, a_file_is_in_its_own_group_and_a_directory_in_that_of_its_user) {
  const auto group = [this](InodeId inode) { return read([inode](SqlTx& tx) { return ops::groupOf(tx, inode); }); };
  const InodeId user = mkdir(kRootInode, "alice").entry.attr.inode;
  const InodeId sub = mkdir(user, "2026").entry.attr.inode;
  EXPECT_EQ(group(sub), "") << "she has no file yet";
  const InodeId before = create(sub, "a.mp4").entry.attr.inode;
  write([o = occasion()](SqlTx& tx) { return ops::setGroup(tx, "g2", 2, o); });
  write([o = occasion()](SqlTx& tx) { return ops::assignUser(tx, "alice", "g2", o); });
  EXPECT_EQ(group(user), "g2");
  EXPECT_EQ(group(sub), "g2");
  EXPECT_EQ(group(before), "g1") << "what is appended to it goes where it is";
  auto moved = std::make_shared<PlacementView>(*view_);
  for (Server& server : moved->servers) server.group = "g2";
  view_ = moved;
  EXPECT_EQ(group(create(sub, "b.mp4").entry.attr.inode), "g2");
  EXPECT_EQ(group(create(sub, "link", FileType::symlink).entry.attr.inode), "");
  EXPECT_EQ(group(kRootInode), "");
}

TEST_P(NamespaceTest, a_file_belongs_to_the_user_of_its_first_level_directory) {
  const auto user = mkdir(kRootInode, "acme");
  const auto sub = mkdir(user.entry.attr.inode, "2026");
  const auto file = create(sub.entry.attr.inode, "m.mkv");
  EXPECT_EQ(file.entry.layout.user, "acme");
  EXPECT_EQ(file.entry.layout.name, "/acme/2026/m.mkv");
  const auto users = read([](SqlTx& tx) { return ops::listUsers(tx); });
  ASSERT_EQ(users.size(), 1u);
  EXPECT_EQ(users[0].name, "acme");
  EXPECT_EQ(users[0].group, "g1");
}

TEST_P(NamespaceTest, directories_count_links) {
  EXPECT_EQ(attr(kRootInode).nlink, 2u);
  const auto d = mkdir(kRootInode, "d");
  EXPECT_EQ(d.entry.attr.nlink, 2u);
  EXPECT_EQ(attr(kRootInode).nlink, 3u);
  mkdir(d.entry.attr.inode, "e");
  EXPECT_EQ(attr(d.entry.attr.inode).nlink, 3u);
  rmdir(d.entry.attr.inode, "e");
  EXPECT_EQ(attr(d.entry.attr.inode).nlink, 2u);
  rmdir(kRootInode, "d");
  EXPECT_EQ(attr(kRootInode).nlink, 2u);
}

TEST_P(NamespaceTest, setgid_directories_pass_their_group_on) {
  ops::CreateParams p;
  p.parent = kRootInode;
  p.name = "shared";
  p.mode = 02775;
  p.gid = 77;
  const auto shared = write([p, o = occasion()](SqlTx& tx) { return ops::mkdir(tx, p, o); });
  const auto file = create(shared.entry.attr.inode, "f");
  EXPECT_EQ(file.entry.attr.gid, 77u);
  const auto sub = mkdir(shared.entry.attr.inode, "s", 0755);
  EXPECT_EQ(sub.entry.attr.gid, 77u);
  EXPECT_EQ(sub.entry.attr.mode, 02755u);
}

TEST_P(NamespaceTest, unlink_takes_the_last_name_to_the_trash) {
  const auto file = create(kRootInode, "f");
  const InodeId inode = file.entry.attr.inode;
  link(inode, kRootInode, "g");
  EXPECT_EQ(attr(inode).nlink, 2u);
  EXPECT_FALSE(unlink(kRootInode, "f").changes[0].unlinked);
  const auto gone = unlink(kRootInode, "g");
  EXPECT_TRUE(gone.changes[0].unlinked);
  EXPECT_EQ(gone.entry.attr.nlink, 0u);
  EXPECT_EQ(gone.entry.attr.ctimeNs, now_);
  EXPECT_EQ(attr(inode).nlink, 0u);
  EXPECT_FALSE(lookup(kRootInode, "g"));
  EXPECT_EQ(codeOf([&] { unlink(kRootInode, "g"); }), Errc::notFound);
  EXPECT_EQ(codeOf([&] { link(inode, kRootInode, "h"); }), Errc::notFound);
}

TEST_P(NamespaceTest, unlink_and_rmdir_tell_files_from_directories) {
  create(kRootInode, "f");
  const auto d = mkdir(kRootInode, "d");
  EXPECT_EQ(codeOf([&] { unlink(kRootInode, "d"); }), Errc::isDirectory);
  EXPECT_EQ(codeOf([&] { rmdir(kRootInode, "f"); }), Errc::notDirectory);
  create(d.entry.attr.inode, "x");
  EXPECT_EQ(codeOf([&] { rmdir(kRootInode, "d"); }), Errc::notEmpty);
}

TEST_P(NamespaceTest, a_directory_has_one_name) {
  const auto d = mkdir(kRootInode, "d");
  EXPECT_EQ(codeOf([&] { link(d.entry.attr.inode, kRootInode, "e"); }), Errc::notPermitted);
}

TEST_P(NamespaceTest, link_moves_ctime_but_not_mtime) {
  const auto file = create(kRootInode, "f");
  const auto linked = link(file.entry.attr.inode, kRootInode, "g");
  EXPECT_EQ(linked.entry.attr.ctimeNs, now_);
  EXPECT_EQ(linked.entry.attr.mtimeNs, file.entry.attr.mtimeNs);
  EXPECT_EQ(codeOf([&] { link(file.entry.attr.inode, kRootInode, "g"); }), Errc::exists);
}

TEST_P(NamespaceTest, symlinks_know_their_target_and_its_length) {
  const auto made = create(kRootInode, "s", FileType::symlink);
  EXPECT_EQ(made.entry.attr.size, 6u);
  EXPECT_EQ(made.entry.attr.mode, 0777u);
  EXPECT_TRUE(made.entry.layout.replicas.empty());
  const InodeId inode = made.entry.attr.inode;
  EXPECT_EQ(read([inode](SqlTx& tx) { return ops::readLink(tx, inode); }), "target");
}

TEST_P(NamespaceTest, rename_within_a_directory) {
  const auto f = create(kRootInode, "f");
  const auto moved = rename(kRootInode, "f", kRootInode, "g");
  EXPECT_FALSE(lookup(kRootInode, "f"));
  EXPECT_EQ(lookup(kRootInode, "g")->attr.inode, f.entry.attr.inode);
  EXPECT_EQ(moved.entry.attr.ctimeNs, now_);
  EXPECT_EQ(moved.entry.attr.mtimeNs, f.entry.attr.mtimeNs);
  EXPECT_EQ(attr(kRootInode).mtimeNs, now_);
}

// Who lists a directory while its files are renamed comes to an end, and misses none.
TEST_P(NamespaceTest, rename_keeps_places_in_listings) {
  create(kRootInode, "a");
  create(kRootInode, "b");
  create(kRootInode, "c");
  mkdir(kRootInode, "d");
  auto places = [this] {
    const DirPage page = read([](SqlTx& tx) { return ops::readDir(tx, kRootInode, 0, 20, false); });
    std::map<std::string, std::uint64_t> found;
    for (const DirEntry& entry : page.entries) found[entry.name] = entry.cookie;
    return found;
  };
  auto before = places();
  rename(kRootInode, "a", kRootInode, "x");
  EXPECT_EQ(places()["x"], before["a"]);
  rename(kRootInode, "c", kRootInode, "b");
  EXPECT_EQ(places()["b"], before["b"]);
  const InodeId d = lookup(kRootInode, "d")->attr.inode;
  rename(kRootInode, "x", d, "x");
  rename(d, "x", kRootInode, "x");
  EXPECT_GT(places()["x"], before["d"]);
  EXPECT_EQ(places().size(), 3u);
}

TEST_P(NamespaceTest, rename_over_a_file_takes_its_link) {
  create(kRootInode, "f");
  const auto g = create(kRootInode, "g");
  const auto moved = rename(kRootInode, "f", kRootInode, "g");
  ASSERT_TRUE(moved.replaced);
  EXPECT_EQ(moved.replaced->attr.inode, g.entry.attr.inode);
  EXPECT_EQ(attr(g.entry.attr.inode).nlink, 0u);
  EXPECT_EQ(names(kRootInode).size(), 1u);
}

TEST_P(NamespaceTest, rename_of_two_links_of_one_inode_does_nothing) {
  const auto f = create(kRootInode, "f");
  link(f.entry.attr.inode, kRootInode, "g");
  rename(kRootInode, "f", kRootInode, "g");
  EXPECT_EQ(names(kRootInode).size(), 2u);
  EXPECT_EQ(attr(f.entry.attr.inode).nlink, 2u);
}

TEST_P(NamespaceTest, rename_of_a_directory_moves_link_counts_and_dotdot) {
  const auto a = mkdir(kRootInode, "a").entry.attr.inode;
  const auto b = mkdir(kRootInode, "b").entry.attr.inode;
  const auto d = mkdir(a, "d").entry.attr.inode;
  rename(a, "d", b, "e");
  EXPECT_EQ(attr(a).nlink, 2u);
  EXPECT_EQ(attr(b).nlink, 3u);
  EXPECT_EQ(read([d](SqlTx& tx) { return ops::parentOf(tx, d); }), b);
  EXPECT_EQ(create(d, "f").entry.layout.name, "/b/e/f");
}

TEST_P(NamespaceTest, rename_over_an_empty_directory_keeps_the_parents_count) {
  const auto a = mkdir(kRootInode, "a").entry.attr.inode;
  const auto b = mkdir(kRootInode, "b").entry.attr.inode;
  mkdir(a, "x");
  const auto replaced = mkdir(b, "x").entry.attr.inode;
  rename(a, "x", b, "x");
  EXPECT_EQ(attr(a).nlink, 2u);
  EXPECT_EQ(attr(b).nlink, 3u);
  EXPECT_EQ(attr(replaced).nlink, 0u);
}

// So that two which would make a ring, at two nodes of a database at once, are not both committed.
TEST_P(NamespaceTest, a_directory_that_moves_to_another_is_counted) {
  const auto moves = [this] { return number(Statement{"SELECT tree_moves FROM cluster"}); };
  const auto d = mkdir(kRootInode, "d").entry.attr.inode;
  mkdir(kRootInode, "e");
  create(kRootInode, "f");
  rename(kRootInode, "e", kRootInode, "g");
  rename(kRootInode, "f", d, "f");
  EXPECT_EQ(moves(), 0);
  rename(kRootInode, "g", d, "g");
  EXPECT_EQ(moves(), 1);
}

TEST_P(NamespaceTest, rename_refuses_what_does_not_fit) {
  const auto d = mkdir(kRootInode, "d").entry.attr.inode;
  const auto e = mkdir(kRootInode, "e").entry.attr.inode;
  create(kRootInode, "f");
  create(e, "x");
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "d", kRootInode, "f"); }), Errc::notDirectory);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "f", kRootInode, "d"); }), Errc::isDirectory);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "d", kRootInode, "e"); }), Errc::notEmpty);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "none", kRootInode, "y"); }), Errc::notFound);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "f", kRootInode, "d", ops::kRenameNoReplace); }), Errc::exists);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "f", kRootInode, "none", ops::kRenameExchange); }), Errc::notFound);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "f", kRootInode, "y", 3); }), Errc::invalid);
  const auto deep = mkdir(d, "deep").entry.attr.inode;
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "d", deep, "ring"); }), Errc::invalid);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "d", d, "ring"); }), Errc::invalid);
  EXPECT_EQ(codeOf([&] { rename(d, "deep", kRootInode, "d"); }), Errc::notEmpty);
}

TEST_P(NamespaceTest, exchange_swaps_a_file_and_a_directory) {
  const auto a = mkdir(kRootInode, "a").entry.attr.inode;
  const auto b = mkdir(kRootInode, "b").entry.attr.inode;
  const auto d = mkdir(a, "d").entry.attr.inode;
  const auto f = create(b, "f").entry.attr.inode;
  rename(a, "d", b, "f", ops::kRenameExchange);
  EXPECT_EQ(lookup(a, "d")->attr.inode, f);
  EXPECT_EQ(lookup(b, "f")->attr.inode, d);
  EXPECT_EQ(attr(a).nlink, 2u);
  EXPECT_EQ(attr(b).nlink, 3u);
  EXPECT_EQ(read([d](SqlTx& tx) { return ops::parentOf(tx, d); }), b);
  EXPECT_EQ(codeOf([&] { rename(kRootInode, "b", d, "x", ops::kRenameExchange); }), Errc::notFound);
}

TEST_P(NamespaceTest, set_attr_changes_what_the_mask_says_and_ctime) {
  const auto f = create(kRootInode, "f").entry.attr.inode;
  ops::SetAttrParams p;
  p.mask = 1 | 16;
  p.mode = 04755;
  p.mtimeNs = 123456789;
  const auto changed = write([f, p, o = occasion()](SqlTx& tx) { return ops::setAttr(tx, f, p, o); });
  const Attr now = attr(f);
  EXPECT_EQ(now.mode, 04755u);
  EXPECT_EQ(now.mtimeNs, 123456789);
  EXPECT_EQ(now.ctimeNs, now_);
  EXPECT_EQ(now.uid, 1000u);
  EXPECT_EQ(now.changeId, changed.entry.attr.changeId);
}

TEST_P(NamespaceTest, read_dir_pages_by_cookie_while_entries_come_and_go) {
  for (int i = 0; i < 50; ++i) create(kRootInode, "f" + std::to_string(i));
  const DirPage first = read([](SqlTx& tx) { return ops::readDir(tx, kRootInode, 0, 20, true); });
  EXPECT_TRUE(first.more);
  ASSERT_EQ(first.entries.size(), 20u);
  EXPECT_EQ(first.entries[0].entry.layout.replicas.size(), 2u);
  unlink(kRootInode, "f5");
  unlink(kRootInode, "f30");
  create(kRootInode, "late");
  const std::uint64_t after = first.entries.back().cookie;
  const DirPage rest = read([after](SqlTx& tx) { return ops::readDir(tx, kRootInode, after, 100, false); });
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(rest.entries.size(), 30u);
  EXPECT_EQ(rest.entries[0].name, "f20");
  EXPECT_EQ(rest.entries.back().name, "late");
}

TEST_P(NamespaceTest, resolve_walks_links_dots_and_slashes) {
  const auto a = mkdir(kRootInode, "a").entry.attr.inode;
  const auto f = create(a, "target").entry.attr.inode;
  create(a, "s", FileType::symlink);
  auto resolve = [&](const std::string& path, bool follow) {
    return read([path, follow](SqlTx& tx) { return ops::resolve(tx, kRootInode, path, follow); });
  };
  EXPECT_EQ(resolve("/a/s", true)->attr.inode, f);
  EXPECT_EQ(resolve("a//s", false)->attr.type, FileType::symlink);
  EXPECT_EQ(resolve("a/../a/./target", false)->attr.inode, f);
  EXPECT_EQ(resolve("a/", false)->attr.inode, a);
  EXPECT_EQ(resolve("", false)->attr.inode, kRootInode);
  EXPECT_FALSE(resolve("a/none", false));
  EXPECT_EQ(codeOf([&] { resolve("a/target/x", false); }), Errc::notDirectory);
  EXPECT_EQ(codeOf([&] { resolve("a/target/", false); }), Errc::notDirectory);
  ops::CreateParams ring;
  ring.parent = kRootInode;
  ring.name = "ring";
  ring.type = FileType::symlink;
  ring.symlinkTarget = "/ring";
  write([ring, o = occasion()](SqlTx& tx) { return ops::create(tx, ring, o); });
  EXPECT_EQ(codeOf([&] { resolve("ring", true); }), Errc::loop);
}

TEST_P(NamespaceTest, xattrs) {
  const auto f = create(kRootInode, "f").entry.attr.inode;
  auto set = [&](const std::string& name, const std::string& value, std::uint32_t flags) {
    ops::SetXattrParams p;
    p.name = name;
    p.value = value;
    p.flags = flags;
    write([f, p, o = occasion()](SqlTx& tx) { return ops::setXattr(tx, f, p, o); });
  };
  auto get = [&](const std::string& name) { return read([f, name](SqlTx& tx) { return ops::getXattr(tx, f, name); }); };
  set("user.a", std::string("\0\xff", 2), 0);
  EXPECT_EQ(get("user.a"), std::string("\0\xff", 2));
  EXPECT_EQ(attr(f).ctimeNs, now_);
  EXPECT_EQ(codeOf([&] { set("user.a", "x", 1); }), Errc::exists);
  EXPECT_EQ(codeOf([&] { set("user.b", "x", 2); }), Errc::noAttribute);
  EXPECT_EQ(codeOf([&] { set("user.b", std::string(65537, 'x'), 0); }), Errc::tooLarge);
  set("user.empty", "", 0);
  EXPECT_EQ(get("user.empty"), "");
  EXPECT_EQ(read([f](SqlTx& tx) { return ops::listXattr(tx, f); }), (std::vector<std::string>{"user.a", "user.empty"}));
  write([f, o = occasion()](SqlTx& tx) { return ops::removeXattr(tx, f, "user.a", o); });
  EXPECT_EQ(codeOf([&] { get("user.a"); }), Errc::noAttribute);
}

TEST_P(NamespaceTest, a_repeated_request_is_recognised) {
  ops::CreateParams p;
  p.parent = kRootInode;
  p.name = "f";
  p.exclusive = true;
  p.mode = 0600;
  auto o = occasion();
  o.request = ops::Request{0xfedcba9876543210u, 1};
  const auto made = write([p, o](SqlTx& tx) { return ops::create(tx, p, o); });
  EXPECT_EQ(codeOf([&] { write([p, o](SqlTx& tx) { return ops::create(tx, p, o); }); }), Errc::exists);
  const auto found = read([o](SqlTx& tx) { return ops::findRequest(tx, o.request, ops::RequestOp::create); });
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->created);
  EXPECT_EQ(found->entry.attr.inode, made.entry.attr.inode);
  EXPECT_EQ(codeOf([&] { read([o](SqlTx& tx) { return ops::findRequest(tx, o.request, ops::RequestOp::unlink); }); }),
            Errc::invalid);
}

TEST_P(NamespaceTest, a_failed_operation_leaves_nothing_behind) {
  const Attr before = attr(kRootInode);
  servers({1, 2, 3});
  EXPECT_EQ(codeOf([&] { create(kRootInode, "f"); }), Errc::unavailable);
  EXPECT_FALSE(lookup(kRootInode, "f"));
  EXPECT_EQ(attr(kRootInode).changeId, before.changeId);
  EXPECT_TRUE(read([](SqlTx& tx) { return ops::listUsers(tx); }).empty());
}

TEST_P(NamespaceTest, many_writers_at_once_each_get_their_name) {
  std::vector<Task<ops::Outcome>> tasks;
  int done = 0;
  for (int i = 0; i < 200; ++i) {
    ops::CreateParams p;
    p.parent = kRootInode;
    p.name = "f" + std::to_string(i);
    p.exclusive = true;
    auto op = [p, o = occasion()](SqlTx& tx) { return ops::create(tx, p, o); };
    asio::co_spawn(loop_->io, catalog_->write(std::move(op)), [&done](std::exception_ptr error, ops::Outcome) {
      if (error) std::rethrow_exception(error);
      ++done;
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (done < 200 && std::chrono::steady_clock::now() < deadline) {
    loop_->io.restart();
    loop_->io.run_one_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(done, 200);
  EXPECT_EQ(names(kRootInode).size(), 200u);
}

}  // namespace vcfs::tracker::test
