// When a connection is given up for an unanswered ping: a way that still carries what stands before the ping is waited
// for
// (`patient`), twice as long at most; silence is not.
#include <gtest/gtest.h>

#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "schema/storage.capnp.h"

namespace vcfs {
namespace {

using namespace std::chrono_literals;
using schema::Storage;

class Silent final : public Storage::Server {
 public:
  explicit Silent(bool& hang) : hang_(hang) {}
  kj::Promise<void> ping(PingContext) override {
    if (hang_) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }
  kj::Promise<void> write(WriteContext) override { return kj::NEVER_DONE; }

 private:
  bool& hang_;
};

class PingsTest : public testing::Test {
 protected:
  PingsTest() {
    connection = connect();
    until([] { return false; }, 20ms);
  }
  ~PingsTest() override {
    connection->close("the test ends");
    bulk.clear();
    connection.reset();
    server.reset();
    until([] { return false; }, 1ms);
  }

  std::shared_ptr<rpc::Connection> connect() {
    std::shared_ptr<rpc::Connection> made;
    auto task = [](Runtime& runtime, std::string address, std::shared_ptr<rpc::Connection>& out) -> Task<void> {
      out = co_await rpc::Connection::connect(runtime, std::move(address), 5s);
    };
    asio::co_spawn(io, task(near, server->address(), made), asio::detached);
    until([&] { return made != nullptr; }, 1s);
    return made;
  }

  bool until(const std::function<bool()>& done, Duration limit) {
    const TimePoint end = clock.now() + limit;
    while (true) {
      io.restart();
      while (io.poll() > 0) {
      }
      if (done()) return true;
      if (clock.now() >= end) return false;
      clock.advance(1ms);
    }
  }

  // Pings every 5 ms; 50 ms are the limit.
  void startPings(bool patient, std::uint64_t largest = 0) {
    auto storage = connection->bootstrap<Storage>();
    rpc::Connection::Pings how{5ms, 50ms, patient, largest};
    connection->startPings([storage]() mutable { return storage.pingRequest().send().ignoreResult(); }, how);
  }
  void slow(Duration delay) {
    network.setDelay([delay](const std::string&, const std::string&) { return delay; });
  }
  // Bulk data on the way, of which some arrives every 5 ms from now on; what is sent next arrives behind it.
  void sendBulk(int messages) {
    for (int i = 0; i < messages; ++i) {
      slow(5ms * (i + 1));
      auto request = connection->bootstrap<Storage>().writeRequest();
      request.setData(kj::heapArray<capnp::byte>(1000));
      bulk.push_back(request.send().ignoreResult().eagerlyEvaluate([](kj::Exception&&) {}));
      until([] { return false; }, 0ms);
    }
    slow(0ms);
  }
  // How long it takes until it is given up; nothing when it is not.
  std::optional<Duration> givenUpAfter(Duration look) {
    const TimePoint begun = clock.now();
    if (!until([&] { return !connection->alive(); }, look)) return std::nullopt;
    return clock.now() - begun;
  }
  void expectGivenUpAtTheLimit() {
    const auto after = givenUpAfter(1s);
    ASSERT_TRUE(after);
    EXPECT_LE(*after, 60ms);
  }

  asio::io_context io{1};
  rpc::KjLoop kj{io};
  ManualClock clock{io};
  MemoryNetwork network{io, clock};
  MemoryTransport nearTransport{network, "near"};
  MemoryTransport farTransport{network, "far"};
  Runtime near{io, clock, nearTransport, std::mt19937_64(1)};
  Runtime far{io, clock, farTransport, std::mt19937_64(2)};
  bool hang = false;
  std::optional<rpc::Server> server{std::in_place, far, "far:1",
                                    [this](const auto&) { return kj::heap<Silent>(hang); }};
  std::shared_ptr<rpc::Connection> connection;
  std::vector<kj::Promise<void>> bulk;
};

TEST_F(PingsTest, ping_behind_data_that_goes_on_arriving_is_waited_for) {
  sendBulk(15);
  startPings(true);
  EXPECT_FALSE(givenUpAfter(1s));
}

TEST_F(PingsTest, without_patience_it_is_given_up_at_the_limit) {
  sendBulk(15);
  startPings(false);
  expectGivenUpAtTheLimit();
}

TEST_F(PingsTest, data_that_arrives_and_arrives_is_waited_for_twice_as_long_as_the_limit_at_most) {
  sendBulk(100);
  startPings(true);
  const auto after = givenUpAfter(1s);
  ASSERT_TRUE(after);
  EXPECT_GE(*after, 100ms);
  EXPECT_LE(*after, 110ms);
}

TEST_F(PingsTest, ping_behind_a_message_that_takes_long_is_waited_for) {
  sendBulk(70);
  startPings(false, 100'000);
  EXPECT_FALSE(givenUpAfter(1s));
}

TEST_F(PingsTest, ping_behind_more_than_one_such_message_is_not_when_the_first_one_is_not_answered) {
  sendBulk(150);
  startPings(false, 20'000);
  const auto after = givenUpAfter(1s);
  ASSERT_TRUE(after);
  EXPECT_GE(*after, 130ms);
  EXPECT_LE(*after, 170ms);
}

TEST_F(PingsTest, peer_that_is_cut_off_while_a_message_arrives_is_given_up_at_the_limit) {
  sendBulk(70);
  startPings(false, 100'000);
  network.cut("near", "far");
  expectGivenUpAtTheLimit();
}

TEST_F(PingsTest, peer_that_is_cut_off_is_given_up_at_the_limit) {
  sendBulk(15);
  startPings(true);
  network.cut("near", "far");
  expectGivenUpAtTheLimit();
}

TEST_F(PingsTest, peer_that_hangs_is_given_up_at_the_limit_after_the_ping_has_arrived) {
  hang = true;
  startPings(true);
  expectGivenUpAtTheLimit();
}

TEST_F(PingsTest, peer_that_hangs_is_given_up_at_the_limit_although_its_host_goes_on_taking_data) {
  hang = true;
  startPings(true);
  until([] { return false; }, 6ms);
  sendBulk(30);
  expectGivenUpAtTheLimit();
}

TEST_F(PingsTest, ping_time_tells_what_the_last_one_took_and_what_one_has_been_waiting) {
  slow(10ms);
  startPings(false);
  until([] { return false; }, 100ms);
  EXPECT_EQ(connection->pingTime(), 20ms);
  network.cut("near", "far");
  until([] { return false; }, 45ms);
  EXPECT_GE(connection->pingTime(), 30ms);
}

}  // namespace
}  // namespace vcfs
