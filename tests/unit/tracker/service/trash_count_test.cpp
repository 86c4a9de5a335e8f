#include "tracker/service/trash_count.h"

#include <gtest/gtest.h>

namespace vcfs::tracker::test {

namespace {

using Bytes = std::map<StorageId, std::uint64_t>;

constexpr std::int64_t kSecond = 1'000'000'000;

ops::TrashedReplica replica(std::int64_t second, InodeId inode, StorageId storage = 1) {
  ops::TrashedReplica replica;
  replica.dueNs = second * kSecond;
  replica.inode = inode;
  replica.storage = storage;
  replica.bytes = 1;
  return replica;
}

// Its last inode is that of the last replica.
ops::TrashSpacePage page(std::vector<ops::TrashedReplica> replicas) {
  ops::TrashSpacePage page;
  page.last = ops::TrashPlace{replicas.back().dueNs, replicas.back().inode};
  page.replicas = std::move(replicas);
  return page;
}

TrashCount count() { return TrashCount(TrashLedger(kSecond, 0)); }

}  // namespace

TEST(TrashCount, counts_every_replica_of_a_file_once_however_often_its_end_is_read) {
  TrashCount counted = count();
  const ops::TrashSpacePage first = page({replica(100, 7, 1), replica(100, 7, 2), replica(102, 8, 1)});
  counted.add(first, 0);
  counted.add(first, 0);
  EXPECT_EQ(counted.outstanding(0), (Bytes{{1, 2}, {2, 1}}));
  counted.add(page({replica(100, 9), replica(102, 8)}), 0);
  EXPECT_EQ(counted.outstanding(0), (Bytes{{1, 3}, {2, 1}})) << "one came into its midst";
}

TEST(TrashCount, reads_its_end_again_also_when_a_reading_ended_before_it) {
  TrashCount counted = count();
  counted.add(page({replica(100, 7)}), 0);
  EXPECT_EQ(counted.again().due, 95 * kSecond);
  counted.add(page({replica(98, 6)}), 0);
  EXPECT_EQ(counted.again().due, 95 * kSecond);
  EXPECT_EQ(counted.again().inode, 0u);
}

TEST(TrashCount, remembers_no_more_than_is_read_again) {
  TrashCount counted = count();
  for (std::int64_t second = 1; second <= 100; ++second) {
    counted.add(page({replica(second, 1000 + static_cast<InodeId>(second))}), 0);
  }
  EXPECT_EQ(counted.remembered(), 6u);
}

}  // namespace vcfs::tracker::test
