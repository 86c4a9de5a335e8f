#include "tracker/service/name_recall.h"

#include <gtest/gtest.h>

#include "tests/unit/tracker/engines.h"

namespace vcfs::tracker::test {
namespace {

class Holder final : public schema::Watcher::Server {
 public:
  explicit Holder(std::vector<InodeId>& recalled) : recalled_(recalled) {}
  kj::Promise<void> recallNames(RecallNamesContext context) override {
    recalled_.push_back(context.getParams().getDirectory());
    return kj::READY_NOW;
  }

 private:
  std::vector<InodeId>& recalled_;
};

}  // namespace

TEST(NameRecall, a_session_with_a_thousand_leases_gives_the_oldest_back_for_another_one) {
  Loop loop;
  std::vector<InodeId> recalled;
  {
    WatchHub hub(loop.runtime, 100);
    hub.add(1, 7, false, kj::heap<Holder>(recalled), {});
    NameRecall names(loop.runtime, hub);
    for (InodeId directory = 1; directory <= 1000; ++directory) EXPECT_TRUE(loop.run(names.grant(directory, 1)));
    EXPECT_TRUE(recalled.empty());
    EXPECT_TRUE(loop.run(names.grant(1001, 1)));
    EXPECT_EQ(recalled, std::vector<InodeId>{1});
    loop.run(names.clear(1001, 2));
    EXPECT_EQ(recalled, (std::vector<InodeId>{1, 1001})) << "it is a lease as any other";
    hub.remove(1);
  }
  loop.drain();
}

}  // namespace vcfs::tracker::test
