// One of two servers of a catalog keeps its connections and answers nothing.
#include <gtest/gtest.h>

#include "tests/unit/tracker/engines.h"
#include "tests/unit/tracker/mariadb_server.h"
#include "tests/unit/tracker/relay.h"
#include "tracker/catalog/open_catalog.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

constexpr Statement kPut{"REPLACE INTO counters (name, value) VALUES ('a', 1)"};
constexpr Statement kSleep{"SELECT SLEEP(1.2)"};

}  // namespace

class HangingServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MariadbServer::available()) GTEST_SKIP() << "no mariadbd on this machine";
    relay_ = Relay::start(loop_.io, MariadbServer::instance().newDatabase());
    catalog_ = loop_.run(openCatalog(loop_.runtime, relay_->urlAndServer(), 4));
    put();
  }

  void put() {
    auto op = [](SqlTx& tx) -> Task<bool> {
      co_await tx.exec(kPut);
      co_return true;
    };
    loop_.run(catalog_->write(std::move(op)));
  }

  // Longer than a server may be silent before it is suspected.
  void think() {
    auto op = [](SqlTx& tx) -> Task<bool> {
      co_await tx.exec(kSleep);
      co_return true;
    };
    loop_.run(catalog_->read(std::move(op)));
  }

  Loop loop_;
  std::shared_ptr<Relay> relay_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(HangingServer, is_left_with_every_connection) {
  relay_->hang();
  // Its caller goes to another tracker when the catalog's budget is over; the next is served by the other server.
  try {
    put();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
  }
  const auto begin = loop_.clock.now();
  for (int i = 0; i < 4; ++i) put();  // on every connection
  EXPECT_LT(loop_.clock.now() - begin, 1s);
}

TEST_F(HangingServer, is_not_one_that_thinks_for_long) {
  const int before = relay_->connections();
  think();
  EXPECT_GT(relay_->connections(), before + 1) << "it was asked whether it is there";
  const int asked = relay_->connections();
  think();
  EXPECT_GT(relay_->connections(), asked) << "and is still in use";
}

}  // namespace vcfs::tracker::test
