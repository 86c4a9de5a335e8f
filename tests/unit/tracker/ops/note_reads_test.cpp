#include "tests/unit/tracker/engines.h"

// The atime of what was read at a mount, on both engines.
namespace vcfs::tracker::test {

class NoteReadsTest : public OpsTest {
 protected:
  void note(std::vector<ReadTime> reads) {
    write([reads](SqlTx& tx) { return ops::noteReads(tx, reads); });
  }
  static ReadTime readAt(const Attr& known, std::int64_t when) {
    ReadTime read;
    read.inode = known.inode;
    read.oldNs = known.atimeNs;
    read.newNs = when;
    return read;
  }
  static ReadTime readUnknown(InodeId inode, std::int64_t when) {
    ReadTime read;
    read.inode = inode;
    read.newNs = when;
    return read;
  }
  void setAtime(InodeId inode, std::int64_t when) {
    ops::SetAttrParams set;
    set.mask = 8;
    set.atimeNs = when;
    write([inode, set, o = occasion()](SqlTx& tx) { return ops::setAttr(tx, inode, set, o); });
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, NoteReadsTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(NoteReadsTest, atime_moves_and_nothing_else) {
  const Attr before = create(kRootInode, "f").entry.attr;
  note({readAt(before, now_ + 50)});
  const Attr after = attr(before.inode);
  EXPECT_EQ(after.atimeNs, now_ + 50);
  EXPECT_EQ(after.mtimeNs, before.mtimeNs);
  EXPECT_EQ(after.ctimeNs, before.ctimeNs);
  EXPECT_EQ(after.changeId, before.changeId);
}

TEST_P(NoteReadsTest, a_time_that_was_set_since_stays) {
  const Attr before = create(kRootInode, "f").entry.attr;
  setAtime(before.inode, 5);
  note({readAt(before, now_ + 50)});
  EXPECT_EQ(attr(before.inode).atimeNs, 5);
}

TEST_P(NoteReadsTest, atime_never_moves_back) {
  const Attr before = create(kRootInode, "f").entry.attr;
  note({readAt(before, before.atimeNs - 1)});
  EXPECT_EQ(attr(before.inode).atimeNs, before.atimeNs);
}

TEST_P(NoteReadsTest, many_at_once_each_get_their_own_and_absent_ones_are_passed_over) {
  std::vector<ReadTime> reads;
  for (int i = 0; i < 100; ++i) {
    reads.push_back(readAt(create(kRootInode, "f" + std::to_string(i)).entry.attr, now_ + 1'000'000 + i));
  }
  reads.push_back(readUnknown(987654, now_ + 5));
  ReadTime gone = readUnknown(987655, now_ + 5);
  gone.oldNs = 0;
  reads.push_back(gone);
  note(reads);
  for (int i = 0; i < 100; ++i) {
    const auto& read = reads[static_cast<std::size_t>(i)];
    EXPECT_EQ(attr(read.inode).atimeNs, read.newNs);
  }
}

TEST_P(NoteReadsTest, what_is_not_known_moves_by_the_rule) {
  const InodeId inode = mkdir(kRootInode, "d").entry.attr.inode;
  note({readUnknown(inode, now_ + 50)});
  EXPECT_EQ(attr(inode).atimeNs, now_ + 50);
  note({readUnknown(inode, now_ + 90)});
  EXPECT_EQ(attr(inode).atimeNs, now_ + 50) << "it is later than mtime and ctime already";
  const std::int64_t tomorrow = now_ + 50 + 86'400'000'000'001;
  note({readUnknown(inode, tomorrow)});
  EXPECT_EQ(attr(inode).atimeNs, tomorrow) << "it was a day old";
}

TEST_P(NoteReadsTest, what_is_not_known_and_was_changed_after_it_was_read_stays) {
  const InodeId inode = mkdir(kRootInode, "d").entry.attr.inode;
  const std::int64_t read = now_;
  setAtime(inode, 5);
  note({readUnknown(inode, read)});
  EXPECT_EQ(attr(inode).atimeNs, 5);
}

}  // namespace vcfs::tracker::test
