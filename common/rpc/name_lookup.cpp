#include "common/rpc/name_lookup.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <optional>

#include "common/base/error.h"

namespace vcfs {

using asio::ip::tcp;

struct NameLookup::Name {
  explicit Name(asio::io_context& io) : answered(io) {}
  Signal answered;
  bool asking = false;
  TimePoint askedAt;
  asio::error_code failure;  // of the last answer
  Addresses found;           // by the last one that found any
  std::optional<asio::ip::address> reached;

  void sort() {
    if (!reached) return;
    std::stable_partition(found.begin(), found.end(), [this](const auto& address) { return address == *reached; });
  }
};

namespace {

NameLookup::Ask systemOf(asio::io_context& io) {
  return [&io](const std::string& host, NameLookup::Answer answer) {
    auto resolver = std::make_shared<tcp::resolver>(io);
    resolver->async_resolve(host, "",
                            [resolver, answer = std::move(answer)](asio::error_code error, const auto& results) {
                              NameLookup::Addresses found;
                              for (const auto& entry : results) found.push_back(entry.endpoint().address());
                              answer(error, std::move(found));
                            });
  };
}

}  // namespace

NameLookup::NameLookup(asio::io_context& io, Clock& clock) : NameLookup(io, clock, systemOf(io)) {}

NameLookup::NameLookup(asio::io_context& io, Clock& clock, Ask ask) : io_(io), clock_(clock), ask_(std::move(ask)) {}

std::shared_ptr<NameLookup::Name> NameLookup::named(const std::string& host) {
  if (auto known = names_.find(host); known != names_.end()) return known->second;
  if (names_.size() >= kNames) {
    std::erase_if(names_, [](const auto& entry) { return !entry.second->asking; });
  }
  return names_[host] = std::make_shared<Name>(io_);
}

void NameLookup::begin(const std::string& host, const std::shared_ptr<Name>& name) {
  name->asking = true;
  name->askedAt = clock_.now();
  ask_(host, [name](asio::error_code error, Addresses found) {
    name->asking = false;
    name->failure = error;
    if (!error && !found.empty()) {
      name->found = std::move(found);
      name->sort();
    }
    name->answered.notifyAll();
  });
}

Task<NameLookup::Addresses> NameLookup::find(std::string host, Duration limit) {
  const std::shared_ptr<Name> name = named(host);
  if (!name->asking) begin(host, name);
  // Who has something to go by does not wait for a question that others have waited for in vain.
  const TimePoint until = (name->found.empty() ? clock_.now() : name->askedAt) + limit;
  while (name->asking && clock_.now() < until) co_await name->answered.waitFor(clock_, until - clock_.now());
  if (!name->found.empty()) co_return name->found;
  if (name->asking) throw Error(Errc::timeout, "no answer to the name look-up of " + host, Error::Unasked{});
  const std::string why = name->failure ? name->failure.message() : "it has no address";
  throw Error(Errc::unavailable, "cannot look up host " + host + ": " + why, Error::Unasked{});
}

void NameLookup::reached(const std::string& host, const asio::ip::address& address) {
  auto known = names_.find(host);
  if (known == names_.end() || known->second->reached == address) return;
  known->second->reached = address;
  known->second->sort();
}

}  // namespace vcfs
