#include "storage/cluster/peers.h"

#include <gtest/gtest.h>

#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"

namespace vcfs::storage {
namespace {

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
