#include "common/runtime/blocking_pool.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <stdexcept>

namespace vcfs {
namespace {

class AnyPool : public ::testing::TestWithParam<bool> {
 protected:
  asio::io_context io_;
  std::unique_ptr<BlockingPool> pool_ = GetParam() ? makeThreadPool(io_, "test") : makeInlinePool(io_);
};

TEST_P(AnyPool, an_end_that_throws_holds_up_no_other) {
  auto work = asio::make_work_guard(io_);
  bool ended = false;
  pool_->submit([] {}, [] { throw std::runtime_error("a bug"); });
  pool_->submit([] {}, nullptr);
  pool_->submit([] {},
                [&] {
                  ended = true;
                  work.reset();
                });
  EXPECT_NO_THROW(io_.run_for(std::chrono::seconds(10)));
  EXPECT_TRUE(ended);
}

INSTANTIATE_TEST_SUITE_P(Thread, AnyPool, ::testing::Values(true));
INSTANTIATE_TEST_SUITE_P(Inline, AnyPool, ::testing::Values(false));

}  // namespace
}  // namespace vcfs
