#include "common/rpc/memory_transport.h"

#include <kj/debug.h>

#include <cstring>
#include <deque>

#include "common/base/error.h"
#include "common/base/settings.h"
#include "common/rpc/received.h"

namespace vcfs {

namespace {

using Messages = kj::Maybe<capnp::MessageReaderAndFds>;
using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

kj::Exception disconnected() {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, "", 0, kj::str("connection lost"));
}

struct Message {
  std::shared_ptr<rpc::Received> bytes;
  kj::Array<uint32_t> segmentWords;
};

class End;

// One direction of a link. What arrives while its hosts are cut off, or the receiver stands still, waits here, in
// order, for that to end: as with TCP, nothing is ever missing from the middle of a stream.
struct Way {
  std::string from;
  std::string to;
  std::deque<std::function<void()>> held;
};

}  // namespace

struct MemoryNetwork::Impl {
  Impl(asio::io_context& i, Clock& c) : io(i), clock(c) {}
  asio::io_context& io;
  Clock& clock;
  std::function<Duration(const std::string&, const std::string&)> delay;
  std::set<std::pair<std::string, std::string>> cuts;
  std::set<std::string> stopped;
  struct Port {
    std::string host;
    std::function<void(std::unique_ptr<Link>)> accepted;
  };
  std::map<std::string, std::shared_ptr<Port>> listeners;
  std::map<std::uint64_t, End*> ends;  // in order of their making, so that a seed gives the same run again
  std::uint64_t nextEnd = 0;
  std::vector<std::shared_ptr<Way>> holding;
  std::uint16_t nextPort = 40000;

  bool isCut(const std::string& from, const std::string& to) const { return cuts.count({from, to}) > 0; }
  bool holds(const Way& way) const { return isCut(way.from, way.to) || stopped.contains(way.to); }
  Duration delayOf(const std::string& from, const std::string& to) const {
    return delay ? delay(from, to) : Duration{};
  }

  void arrive(const std::shared_ptr<Way>& way, std::function<void()> action) {
    if (way->held.empty() && !holds(*way)) return action();
    if (way->held.empty()) holding.push_back(way);
    way->held.push_back(std::move(action));
  }

  // What may have become free; each stays behind what is held when it is cut again meanwhile.
  void releaseThose(const std::function<bool(const Way&)>& concerned, const std::shared_ptr<Impl>& self) {
    for (const auto& way : holding) {
      if (concerned(*way)) asio::post(io, [self, way] { self->release(way); });
    }
  }

  void release(const std::shared_ptr<Way>& way) {
    while (!way->held.empty() && !holds(*way)) {
      auto action = std::move(way->held.front());
      way->held.pop_front();
      action();
    }
    if (way->held.empty()) std::erase(holding, way);
  }
};

namespace {

// One end of a link.
class End final : public capnp::MessageStream, public std::enable_shared_from_this<End> {
 public:
  End(std::shared_ptr<MemoryNetwork::Impl> network, std::string host, std::string peerHost)
      : network_(std::move(network)),
        host_(std::move(host)),
        peerHost_(std::move(peerHost)),
        way_(std::make_shared<Way>()),
        number_(network_->nextEnd++) {
    way_->from = host_;
    way_->to = peerHost_;
    network_->ends.emplace(number_, this);
  }
  ~End() { network_->ends.erase(number_); }
  void pair(const std::shared_ptr<End>& other) { other_ = other; }
  const std::string& host() const { return host_; }
  const std::shared_ptr<Way>& way() const { return way_; }

  kj::Promise<Messages> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions options,
                                       kj::ArrayPtr<capnp::word>) override {
    options_ = options;
    if (!inbox_.empty()) return take();
    if (closed_) return disconnected();
    auto pair = kj::newPromiseAndFulfiller<Messages>();
    reader_ = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }

  kj::Promise<void> writeMessage(kj::ArrayPtr<const int>, Segments segments) override {
    if (closed_) return disconnected();
    send(copy(segments));
    release(segments);
    return kj::READY_NOW;
  }

  kj::Promise<void> writeMessages(kj::ArrayPtr<Segments> messages) override {
    for (auto message : messages) {
      if (!closed_) send(copy(message));
      release(message);
    }
    if (closed_) return disconnected();
    return kj::READY_NOW;
  }

  void hold(const void* data, std::shared_ptr<const void> owner) { holds_.emplace(data, std::move(owner)); }

  kj::Maybe<int> getSendBufferSize() override { return 4 << 20; }
  kj::Promise<void> end() override { return kj::READY_NOW; }

  // Both ends learn of it, this one at once.
  void close() {
    if (closed_) return;
    closed_ = true;
    failLater();
    way_->held.clear();  // as TcpLink does: what did not get out yet is not sent any more
    after([weak = other_] {
      if (auto other = weak.lock()) other->lost();
    });
  }

  void lost() {
    if (closed_) return;
    closed_ = true;
    failLater();
  }

  void abandon() {
    close();
    reader_ = nullptr;
    holds_.clear();
  }

  std::uint64_t received() const { return received_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t arrived() const { return arrived_; }
  Duration roundTrip() const {
    const auto other = other_.lock();
    return lastDelay_ + (other ? other->lastDelay_ : lastDelay_);
  }

 private:
  void release(Segments segments) {
    if (holds_.empty()) return;
    for (auto segment : segments) {
      auto held = holds_.find(segment.begin());
      if (held != holds_.end()) holds_.erase(held);
    }
  }

  static Message copy(Segments segments) {
    std::size_t words = 0;
    Message message;
    message.segmentWords = kj::heapArray<uint32_t>(segments.size());
    for (std::size_t i = 0; i < segments.size(); ++i) {
      message.segmentWords[i] = static_cast<uint32_t>(segments[i].size());
      words += segments[i].size();
    }
    message.bytes = rpc::Received::make(words * sizeof(capnp::word));
    std::byte* out = message.bytes->data();
    for (auto segment : segments) {
      if (segment.size() > 0) std::memcpy(out, segment.begin(), segment.size() * sizeof(capnp::word));
      out += segment.size() * sizeof(capnp::word);
    }
    return message;
  }

  // Keeps the order of what is under way although delays may differ.
  void after(std::function<void()> inner) {
    std::function<void()> action = [network = network_, way = way_, inner = std::move(inner)] {
      network->arrive(way, inner);
    };
    lastDelay_ = network_->delayOf(host_, peerHost_);
    const TimePoint due = network_->clock.now() + lastDelay_;
    lastDue_ = std::max(lastDue_, due);
    // One that is due now may still stand behind others of the same moment.
    if (lastDue_ <= network_->clock.now() && *timed_ == 0) {
      asio::post(network_->io, std::move(action));
      return;
    }
    ++*timed_;
    auto slot = std::make_shared<std::unique_ptr<Clock::Timer>>();
    *slot = network_->clock.callAt(lastDue_, [slot, timed = timed_, action = std::move(action)] {
      --*timed;
      action();
      auto timer = std::move(*slot);
    });
  }

  void send(Message message) {
    auto boxed = std::make_shared<Message>(std::move(message));
    const std::size_t bytes = boxed->bytes->size();
    sent_ += bytes;
    after([weak = other_, self = weak_from_this(), boxed, bytes] {
      if (auto sender = self.lock()) sender->arrived_ += bytes;
      if (auto other = weak.lock()) other->deliver(std::move(*boxed));
    });
  }

  void deliver(Message message) {
    if (closed_) return;
    received_ += message.bytes->size();
    inbox_.push_back(std::move(message));
    if (!reader_) return;
    auto reader = kj::mv(reader_);
    reader->fulfill(take());
  }

  Messages take() {
    Message message = std::move(inbox_.front());
    inbox_.pop_front();
    capnp::MessageReaderAndFds result{
        kj::heap<rpc::ReceivedReader>(options_, std::move(message.bytes), kj::mv(message.segmentWords)), nullptr};
    return Messages(kj::mv(result));
  }

  void failLater() {
    asio::post(network_->io, [self = shared_from_this()] {
      if (!self->reader_) return;
      auto reader = kj::mv(self->reader_);
      reader->reject(disconnected());
    });
  }

  std::shared_ptr<MemoryNetwork::Impl> network_;
  std::string host_;
  std::string peerHost_;
  std::shared_ptr<Way> way_;
  const std::uint64_t number_;
  std::weak_ptr<End> other_;
  std::deque<Message> inbox_;
  std::multimap<const void*, std::shared_ptr<const void>> holds_;  // until the message that references them is copied
  kj::Own<kj::PromiseFulfiller<Messages>> reader_;
  capnp::ReaderOptions options_;
  TimePoint lastDue_{};
  std::shared_ptr<std::size_t> timed_ = std::make_shared<std::size_t>(0);  // messages that wait for their time
  bool closed_ = false;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t arrived_ = 0;
  Duration lastDelay_{};
};

class MemoryLink final : public Link {
 public:
  MemoryLink(std::shared_ptr<End> end, std::string peer) : end_(std::move(end)), peer_(std::move(peer)) {}
  ~MemoryLink() override { end_->abandon(); }
  capnp::MessageStream& stream() override { return *end_; }
  const std::string& peer() const override { return peer_; }
  void hold(const void* data, std::shared_ptr<const void> owner) override { end_->hold(data, std::move(owner)); }
  void close() override { end_->close(); }
  std::uint64_t received() const override { return end_->received(); }
  std::uint64_t sent() const override { return end_->sent(); }
  std::uint64_t arrived() const override { return end_->arrived(); }
  Duration roundTrip() const override { return end_->roundTrip(); }

 private:
  std::shared_ptr<End> end_;
  std::string peer_;
};

class MemoryListener final : public Listener {
 public:
  MemoryListener(std::shared_ptr<MemoryNetwork::Impl> network, std::string address,
                 std::shared_ptr<MemoryNetwork::Impl::Port> port)
      : network_(std::move(network)), address_(std::move(address)), port_(std::move(port)) {}
  ~MemoryListener() override {
    auto found = network_->listeners.find(address_);
    if (found != network_->listeners.end() && found->second == port_) network_->listeners.erase(found);
  }
  const std::string& address() const override { return address_; }

 private:
  std::shared_ptr<MemoryNetwork::Impl> network_;
  std::string address_;
  std::shared_ptr<MemoryNetwork::Impl::Port> port_;
};

}  // namespace

MemoryNetwork::MemoryNetwork(asio::io_context& io, Clock& clock) : impl_(std::make_shared<Impl>(io, clock)) {}
MemoryNetwork::~MemoryNetwork() = default;

void MemoryNetwork::setDelay(std::function<Duration(const std::string&, const std::string&)> delay) {
  impl_->delay = std::move(delay);
}
void MemoryNetwork::cut(const std::string& from, const std::string& to) { impl_->cuts.insert({from, to}); }
void MemoryNetwork::heal(const std::string& from, const std::string& to) {
  impl_->cuts.erase({from, to});
  impl_->releaseThose([&](const Way& way) { return way.from == from && way.to == to; }, impl_);
}

void MemoryNetwork::stop(const std::string& host) { impl_->stopped.insert(host); }
void MemoryNetwork::goOn(const std::string& host) {
  impl_->stopped.erase(host);
  impl_->releaseThose([&](const Way& way) { return way.to == host; }, impl_);
}

void MemoryNetwork::reset(const std::string& host) {
  for (auto it = impl_->listeners.begin(); it != impl_->listeners.end();) {
    it = it->second->host == host ? impl_->listeners.erase(it) : std::next(it);
  }
  std::vector<std::shared_ptr<End>> ends;
  for (auto& [number, end] : impl_->ends) {
    if (end->host() == host) ends.push_back(end->shared_from_this());
  }
  for (const auto& end : ends) end->close();
}

MemoryTransport::MemoryTransport(MemoryNetwork& network, std::string host)
    : network_(network.impl_), host_(std::move(host)) {}
MemoryTransport::~MemoryTransport() = default;

Task<std::unique_ptr<Link>> MemoryTransport::connect(std::string address, Duration limit) {
  const std::string target = parseAddress(address).host;
  auto network = network_;
  const std::string host = host_;
  const bool cut = network->isCut(host, target) || network->isCut(target, host);
  const Duration trip = network->delayOf(host, target) + network->delayOf(target, host);
  co_await network->clock.sleep(cut ? limit : std::min(limit, trip));
  if (cut || trip > limit) throw Error(Errc::timeout, "no answer from " + address);
  auto found = network->listeners.find(address);
  if (found == network->listeners.end()) throw Error(Errc::unavailable, "cannot connect to " + address);
  auto near = std::make_shared<End>(network, host, target);
  auto far = std::make_shared<End>(network, target, host);
  near->pair(far);
  far->pair(near);
  const std::string from = host + ":" + std::to_string(network->nextPort++);
  // The server may stand still, and may die before it goes on.
  network->arrive(near->way(), [port = std::weak_ptr(found->second), far, from] {
    if (auto open = port.lock()) open->accepted(std::make_unique<MemoryLink>(far, from));
  });
  co_return std::make_unique<MemoryLink>(near, address);
}

std::unique_ptr<Listener> MemoryTransport::listen(std::string address,
                                                  std::function<void(std::unique_ptr<Link>)> accepted) {
  const HostPort local = parseAddress(address);
  if (local.port == 0) address = local.host + ":" + std::to_string(network_->nextPort++);
  if (network_->listeners.count(address) > 0) throw Error(Errc::unavailable, "port taken: " + address);
  auto port = std::make_shared<MemoryNetwork::Impl::Port>();
  port->host = host_;
  port->accepted = std::move(accepted);
  network_->listeners[address] = port;
  return std::make_unique<MemoryListener>(network_, address, port);
}

}  // namespace vcfs
