#pragma once

#include <set>
#include <stdexcept>

#include "common/async/signal.h"
#include "common/base/error.h"
#include "tracker/catalog/catalog.h"

namespace vcfs::tracker::test {

// A catalog whose writes a test refuses, and whose reads it counts, lets fail, or holds between what they found
// and their end.
class HeldCatalog final : public Catalog {
 public:
  HeldCatalog(asio::io_context& io, Catalog& inner) : inner_(inner), changed_(io) {}

  Task<void> writeBody(Body body, Durability durability) override {
    refused += refusesWrites ? 1 : 0;
    if (refusesWrites) throw Error(Errc::unavailable, "injected");
    return inner_.writeBody(std::move(body), durability);
  }
  Task<void> readBody(Body body) override {
    const std::size_t number = begun++;
    if (fails) throw std::runtime_error("injected");
    co_await inner_.readBody(std::move(body));
    ++found;
    while (holds && !released_.contains(number)) co_await changed_.wait();
  }
  Task<void> sync() override { return inner_.sync(); }
  std::string engine() const override { return inner_.engine(); }
  bool shared() const override { return shares || inner_.shared(); }

  // Reads count from 0.
  void release(std::size_t number) {
    released_.insert(number);
    changed_.notifyAll();
  }
  void releaseAll() {
    holds = false;
    changed_.notifyAll();
  }

  std::size_t begun = 0;
  std::size_t found = 0;
  bool fails = false;
  bool shares = false;  // with other trackers
  bool refusesWrites = false;
  std::size_t refused = 0;
  bool holds = false;

 private:
  Catalog& inner_;
  Signal changed_;
  std::set<std::size_t> released_;
};

}  // namespace vcfs::tracker::test
