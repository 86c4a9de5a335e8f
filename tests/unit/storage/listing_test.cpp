#include <gtest/gtest.h>

#include "storage/store/listing.h"
#include "storage/store/memory_store.h"

namespace vcfs::storage {
namespace {

// Counts how often the whole disk is looked through.
class CountingStore final : public Store {
 public:
  std::size_t looks = 0;
  std::vector<InodeId> ids;
  bool fails = false;

  void scan(const std::function<void(InodeId)>& visit) override {
    ++looks;
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) visit(*id);
    if (fails) throw Error(Errc::io, "injected");
  }
  std::shared_ptr<ReplicaFile> file(InodeId) override { return nullptr; }
  std::optional<LoadedReplica> load(InodeId) override { return std::nullopt; }
  bool remove(InodeId) override { return false; }
  DiskSpace space() override { return {}; }
  void syncAll() override {}
  void markActive(InodeId) override {}
  void markStable(const std::vector<InodeId>&) override {}
  void syncActiveList() override {}
  std::vector<InodeId> activeFiles() override { return {}; }
  bool machineStayedUp() const override { return true; }
  std::uint64_t powerLosses() const override { return 0; }
  void machineChecked() override {}
  StorageId storageId() const override { return 1; }
  std::string cluster() const override { return "test"; }
  std::string uuid() const override { return ""; }
  void setIdentity(StorageId, const std::string&, const std::string&) override {}
};

std::vector<InodeId> listAll(Listing& listing, CountingStore& store, std::size_t limit) {
  std::vector<InodeId> all;
  for (bool more = true; more;) {
    const Listing::Page page = listing.page(store, all.empty() ? 0 : all.back(), limit, TimePoint{});
    all.insert(all.end(), page.inodes.begin(), page.inodes.end());
    more = page.more;
  }
  return all;
}

TEST(Listing, pages_are_complete_and_in_order_and_cost_few_looks_at_the_disk) {
  CountingStore store;
  for (InodeId id = 1; id <= 150'000; ++id) store.ids.push_back(id * 3);
  Listing listing;
  EXPECT_EQ(listAll(listing, store, 1000), store.ids);
  EXPECT_LE(store.looks, 3u);
}

TEST(Listing, one_that_begins_from_the_start_looks_again) {
  CountingStore store;
  store.ids = {5, 6};
  Listing listing;
  EXPECT_EQ(listAll(listing, store, 1), store.ids);
  store.ids = {4, 6, 7};
  EXPECT_EQ(listAll(listing, store, 1), store.ids);
}

TEST(Listing, a_look_that_failed_is_not_gone_by) {
  CountingStore store;
  store.ids = {5, 6};
  Listing listing;
  listing.page(store, 0, 1, TimePoint{});
  store.fails = true;
  EXPECT_THROW(listing.page(store, 0, 1, TimePoint{}), Error);
  EXPECT_THROW(listing.page(store, 5, 1, TimePoint{}), Error);
  store.fails = false;
  EXPECT_EQ(listAll(listing, store, 1), store.ids);
}

TEST(Listing, an_old_look_is_not_trusted) {
  CountingStore store;
  store.ids = {5, 6, 7};
  Listing listing;
  listing.page(store, 0, 1, TimePoint{});
  store.ids.push_back(8);
  EXPECT_EQ(listing.page(store, 6, 10, TimePoint{} + std::chrono::seconds(61)).inodes, (std::vector<InodeId>{7, 8}));
}

}  // namespace
}  // namespace vcfs::storage
