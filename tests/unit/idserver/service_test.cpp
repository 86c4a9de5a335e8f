#include "idserver/idserver_service.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/error.h"
#include "common/rpc/transport.h"

namespace vcfs::idserver {
namespace {

class NoTransport final : public Transport {
 public:
  Task<std::unique_ptr<Link>> connect(std::string, Duration) override {
    throw Error(Errc::unavailable, "no network in this test");
    co_return nullptr;
  }
  std::unique_ptr<Listener> listen(std::string, std::function<void(std::unique_ptr<Link>)>) override {
    throw Error(Errc::unavailable, "no network in this test");
  }
};

class MemoryStore final : public RangeStore {
 public:
  IdRange reserve(std::uint64_t count) override {
    ++calls;
    if (failures > 0) {
      --failures;
      throw Error(Errc::io, "the disk said no");
    }
    IdRange range{end, count};
    end += count;
    return range;
  }
  std::uint64_t end = kFirstId;
  int calls = 0;
  int failures = 0;
};

class IdServerTest : public testing::Test {
 protected:
  std::shared_ptr<IdServer> make(std::uint64_t block) {
    IdServerOptions options;
    options.block = block;
    return std::make_shared<IdServer>(runtime_, *pool_, store_, options);
  }
  // Runs `task` to its end.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    std::exception_ptr error;
    asio::co_spawn(io_, std::move(task), [&](std::exception_ptr e, T value) {
      error = e;
      if (!e) result = std::move(value);
    });
    io_.restart();
    io_.run();
    if (error) std::rethrow_exception(error);
    return std::move(*result);
  }

  asio::io_context io_;
  SystemClock clock_{io_};
  NoTransport transport_;
  Runtime runtime_{io_, clock_, transport_, std::mt19937_64(1)};
  std::unique_ptr<BlockingPool> pool_ = makeInlinePool(io_);
  MemoryStore store_;
};

TEST_F(IdServerTest, leases_are_disjoint_and_consecutive) {
  auto server = make(1000);
  EXPECT_EQ(run(server->lease(10)).first, 1024u);
  EXPECT_EQ(run(server->lease(10)).first, 1034u);
}

TEST_F(IdServerTest, a_lease_larger_than_the_block_is_served_whole) {
  auto server = make(10);
  EXPECT_EQ(run(server->lease(kMaxLease)).count, kMaxLease);
}

TEST_F(IdServerTest, the_next_block_is_fetched_before_it_is_needed) {
  auto server = make(100);
  run(server->lease(60));
  int calls = store_.calls;
  run(server->lease(100));
  EXPECT_EQ(store_.calls, calls + 1);  // the one behind the scenes for the next
}

TEST_F(IdServerTest, refuses_a_count_out_of_range) {
  auto server = make(100);
  EXPECT_THROW(run(server->lease(0)), Error);
  EXPECT_THROW(run(server->lease(kMaxLease + 1)), Error);
}

TEST_F(IdServerTest, an_error_of_the_store_is_the_callers_and_the_next_call_works) {
  auto server = make(100);
  store_.failures = 1;
  EXPECT_THROW(run(server->lease(1)), Error);
  EXPECT_EQ(run(server->lease(1)).first, 1024u);
}

TEST_F(IdServerTest, many_leases_at_once_are_disjoint) {
  auto server = make(64);
  std::vector<IdRange> ranges;
  for (int i = 1; i <= 200; ++i) {
    asio::co_spawn(io_, server->lease(static_cast<std::uint32_t>(i)), [&](std::exception_ptr e, IdRange range) {
      ASSERT_FALSE(e);
      ranges.push_back(range);
    });
  }
  io_.restart();
  io_.run();
  ASSERT_EQ(ranges.size(), 200u);
  std::set<std::uint64_t> ids;
  for (const IdRange& range : ranges) {
    for (std::uint64_t id = range.first; id < range.end(); ++id) EXPECT_TRUE(ids.insert(id).second);
  }
}

}  // namespace
}  // namespace vcfs::idserver
