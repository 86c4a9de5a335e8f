// Whose a disk is: it has to be on the disk before anything is served.
#include "cluster_fixture.h"

namespace vcfs::storage {
namespace {

using IdentityTest = ClusterTest;

TEST_F(IdentityTest, nothing_is_served_before_the_disk_has_taken_it) {
  startTracker();
  stores_[1] = std::make_unique<MemoryStore>();
  stores_[1]->failWrites(Errc::noSpace);
  startStorage(1, nullptr, false);
  settle(2s);
  EXPECT_EQ(storages_[1]->node().self(), 0u);
  EXPECT_EQ(stores_[1]->storageId(), 0u);
  put(layout(1, {{1, ReplicaState::inSync}}));
  EXPECT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::unavailable);
  stores_[1]->failWrites(Errc::ok);
  ASSERT_TRUE(eventually([&] { return storages_[1]->node().self() == 1; })) << "it is tried again";
  EXPECT_EQ(stores_[1]->storageId(), 1u);
  EXPECT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::ok) << "the layout was not taken for that of others";
}

TEST_F(IdentityTest, no_tracker_is_told_an_id_that_the_disk_has_not_taken) {
  startTracker();
  stores_[1] = std::make_unique<MemoryStore>();
  stores_[1]->failWrites(Errc::noSpace);
  startStorage(1, nullptr, false);
  settle(5s);
  for (const auto& registration : tracker_.registrations) {
    EXPECT_EQ(registration.previous, 0u);
    EXPECT_TRUE(registration.empty);
  }
  tracker_.registrations.clear();
  stores_[1]->failWrites(Errc::ok);
  ASSERT_TRUE(eventually([&] { return !tracker_.registrations.empty(); }));
  EXPECT_EQ(tracker_.registrations[0].previous, 1u);
}

TEST_F(IdentityTest, a_disk_that_has_only_forgotten_whose_it_is_does_not_say_that_it_is_new) {
  startTracker();
  startStorage(1);
  put(layout(1, {{1, ReplicaState::inSync}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::ok);
  settle();
  storages_[1].reset();
  stores_[1]->setIdentity(0, "", "");
  tracker_.registrations.clear();
  startStorage(1);
  ASSERT_FALSE(tracker_.registrations.empty());
  EXPECT_EQ(tracker_.registrations[0].previous, 0u);
  EXPECT_FALSE(tracker_.registrations[0].empty);
}

TEST_F(IdentityTest, an_older_disk_takes_the_uuid_of_its_cluster_and_tells_it_from_then_on) {
  startTracker();
  startStorage(1);
  EXPECT_EQ(stores_[1]->uuid(), "");
  storages_[1].reset();
  tracker_.uuid = "a";
  startStorage(1);
  EXPECT_EQ(stores_[1]->uuid(), "a");
  storages_[1].reset();
  tracker_.registrations.clear();
  startStorage(1);
  ASSERT_FALSE(tracker_.registrations.empty());
  EXPECT_EQ(tracker_.registrations[0].uuid, "a");
}

TEST_F(IdentityTest, an_older_disk_that_is_full_serves_without_the_uuid) {
  startTracker();
  startStorage(1);
  storages_[1].reset();
  tracker_.uuid = "a";
  stores_[1]->failWrites(Errc::noSpace);
  startStorage(1);
  settle(2s);
  EXPECT_EQ(stores_[1]->uuid(), "");
  EXPECT_TRUE(storages_[1]->node().trackers->connected());
}

TEST_F(IdentityTest, a_tracker_of_another_cluster_with_the_same_name_and_number_is_not_served) {
  tracker_.uuid = "a";
  startTracker();
  startStorage(1);
  storages_[1].reset();
  tracker_.uuid = "b";
  startStorage(1, nullptr, false);
  settle(2s);
  EXPECT_FALSE(storages_[1]->node().trackers->connected());
  EXPECT_EQ(stores_[1]->uuid(), "a");
}

}  // namespace
}  // namespace vcfs::storage
