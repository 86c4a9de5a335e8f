#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "schema/convert.h"
#include "tests/unit/tracker/engines.h"

namespace vcfs::tracker::test {

// One host of the in-memory network with a connection to a tracker.
class Client {
 public:
  // Sends, waits, throws the answer's status.
  template <class Request>
  auto call(Request request) {
    auto response = loop_.run(rpc::call(runtime_, request.send(), std::chrono::seconds(5)));
    schema::check(response.getStatus());
    return response;
  }

  Client(Loop& loop, const std::string& host, const std::string& kind, ClientId id,
         const std::string& tracker = "tracker:1")
      : loop_(loop),
        transport_(loop.network, host),
        runtime_{loop.io, loop.clock, transport_, std::mt19937_64(id)},
        id_(id) {
    connection_ = loop.run(rpc::Connection::connect(runtime_, tracker, std::chrono::seconds(1)));
    tracker_.emplace(connection_->bootstrap<schema::Tracker>());
    auto hello = tracker_->helloRequest();
    hello.setProtocol(schema::PROTOCOL_VERSION);
    hello.setClient(id);
    hello.setHost(host);
    hello.setKind(kind);
    hello.setPath("/mnt/" + host);
    call(std::move(hello));
  }

  schema::Tracker::Client& tracker() { return *tracker_; }
  rpc::Connection& connection() { return *connection_; }

  auto create(const std::string& name, InodeId parent = kRootInode) {
    auto request = tracker().createRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setMode(0644);
    request.setExclusive(true);
    request.setType(schema::FileType::REGULAR);
    request.getRequest().setClient(id_);
    request.getRequest().setSequence(++sequence_);
    return call(std::move(request));
  }

  auto registration(const std::string& name, std::uint64_t instance, StorageId previous, bool empty) {
    auto request = tracker().registerStorageRequest();
    request.setName(name);
    request.setGroup("g1");
    request.setZone("zone-" + name);
    request.setAddress(name + ":1");
    request.setDataDirectory("/data/" + name);
    request.setCapacityBytes(std::uint64_t{100} << 30);
    request.setFreeBytes(std::uint64_t{90} << 30);
    request.setInstance(instance);
    request.setPrevious(previous);
    request.setEmpty(empty);
    return request;
  }
  StorageId registerStorage(const std::string& name, std::uint64_t instance = 1, StorageId previous = 0,
                            bool empty = false) {
    return call(registration(name, instance, previous, empty)).getStorage();
  }

  Runtime& runtime() { return runtime_; }
  std::uint64_t nextSequence() { return ++sequence_; }

 private:
  Loop& loop_;
  MemoryTransport transport_;
  Runtime runtime_;
  ClientId id_;
  std::shared_ptr<rpc::Connection> connection_;
  std::optional<schema::Tracker::Client> tracker_;
  std::uint64_t sequence_ = 0;
};

}  // namespace vcfs::tracker::test
