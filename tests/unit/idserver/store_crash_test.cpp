// The fault model is that of memory_directory.h. Survival is expected because a range is used only after its end was
// fdatasync'ed, renamed and the directory fsync'ed, in this order.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "idserver/core/lease_core.h"
#include "idserver/store/file_store.h"
#include "tests/unit/idserver/memory_directory.h"

namespace vcfs::idserver {
namespace {

// One life of the server: takes leases until it crashes. Every id must be higher than all before it.
class Life {
 public:
  Life(std::shared_ptr<Disk> disk, std::uint64_t& highest) : disk_(std::move(disk)), highest_(highest) {}

  void run(std::mt19937_64& random, int leases) {
    FileStore store(std::make_unique<MemoryDirectory>(disk_));
    LeaseCore core(1 + random() % 200);
    for (int i = 0; i < leases; ++i) {
      std::uint32_t count = 1 + static_cast<std::uint32_t>(random() % 100);
      std::optional<IdRange> range = core.take(count);
      if (!range) {
        core.add(store.reserve(core.refill(count)));
        range = core.take(count);
      }
      ASSERT_TRUE(range);
      ASSERT_GT(range->first, highest_) << "an id came twice";
      highest_ = range->end() - 1;
    }
  }

 private:
  std::shared_ptr<Disk> disk_;
  std::uint64_t& highest_;
};

void tenThousandCrashes(bool powerCut, std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto disk = std::make_shared<Disk>();
  std::uint64_t highest = kFirstId - 1;
  int crashes = 0;
  for (int life = 0; life < 100'000 && crashes < 10'000; ++life) {
    disk->crashAfterSteps(static_cast<int>(random() % 40), random() % 2 == 0);
    try {
      Life(disk, highest).run(random, 30);
    } catch (const Crash&) {
      ++crashes;
    }
    if (testing::Test::HasFatalFailure()) return;
    disk->restart(random, powerCut);
  }
  EXPECT_EQ(crashes, 10'000);
}

TEST(StoreCrash, process_killed_at_any_step_ten_thousand_times_never_repeats_an_id) { tenThousandCrashes(false, 11); }

TEST(StoreCrash, power_cut_at_any_step_ten_thousand_times_never_repeats_an_id) { tenThousandCrashes(true, 12); }

TEST(StoreCrash, power_cut_at_any_step_of_the_first_start_leaves_a_directory_that_starts) {
  std::mt19937_64 random(13);
  for (int step = 0; step < 7; ++step) {
    for (int round = 0; round < 200; ++round) {
      auto disk = std::make_shared<Disk>();
      disk->crashAfterSteps(step, round % 2 == 0);
      bool crashed = false;
      try {
        FileStore(std::make_unique<MemoryDirectory>(disk)).reserve(100);
      } catch (const Crash&) {
        crashed = true;
      }
      EXPECT_TRUE(crashed);
      disk->restart(random, true);
      EXPECT_NO_THROW(FileStore(std::make_unique<MemoryDirectory>(disk)).reserve(100));
    }
  }
}

// The check that the model bites: a store that does not sync must be caught.
TEST(StoreCrash, the_model_loses_what_was_not_synced) {
  std::mt19937_64 random(14);
  int lost = 0;
  for (int round = 0; round < 100; ++round) {
    auto disk = std::make_shared<Disk>();
    MemoryDirectory directory(disk);
    directory.write("a", "hello");
    directory.sync();
    disk->restart(random, true);
    if (directory.read("a") != "hello") ++lost;
  }
  EXPECT_GT(lost, 20);
}

}  // namespace
}  // namespace vcfs::idserver
