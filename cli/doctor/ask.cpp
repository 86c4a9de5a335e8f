#include <asio/buffer.hpp>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include "cli/doctor/probe.h"
#include "common/base/settings.h"

// Every daemon is asked directly.
namespace vcfs::cli::doctor {

namespace {

using Json = nlohmann::ordered_json;
constexpr Duration kLimit = std::chrono::seconds(2);

std::string field(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

void take(Daemon& daemon, const Json& status, std::int64_t asked, std::int64_t answered) {
  daemon.version = field(status, "version");
  daemon.filesystem = field(status, "filesystem");
  daemon.mountOptions = field(status, "mount_options");
  const Json settings = status.value("settings", Json::object());
  for (const auto& [name, value] : settings.items()) daemon.settings[name] = value;
  daemon.roundTripNs = answered - asked;
  const auto clock = status.value("clock_ns", std::int64_t{0});
  if (clock != 0) daemon.clockNs = clock - (asked + daemon.roundTripNs / 2);
}

// The status() of a tracker, storage or ID server; connected before, so that the clock is asked in one round trip.
template <class Client>
Task<std::string> statusOf(Runtime& runtime, Client client) {
  auto promise = client.statusRequest().send();
  auto answer = co_await rpc::call(runtime, kj::mv(promise), kLimit);
  schema::check(answer.getStatus());
  co_return schema::toString(answer.getJson());
}

Task<std::string> askOver(std::shared_ptr<Links> links, const Daemon& daemon, std::string address,
                          std::int64_t& asked) {
  Runtime& runtime = links->runtime();
  if (daemon.role == "tracker") {
    auto client = co_await links->trackerAt(address);
    asked = runtime.clock.wallNs();
    co_return co_await statusOf(runtime, client);
  }
  if (daemon.role == "storage") {
    auto client = co_await links->storageAt(address);
    asked = runtime.clock.wallNs();
    co_return co_await statusOf(runtime, client);
  }
  auto client = co_await links->idServerAt(address);
  asked = runtime.clock.wallNs();
  co_return co_await statusOf(runtime, client);
}

// The socket is closed when the time is over, which ends whatever waits for it.
Task<std::string> getHealth(Runtime& runtime, std::string address) {
  const HostPort at = parseAddress(address);
  auto socket = std::make_shared<asio::ip::tcp::socket>(runtime.io);
  asio::steady_timer timer(runtime.io, kLimit);
  timer.async_wait([socket](asio::error_code error) {
    asio::error_code ignored;
    if (!error) socket->close(ignored);
  });
  asio::ip::tcp::resolver resolver(runtime.io);
  const std::string port = std::to_string(at.port);
  auto places = co_await resolver.async_resolve(at.host, port, asio::use_awaitable);
  co_await asio::async_connect(*socket, places, asio::use_awaitable);
  const std::string request = "GET /healthz HTTP/1.0\r\nHost: " + address + "\r\n\r\n";
  co_await asio::async_write(*socket, asio::buffer(request), asio::use_awaitable);
  std::string answer;
  asio::error_code error;
  auto buffer = asio::dynamic_buffer(answer, 64 << 10);
  co_await asio::async_read(*socket, buffer, asio::redirect_error(asio::use_awaitable, error));
  const auto body = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || answer.find(" 200 ") != 8 || body == std::string::npos) {
    throw Error(Errc::internal, "/healthz is answered by: \"" + answer.substr(0, answer.find('\r')) + "\"");
  }
  co_return answer.substr(body + 4);
}

Task<void> askOne(std::shared_ptr<Links> links, Daemon& daemon, std::string address) {
  Runtime& runtime = links->runtime();
  try {
    std::int64_t asked = runtime.clock.wallNs();
    std::string text;
    if (daemon.role == "httpd") {
      text = co_await getHealth(runtime, address);
    } else {
      text = co_await askOver(links, daemon, address, asked);
    }
    take(daemon, Json::parse(text), asked, runtime.clock.wallNs());
  } catch (const Error& error) {
    daemon.failure = error.detail().empty() ? std::string(error.what()) : error.detail();
  } catch (const std::exception& error) {
    daemon.failure = error.what();
  }
}

}  // namespace

Task<std::vector<Daemon>> askAll(std::shared_ptr<Links> links, const Json& status) {
  std::vector<Daemon> daemons;
  const std::pair<const char*, const char*> roles[] = {
      {"trackers", "tracker"}, {"idservers", "idserver"}, {"storages", "storage"}, {"httpds", "httpd"}};
  for (const auto& [list, role] : roles) {
    for (const auto& item : status.value(list, Json::array())) {
      Daemon daemon;
      daemon.role = role;
      const std::string address = field(item, "address");
      daemon.name = daemon.role == "storage" ? field(item, "name") : address;
      co_await askOne(links, daemon, address);
      daemons.push_back(std::move(daemon));
    }
  }
  co_return daemons;
}

}  // namespace vcfs::cli::doctor
