#include "storage/cluster/peers.h"

#include <capnp/any.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"

namespace vcfs::storage {
namespace {

// What it answers to hello cannot be decoded while it `garbles`.
class Greeter final : public schema::Storage::Server {
 public:
  explicit Greeter(const bool& garbles) : garbles_(garbles) {}
  kj::Promise<void> hello(HelloContext context) override {
    context.getResults().setStorage(2);
    constexpr std::uint64_t kBeyond = (1ULL << 32) | 0x3ffffffc;  // the message's end
    capnp::AnyStruct::Builder results = context.getResults();
    if (garbles_) std::memcpy(results.getDataSection().end(), &kBeyond, sizeof kBeyond);
    return kj::READY_NOW;
  }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }

 private:
  const bool& garbles_;
};

TEST(Peers, one_whose_greeting_cannot_be_decoded_is_greeted_again) {
  asio::io_context io;
  rpc::KjLoop kj{io};
  ManualClock clock(io);
  MemoryNetwork network(io, clock);
  MemoryTransport here(network, "here"), there(network, "there");
  Runtime runtime{io, clock, here, std::mt19937_64(1)};
  Runtime remote{io, clock, there, std::mt19937_64(2)};
  bool garbles = true;
  const rpc::Server server(remote, "there:1",
                           [&](std::shared_ptr<rpc::Connection>) { return kj::heap<Greeter>(garbles); });
  const Options options;
  Peers peers(runtime, options, [](const std::string&) {});
  const auto poll = [&io] {
    io.restart();
    while (io.poll() != 0) io.restart();
  };
  // Whether it was connected to.
  const auto connects = [&] {
    std::optional<bool> up;
    peers.withSession("there:1", 2, [&up](PeerSession* session) { up = session != nullptr; });
    for (int i = 0; i < 10'000 && !up; ++i) {
      clock.advance(std::chrono::milliseconds(1));
      poll();
    }
    return up;
  };
  EXPECT_EQ(connects(), false);
  garbles = false;
  EXPECT_EQ(connects(), true);
  peers.closeAll();
  poll();
}

TEST(Peers, what_waits_for_a_connection_is_let_go_when_all_is_closed) {
  asio::io_context io;
  rpc::KjLoop kj{io};
  SystemClock clock(io);
  MemoryNetwork network(io, clock);
  MemoryTransport transport(network, "here");
  Runtime runtime{io, clock, transport, std::mt19937_64(1)};
  const Options options;
  auto held = std::make_shared<int>();  // as a waiting write holds the node, whose member Peers is
  {
    Peers peers(runtime, options, [](const std::string&) {});
    bool called = false;
    peers.withSession("nobody:1", 0, [held, &called](PeerSession*) { called = true; });
    EXPECT_EQ(held.use_count(), 2);
    peers.closeAll();
    EXPECT_EQ(held.use_count(), 1);
    for (int i = 0; i < 100; ++i) io.poll();
    EXPECT_FALSE(called);
  }
  for (int i = 0; i < 100; ++i) io.poll();
}

}  // namespace
}  // namespace vcfs::storage
