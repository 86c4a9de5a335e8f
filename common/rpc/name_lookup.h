#pragma once

#include <asio/ip/address.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/async/signal.h"

namespace vcfs {

// Which addresses a host's name stands for, as the system says (/etc/hosts, DNS). What it is asked cannot be stopped
// and may take it half a minute: who waits leaves at his own limit, the answer is there for the next one, and until
// then what was answered before does. One question per name is under way at a time. Loop thread only.
class NameLookup {
 public:
  using Addresses = std::vector<asio::ip::address>;
  using Answer = std::function<void(asio::error_code, Addresses)>;
  // Asks the system and tells `answer` once, on the loop.
  using Ask = std::function<void(const std::string& host, Answer answer)>;

  NameLookup(asio::io_context& io, Clock& clock);  // the system
  NameLookup(asio::io_context& io, Clock& clock, Ask ask);

  // At least one, in the order in which they are to be tried. Where none are found within `limit`, those of last time.
  // Throws Error(timeout), Error(unavailable), both unasked(), when there are none either.
  Task<Addresses> find(std::string host, Duration limit);
  // The host was connected to at this one: it is the first from now on.
  void reached(const std::string& host, const asio::ip::address& address);

 private:
  // Of so many names the answers are kept; then those are forgotten that nobody is asking for.
  static constexpr std::size_t kNames = 1000;
  struct Name;
  std::shared_ptr<Name> named(const std::string& host);
  void begin(const std::string& host, const std::shared_ptr<Name>& name);

  asio::io_context& io_;
  Clock& clock_;
  Ask ask_;
  std::map<std::string, std::shared_ptr<Name>> names_;
};

}  // namespace vcfs
