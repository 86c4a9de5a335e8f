#pragma once

#include "common/rpc/transport.h"

namespace vcfs::fuse::test {

// For a Runtime whose cluster is a FakeCluster: nobody connects.
class NoTransport final : public Transport {
  Task<std::unique_ptr<Link>> connect(std::string, Duration) override { throw Error(Errc::notSupported); }
  std::unique_ptr<Listener> listen(std::string, std::function<void(std::unique_ptr<Link>)>) override {
    throw Error(Errc::notSupported);
  }
};

}  // namespace vcfs::fuse::test
