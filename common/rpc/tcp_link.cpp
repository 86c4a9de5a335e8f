#include "common/rpc/tcp_link.h"

#include <fcntl.h>
#include <kj/debug.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/rpc/socket_input.h"
#include "common/rpc/socket_output.h"

namespace vcfs::rpc {

namespace {

constexpr std::size_t kOutputHigh = 256u << 10;  // more than this waiting: writers wait
constexpr std::size_t kLazyMessages = 8;         // bookkeeping messages that wait for company
constexpr auto kLazyFor = std::chrono::milliseconds(5);
constexpr int kMessagesPerTurn = 64;  // then other connections get their turn
constexpr std::size_t kBodyBytesPerTurn = 8u << 20;

using Messages = SocketInput::Message;

// `finish` and `release` only tell the peer that it may forget something: nobody waits for them, so they travel with
// the next message that matters. (rpc.capnp: Message is a union whose tag is the first 16 bits behind the root
// pointer.)
bool isBookkeeping(Segments segments) {
  if (segments.size() != 1 || segments[0].size() < 2) return false;
  std::uint64_t root = 0;
  std::uint16_t tag = 0;
  std::memcpy(&root, segments[0].begin(), sizeof root);
  std::memcpy(&tag, segments[0].begin() + 1, sizeof tag);
  constexpr std::uint16_t kFinish = 4, kRelease = 6;
  return (root & 0xffffffffu) == 0 && (tag == kFinish || tag == kRelease);
}

}  // namespace

class TcpLink::State final : public capnp::MessageStream, public std::enable_shared_from_this<State> {
 public:
  State(asio::ip::tcp::socket socket, std::string peer)
      : socket_(std::move(socket)),
        fd_(nonBlocking(socket_)),
        input_(fd_),
        output_(fd_),
        lazyTimer_(socket_.get_executor()),
        peer_(std::move(peer)) {}

  // ---- reading

  kj::Promise<Messages> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions options,
                                       kj::ArrayPtr<capnp::word>) override {
    readOptions_ = options;
    if (--turnBudget_ > 0 && input_.bodyBytes() - bytesBeforeTurn_ < kBodyBytesPerTurn) {
      Messages message = nullptr;
      if (next(message)) return kj::mv(message);
    } else {
      yielding_ = true;
    }
    auto pair = kj::newPromiseAndFulfiller<Messages>();
    reader_ = kj::mv(pair.fulfiller);
    waitReadable();
    return kj::mv(pair.promise);
  }

  // ---- writing

  // Cap'n Proto writes one message after the other, so one waiter is enough.
  kj::Promise<void> writeMessage(kj::ArrayPtr<const int>, Segments segments) override {
    if (error_ != nullptr) return disconnected(error_);
    if (output_.add(segments)) {
      if (isBookkeeping(segments) && ++lazy_ < kLazyMessages) {
        scheduleLazyFlush();
      } else {
        scheduleFlush();
      }
      if (output_.waiting() <= kOutputHigh) return kj::READY_NOW;
      return promiseWritten();
    }
    auto promise = promiseWritten();
    flush();
    return promise;
  }

  kj::Promise<void> writeMessages(kj::ArrayPtr<Segments> messages) override {
    kj::Promise<void> all = kj::READY_NOW;
    for (auto message : messages) {
      all = all.then([this, message]() { return writeMessage(nullptr, message); });
    }
    return all;
  }

  kj::Maybe<int> getSendBufferSize() override { return 4 << 20; }

  kj::Promise<void> end() override {
    flush();
    asio::error_code ignored;
    if (error_ == nullptr && output_.waiting() == 0) socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    return kj::READY_NOW;
  }

  // ---- the rest

  void hold(const void* data, std::shared_ptr<const void> owner) {
    const Duration now = std::chrono::steady_clock::now().time_since_epoch();
    output_.hold(data, std::move(owner), TimePoint{now.count()});
  }

  void close(const char* reason) {
    if (error_ != nullptr) return;
    error_ = reason;
    asio::error_code ignored;
    // What a cut network did not let out must not arrive when it is mended, minutes behind what was said since over
    // other connections: the kernel drops it.
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
    socket_.close(ignored);
    lazyTimer_.cancel();
    output_.clear();
    // The loop must not run KJ's continuations below whoever called close().
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->failWaiters(); });
  }

  // The stream is gone: nobody may be told anything any more.
  void abandon() {
    close("closed");
    reader_ = nullptr;
    written_ = nullptr;
    output_.dropHolds();
  }

  const std::string& peer() const { return peer_; }
  std::uint64_t received() const { return input_.received(); }
  std::uint64_t sent() const { return output_.toKernel() + output_.waiting(); }

  // What the peer's kernel has acknowledged.
  std::uint64_t arrived() const {
    int waiting = 0;
    if (error_ != nullptr || ::ioctl(fd_, SIOCOUTQ, &waiting) != 0) return arrived_;
    arrived_ = output_.toKernel() - std::min<std::uint64_t>(output_.toKernel(), static_cast<std::uint64_t>(waiting));
    return arrived_;
  }

  Duration roundTrip() const {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (error_ != nullptr || ::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
    return std::chrono::microseconds(info.tcpi_rtt);
  }

 private:
  static int nonBlocking(asio::ip::tcp::socket& socket) {
    socket.non_blocking(true);
    socket.native_non_blocking(true);
    // A child that our process starts (the library lives in conference servers) must not keep the connection up, and
    // with it what the servers hold for us, when we are gone.
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    return socket.native_handle();
  }

  // ---- reading

  bool next(Messages& message) {
    if (error_ != nullptr) kj::throwFatalException(disconnected(error_));
    return input_.next(message, readOptions_);
  }

  void waitReadable() {
    if (error_ != nullptr) {
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->failWaiters(); });
      return;
    }
    turnBudget_ = kMessagesPerTurn;
    bytesBeforeTurn_ = input_.bodyBytes();
    if (yielding_) {
      yielding_ = false;
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->onReadable(); });
      return;
    }
    socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](asio::error_code error) {
      if (!error) self->onReadable();
    });
  }

  void onReadable() {
    if (!reader_) return;
    auto failure = kj::runCatchingExceptions([this] {
      Messages message = nullptr;
      if (!next(message)) return waitReadable();
      auto reader = kj::mv(reader_);
      reader->fulfill(kj::mv(message));
    });
    KJ_IF_MAYBE (e, failure) {
      if (reader_) {
        auto reader = kj::mv(reader_);
        reader->reject(kj::mv(*e));
      }
    }
  }

  void failWaiters() {
    output_.dropHolds();
    if (reader_) {
      auto reader = kj::mv(reader_);
      reader->reject(disconnected(error_));
    }
    if (written_) {
      auto written = kj::mv(written_);
      written->reject(disconnected(error_));
    }
  }

  // ---- writing

  kj::Promise<void> promiseWritten() {
    auto pair = kj::newPromiseAndFulfiller<void>();
    written_ = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }

  void scheduleFlush() {
    if (flushPosted_) return;
    flushPosted_ = true;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      self->flushPosted_ = false;
      self->flush();
    });
  }

  void scheduleLazyFlush() {
    if (flushPosted_ || lazyArmed_) return;
    lazyArmed_ = true;
    lazyTimer_.expires_after(kLazyFor);
    lazyTimer_.async_wait([self = shared_from_this()](asio::error_code error) {
      self->lazyArmed_ = false;
      if (!error && self->error_ == nullptr && self->lazy_ > 0) self->flush();
    });
  }

  void flush() {
    lazy_ = 0;
    if (error_ != nullptr || writeBlocked_) return;
    switch (output_.flush()) {
      case SocketOutput::Sent::failed:
        return close(std::strerror(errno));
      case SocketOutput::Sent::blocked:
        return waitWritable();
      case SocketOutput::Sent::all:
        break;
    }
    if (!written_) return;
    auto written = kj::mv(written_);
    written->fulfill();
  }

  void waitWritable() {
    writeBlocked_ = true;
    socket_.async_wait(asio::socket_base::wait_write, [self = shared_from_this()](asio::error_code error) {
      self->writeBlocked_ = false;
      if (!error) self->flush();
    });
  }

  asio::ip::tcp::socket socket_;
  int fd_;
  SocketInput input_;
  SocketOutput output_;
  asio::steady_timer lazyTimer_;
  std::string peer_;
  const char* error_ = nullptr;  // why nothing goes any more; null while it does

  capnp::ReaderOptions readOptions_;
  kj::Own<kj::PromiseFulfiller<Messages>> reader_;
  bool yielding_ = false;
  int turnBudget_ = kMessagesPerTurn;
  std::uint64_t bytesBeforeTurn_ = 0;

  kj::Own<kj::PromiseFulfiller<void>> written_;
  mutable std::uint64_t arrived_ = 0;  // as it was known last
  bool flushPosted_ = false;
  std::size_t lazy_ = 0;  // bookkeeping messages that wait
  bool lazyArmed_ = false;
  bool writeBlocked_ = false;
};

TcpLink::TcpLink(asio::ip::tcp::socket socket, std::string peer)
    : state_(std::make_shared<State>(std::move(socket), std::move(peer))) {}
TcpLink::~TcpLink() { state_->abandon(); }
capnp::MessageStream& TcpLink::stream() { return *state_; }
const std::string& TcpLink::peer() const { return state_->peer(); }
void TcpLink::hold(const void* data, std::shared_ptr<const void> owner) { state_->hold(data, std::move(owner)); }
void TcpLink::close() { state_->close("closed"); }
std::uint64_t TcpLink::received() const { return state_->received(); }
std::uint64_t TcpLink::sent() const { return state_->sent(); }
std::uint64_t TcpLink::arrived() const { return state_->arrived(); }
Duration TcpLink::roundTrip() const { return state_->roundTrip(); }

}  // namespace vcfs::rpc
