#include <fcntl.h>
#include <gtest/gtest.h>

#include <asio/ip/tcp.hpp>

#include <cstring>
#include <set>

#include "common/rpc/bulk.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "common/rpc/tcp_transport.h"
#include "schema/storage.capnp.h"

namespace vcfs {
namespace {

using namespace std::chrono_literals;
using schema::Storage;

// Answers write() with its length and first byte, read() with a pattern, ping() after `pingDelay`.
class EchoStorage final : public Storage::Server {
 public:
  EchoStorage(Runtime& runtime, std::shared_ptr<rpc::Connection> connection, bool& hang)
      : runtime_(runtime), connection_(connection), hang_(hang) {}

  kj::Promise<void> write(WriteContext context) override { return rpc::serve(runtime_, doWrite(context)); }
  kj::Promise<void> read(ReadContext context) override { return rpc::serve(runtime_, doRead(context)); }
  kj::Promise<void> ping(PingContext) override {
    if (hang_) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }
  kj::Promise<void> stat(StatContext) override { return kj::NEVER_DONE; }
  kj::Promise<void> sync(SyncContext context) override { return rpc::serve(runtime_, failing(context)); }

 private:
  Task<void> doWrite(WriteContext context) {
    auto data = context.getParams().getData();
    owned_ = rpc::ownerOf(data.begin()) != nullptr;
    context.getResults().setOffset(data.size() + (data.size() > 0 ? data[data.size() - 1] : 0));
    context.getResults().initInfo().setWriters(owned_ ? 1 : 0);
    co_return;
  }
  Task<void> doRead(ReadContext context) {
    const auto length = context.getParams().getLength();
    auto buffer = rpc::Buffer::allocate(length);
    std::memset(buffer->data(), 0x5a, length);
    if (auto connection = connection_.lock()) connection->link().hold(buffer->data(), buffer);
    auto results = context.getResults(capnp::MessageSize{64, 0});
    results.adoptData(rpc::reference(results, buffer->data(), length));
    co_return;
  }
  Task<void> failing(SyncContext) {
    throw Error(Errc::overloaded, "too much");
    co_return;
  }

  Runtime& runtime_;
  std::weak_ptr<rpc::Connection> connection_;
  bool& hang_;
  bool owned_ = false;
};

// The same tests over TCP on the real clock and over memory.
class RpcTest : public testing::TestWithParam<bool> {
 protected:
  RpcTest() : clock(io), network(io, clock) {
    if (GetParam())
      transport = std::make_unique<TcpTransport>(io, clock);
    else
      transport = std::make_unique<MemoryTransport>(network, "127.0.0.1");
    runtime.emplace(Runtime{io, clock, *transport, std::mt19937_64(1)});
    server.emplace(*runtime, "127.0.0.1:0", [this](std::shared_ptr<rpc::Connection> connection) {
      return kj::heap<EchoStorage>(*runtime, connection, hang);
    });
  }
  ~RpcTest() override {
    server.reset();
    for (int i = 0; i < 100; ++i) io.poll();
  }

  void run(Task<void> task) {
    std::exception_ptr failure;
    bool done = false;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) {
      failure = e;
      done = true;
    });
    io.restart();
    while (!done) io.run_one();
    if (failure) std::rethrow_exception(failure);
  }
  Task<std::shared_ptr<rpc::Connection>> connect() {
    co_return co_await rpc::Connection::connect(*runtime, server->address(), 5s);
  }

  asio::io_context io;
  rpc::KjLoop kj{io};
  SystemClock clock;
  MemoryNetwork network;
  std::unique_ptr<Transport> transport;
  std::optional<Runtime> runtime;
  bool hang = false;
  std::optional<rpc::Server> server;
};

Task<std::uint64_t> writeBytes(Runtime& runtime, rpc::Connection& connection, std::size_t size, bool* owned = nullptr) {
  auto buffer = rpc::Buffer::allocate(size);
  std::memset(buffer->data(), 7, size);
  auto storage = connection.bootstrap<Storage>();
  auto request = storage.writeRequest(capnp::MessageSize{64, 0});
  connection.link().hold(buffer->data(), buffer);
  request.adoptData(rpc::reference(Storage::WriteParams::Builder(request), buffer->data(), size));
  buffer.reset();
  auto answer = co_await rpc::call(runtime, request.send(), 20s);
  if (owned != nullptr) *owned = answer.getInfo().getWriters() == 1;
  co_return answer.getOffset();
}

TEST_P(RpcTest, messages_of_every_size_arrive_whole) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    for (std::size_t size : {1u, 7u, 8u, 100u, 4096u, 8000u, 9000u, 65536u, 70000u, 1u << 20, (1u << 20) + 3}) {
      const auto got = co_await writeBytes(*runtime, *connection, size);
      EXPECT_EQ(got, size + 7) << size;
    }
  };
  run(test());
}

TEST_P(RpcTest, large_bodies_have_an_owner_that_outlives_the_call) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    bool owned = false;
    co_await writeBytes(*runtime, *connection, 1 << 20, &owned);
    EXPECT_TRUE(owned);
  };
  run(test());
}

TEST_P(RpcTest, answers_may_reference_buffers) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    for (std::uint32_t size : {8u, 4096u, 1u << 20}) {
      auto storage = connection->bootstrap<Storage>();
      auto request = storage.readRequest();
      request.setLength(size);
      auto answer = co_await rpc::call(*runtime, request.send(), 5s);
      EXPECT_EQ(answer.getData().size(), size);
      EXPECT_EQ(answer.getData()[size - 1], 0x5a);
    }
  };
  run(test());
}

TEST_P(RpcTest, many_calls_at_once_are_all_answered) {
  int answered = 0;
  auto one = [&, this](std::shared_ptr<rpc::Connection> connection, std::size_t size) -> Task<void> {
    for (int i = 0; i < 20; ++i) {
      const auto got = co_await writeBytes(*runtime, *connection, size + i);
      EXPECT_EQ(got, size + i + 7);
      ++answered;
    }
  };
  auto test = [&, this]() -> Task<void> {
    auto connection = co_await connect();
    for (int i = 0; i < 16; ++i) runtime->spawn("one", one(connection, 1000 + i * 50'000));
    while (answered < 320) co_await clock.sleep(1ms);
  };
  run(test());
  EXPECT_EQ(answered, 320);
}

TEST_P(RpcTest, a_call_without_an_answer_ends_at_its_deadline) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    auto storage = connection->bootstrap<Storage>();
    try {
      co_await rpc::call(*runtime, storage.statRequest().send(), 20ms);
      ADD_FAILURE() << "answered";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::timeout);
    }
  };
  run(test());
}

TEST_P(RpcTest, a_handlers_error_reaches_the_caller) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    auto storage = connection->bootstrap<Storage>();
    try {
      co_await rpc::call(*runtime, storage.syncRequest().send(), 5s);
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::overloaded);
    }
  };
  run(test());
}

TEST_P(RpcTest, a_server_that_goes_fails_outstanding_calls_at_once) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    bool closed = false;
    connection->onClosed([&] { closed = true; });
    auto storage = connection->bootstrap<Storage>();
    co_await rpc::call(*runtime, storage.pingRequest().send(), 5s);
    auto timer = clock.callAt(clock.now() + 10ms, [this] { server.reset(); });
    try {
      co_await rpc::call(*runtime, storage.statRequest().send(), 10s);
      ADD_FAILURE() << "answered";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unavailable);
    }
    while (!closed) co_await clock.sleep(1ms);
    EXPECT_FALSE(connection->alive());
  };
  run(test());
}

TEST_P(RpcTest, who_asks_again_while_the_session_ends_is_told_so) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    auto ping = [&] { return connection->bootstrap<Storage>().pingRequest().send(); };
    co_await rpc::call(*runtime, ping(), 5s);
    server.reset();
    // The first learns of the end before the connection itself does.
    for (int refused = 0; refused < 3;) {
      try {
        co_await rpc::call(*runtime, ping(), 5s);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::unavailable);
        ++refused;
      }
    }
    while (connection->alive()) co_await clock.sleep(1ms);
  };
  run(test());
}

TEST_P(RpcTest, a_hanging_server_is_noticed_by_pings) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    auto storage = connection->bootstrap<Storage>();
    connection->startPings([storage]() mutable { return storage.pingRequest().send().ignoreResult(); }, 5ms, 50ms);
    co_await clock.sleep(100ms);
    EXPECT_TRUE(connection->alive());
    hang = true;
    try {
      co_await rpc::call(*runtime, storage.statRequest().send(), 10s);
      ADD_FAILURE() << "answered";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unavailable);
    }
  };
  run(test());
}

TEST_P(RpcTest, what_was_answered_had_arrived) {
  auto test = [this]() -> Task<void> {
    auto connection = co_await connect();
    co_await writeBytes(*runtime, *connection, 3 << 20);
    EXPECT_GT(connection->link().sent(), 3u << 20);
    EXPECT_GT(connection->link().arrived(), 3u << 20);
    EXPECT_LE(connection->link().arrived(), connection->link().sent());
  };
  run(test());
}

TEST_P(RpcTest, nobody_listening_is_an_error_with_the_address) {
  auto test = [this]() -> Task<void> {
    try {
      co_await rpc::Connection::connect(*runtime, "127.0.0.1:1", 2s);
      ADD_FAILURE() << "connected";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unavailable);
      EXPECT_NE(e.detail().find("127.0.0.1:1"), std::string::npos);
    }
  };
  run(test());
}

// A host that takes connections and whose process reads nothing.
TEST(TcpLinkTest, what_a_peer_has_no_room_for_has_not_arrived) {
  asio::io_context io;
  rpc::KjLoop kj{io};
  SystemClock clock(io);
  TcpTransport transport(io, clock);
  Runtime runtime{io, clock, transport, std::mt19937_64(1)};
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket peer(io);
  acceptor.async_accept(peer, [](asio::error_code) {});
  constexpr std::size_t kBytes = 64u << 20;
  auto test = [&]() -> Task<void> {
    const std::string address = "127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    auto connection = co_await rpc::Connection::connect(runtime, address, 5s);
    runtime.spawn("write", [](Runtime& rt, std::shared_ptr<rpc::Connection> to) -> Task<void> {
      try {
        co_await writeBytes(rt, *to, kBytes);
      } catch (const Error&) {  // it is never answered
      }
    }(runtime, connection));
    const TimePoint end = clock.now() + 5s;
    while (connection->link().arrived() == 0 && clock.now() < end) co_await clock.sleep(1ms);
    EXPECT_GT(connection->link().arrived(), 0u);
    EXPECT_LT(connection->link().arrived(), kBytes);
    EXPECT_GT(connection->link().sent(), kBytes);
    connection->close("the test ends");
  };
  bool done = false;
  asio::co_spawn(io, test(), [&](std::exception_ptr) { done = true; });
  while (!done) io.run_one();
  for (int i = 0; i < 100; ++i) io.poll();
}

// A megabyte over a slow line takes seconds: what comes of it is a sign of life.
TEST(TcpLinkTest, what_has_come_of_a_message_counts_before_it_is_whole) {
  asio::io_context io;
  SystemClock clock(io);
  TcpTransport transport(io, clock);
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket peer(io);
  const std::array<std::uint32_t, 4> begun{0, 1000, 0, 0};  // one segment of 1000 words, and the first word of it
  acceptor.async_accept(peer, [&](asio::error_code) { peer.send(asio::buffer(begun)); });
  std::uint64_t received = 0;
  auto test = [&]() -> Task<void> {
    auto link =
        co_await transport.connect("127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()), Duration(5s));
    auto message = link->stream().tryReadMessage(nullptr, {}, nullptr);
    const TimePoint end = clock.now() + 5s;
    while (link->received() < sizeof begun && clock.now() < end) co_await clock.sleep(1ms);
    received = link->received();
  };
  bool done = false;
  rpc::KjLoop kj{io};
  asio::co_spawn(io, test(), [&](std::exception_ptr) { done = true; });
  while (!done) io.run_one();
  EXPECT_EQ(received, sizeof begun);
}

// Those of this process that a program which it starts would have as well.
std::set<int> inheritable() {
  std::set<int> found;
  for (int fd = 3; fd < 1024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) found.insert(fd);
  }
  return found;
}

TEST(TcpLinkTest, programs_that_are_started_get_neither_connections_nor_ports) {
  const std::set<int> before = inheritable();
  asio::io_context io;
  rpc::KjLoop kj{io};
  SystemClock clock(io);
  TcpTransport transport(io, clock);
  std::vector<std::unique_ptr<Link>> links;
  auto listener =
      transport.listen("127.0.0.1:0", [&](std::unique_ptr<Link> link) { links.push_back(std::move(link)); });
  auto test = [&]() -> Task<void> { links.push_back(co_await transport.connect(listener->address(), 5s)); };
  asio::co_spawn(io, test(), asio::detached);
  while (links.size() < 2) io.run_one();
  EXPECT_EQ(inheritable(), before);
}

INSTANTIATE_TEST_SUITE_P(Transports, RpcTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "tcp" : "memory"; });

}  // namespace
}  // namespace vcfs
