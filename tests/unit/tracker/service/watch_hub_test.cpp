#include "tracker/service/watch_hub.h"

#include <gtest/gtest.h>

#include "schema/convert.h"
#include "tests/unit/tracker/engines.h"

namespace vcfs::tracker::test {
namespace {

class Listener final : public schema::Watcher::Server {
 public:
  explicit Listener(std::vector<Change>& heard) : heard_(heard) {}
  kj::Promise<void> changed(ChangedContext context) override {
    for (auto change : context.getParams().getChanges()) heard_.push_back(schema::toChange(change));
    return kj::READY_NOW;
  }

 private:
  std::vector<Change>& heard_;
};

Change changeOf(InodeId inode, bool layout) {
  Change change;
  change.inode = inode;
  change.layout = layout;
  return change;
}

}  // namespace

TEST(WatchHub, a_change_of_attributes_is_not_told_as_one_of_the_layout_that_comes_with_it) {
  Loop loop;
  std::vector<Change> heard;
  {
    WatchHub hub(loop.runtime, 100);
    hub.add(1, 7, false, kj::heap<Listener>(heard), {});
    hub.publish({changeOf(5, true), changeOf(5, false), changeOf(5, false), changeOf(5, true)}, 0);
    const auto until = loop.clock.now() + std::chrono::seconds(10);
    while (heard.size() < 2 && loop.clock.now() < until) {
      loop.io.restart();
      loop.io.run_one_for(std::chrono::milliseconds(10));
    }
    hub.remove(1);
  }
  loop.drain();
  ASSERT_EQ(heard.size(), 2u) << "each once";
  EXPECT_TRUE(heard[0].layout);
  EXPECT_FALSE(heard[1].layout);
}

}  // namespace vcfs::tracker::test
