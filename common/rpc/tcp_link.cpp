#include "common/rpc/tcp_link.h"

#include <kj/debug.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace vcfs::rpc {

namespace {

constexpr std::size_t kInputBytes = 64u << 10;
constexpr std::size_t kCopyUpTo = 8u << 10;      // messages up to this size are copied into the output buffer
constexpr std::size_t kOutputHigh = 256u << 10;  // more than this waiting: writers wait
constexpr std::size_t kLazyMessages = 8;         // bookkeeping messages that wait for company
constexpr auto kLazyFor = std::chrono::milliseconds(5);
constexpr int kMessagesPerTurn = 64;  // then other connections get their turn
constexpr std::size_t kBodyBytesPerTurn = 8u << 20;

using Messages = kj::Maybe<capnp::MessageReaderAndFds>;
using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

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

kj::Exception disconnected(const char* what) {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, "", 0, kj::str("connection lost: ", what));
}

}  // namespace

class TcpLink::State final : public capnp::MessageStream, public std::enable_shared_from_this<State> {
 public:
  State(asio::ip::tcp::socket socket, std::string peer)
      : socket_(std::move(socket)), lazyTimer_(socket_.get_executor()), peer_(std::move(peer)) {
    socket_.non_blocking(true);
    socket_.native_non_blocking(true);
    fd_ = socket_.native_handle();
  }

  // ---- reading

  kj::Promise<Messages> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>, capnp::ReaderOptions options,
                                       kj::ArrayPtr<capnp::word>) override {
    readOptions_ = options;
    if (--turnBudget_ > 0 && turnBytes_ < kBodyBytesPerTurn) {
      Messages message = nullptr;
      if (advance(message)) return kj::mv(message);
    } else {
      yielding_ = true;
    }
    auto pair = kj::newPromiseAndFulfiller<Messages>();
    reader_ = kj::mv(pair.fulfiller);
    waitReadable();
    return kj::mv(pair.promise);
  }

  // ---- writing

  kj::Promise<void> writeMessage(kj::ArrayPtr<const int>, Segments segments) override {
    if (error_ != nullptr) return disconnected(error_);
    std::size_t bytes = 0;
    for (auto segment : segments) bytes += segment.size() * sizeof(capnp::word);
    appendHeader(small_, segments);
    if (bytes <= kCopyUpTo) return writeSmall(segments);
    return writeLarge(segments);
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
    if (error_ == nullptr && out_.empty()) socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    return kj::READY_NOW;
  }

  // ---- the rest

  void hold(const void* data, std::shared_ptr<const void> owner) { holds_.emplace(data, std::move(owner)); }

  void close(const char* reason) {
    if (error_ != nullptr) return;
    error_ = reason;
    asio::error_code ignored;
    // What a cut network did not let out must not arrive when it is mended, minutes behind what was said since over
    // other connections: the kernel drops it.
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    lazyTimer_.cancel();
    out_.clear();
    small_.clear();
    // The loop must not run KJ's continuations below whoever called close().
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->failWaiters(); });
  }

  // The stream is gone: nobody may be told anything any more.
  void abandon() {
    close("closed");
    reader_ = nullptr;
    written_ = nullptr;
    holds_.clear();
  }

  const std::string& peer() const { return peer_; }
  std::uint64_t received() const { return received_; }
  std::uint64_t sent() const { return toKernel_ + outBytes_ + small_.size(); }

  // What the peer's kernel has acknowledged.
  std::uint64_t arrived() const {
    int waiting = 0;
    if (error_ != nullptr || ::ioctl(fd_, SIOCOUTQ, &waiting) != 0) return arrived_;
    arrived_ = toKernel_ - std::min<std::uint64_t>(toKernel_, static_cast<std::uint64_t>(waiting));
    return arrived_;
  }

  Duration roundTrip() const {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (error_ != nullptr || ::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
    return std::chrono::microseconds(info.tcpi_rtt);
  }

 private:
  struct Piece {
    const std::byte* data;
    std::size_t size;
    std::vector<std::byte> owned;  // small messages' bytes; empty for a reference
    bool endsLarge = false;        // the last piece of a large message
  };

  // ---- reading

  // True when `message` was set (null at the end of the stream); false when bytes are missing. Throws kj::Exception.
  bool advance(Messages& message) {
    while (true) {
      if (error_ != nullptr) {
        kj::throwFatalException(disconnected(error_));
      }
      if (body_) {
        if (bodyFilled_ == body_->size()) {
          message = take();
          return true;
        }
        if (!receiveBody()) return ended(message);
        continue;
      }
      if (auto header = parseHeader(input_.data() + inputBegin_, inputEnd_ - inputBegin_)) {
        startBody(*header);
        continue;
      }
      if (!receiveInput()) return ended(message);
    }
  }

  bool ended(Messages& message) {
    if (!eof_) return false;
    if (body_ || inputEnd_ != inputBegin_) kj::throwFatalException(disconnected("in the middle of a message"));
    message = nullptr;
    return true;
  }

  void startBody(FrameHeader& header) {
    inputBegin_ += header.headerBytes;
    body_ = Received::make(header.bodyBytes);
    segmentWords_ = kj::mv(header.segmentWords);
    const std::size_t here = std::min(header.bodyBytes, inputEnd_ - inputBegin_);
    if (here > 0) std::memcpy(body_->data(), input_.data() + inputBegin_, here);
    inputBegin_ += here;
    bodyFilled_ = here;
    if (inputBegin_ == inputEnd_) inputBegin_ = inputEnd_ = 0;
  }

  Messages take() {
    ++received_;
    turnBytes_ += body_->size();
    capnp::MessageReaderAndFds result{kj::heap<ReceivedReader>(readOptions_, std::move(body_), kj::mv(segmentWords_)),
                                      nullptr};
    body_.reset();
    bodyFilled_ = 0;
    return kj::mv(result);
  }

  // What is missing of a large body goes where it belongs, and behind it, in the same call, what follows.
  bool receiveBody() {
    if (input_.empty()) input_.resize(kInputBytes);
    iovec parts[2] = {{body_->data() + bodyFilled_, body_->size() - bodyFilled_}, {input_.data(), input_.size()}};
    const ssize_t n = ::readv(fd_, parts, 2);
    if (n <= 0) return failedRead(n);
    const auto got = static_cast<std::size_t>(n);
    const std::size_t missing = body_->size() - bodyFilled_;
    bodyFilled_ += std::min(got, missing);
    inputBegin_ = 0;
    inputEnd_ = got > missing ? got - missing : 0;
    return true;
  }

  bool receiveInput() {
    if (input_.empty()) input_.resize(kInputBytes);
    if (inputBegin_ > 0) {
      std::memmove(input_.data(), input_.data() + inputBegin_, inputEnd_ - inputBegin_);
      inputEnd_ -= inputBegin_;
      inputBegin_ = 0;
    }
    const ssize_t n = ::recv(fd_, input_.data() + inputEnd_, input_.size() - inputEnd_, 0);
    if (n <= 0) return failedRead(n);
    inputEnd_ += static_cast<std::size_t>(n);
    return true;
  }

  bool failedRead(ssize_t n) {
    if (n == 0) {
      eof_ = true;
      return false;
    }
    if (errno == EAGAIN || errno == EINTR) return false;
    kj::throwFatalException(disconnected(std::strerror(errno)));
  }

  void waitReadable() {
    if (error_ != nullptr) {
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->failWaiters(); });
      return;
    }
    turnBudget_ = kMessagesPerTurn;
    turnBytes_ = 0;
    if (yielding_) {
      yielding_ = false;
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->onReadable(); });
      return;
    }
    socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](asio::error_code error) {
      if (!error) self->onReadable();
    });
  }

  void onReadable() {
    if (!reader_) return;
    auto failure = kj::runCatchingExceptions([this] {
      Messages message = nullptr;
      if (!advance(message)) return waitReadable();
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
    holds_.clear();
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

  kj::Promise<void> writeSmall(Segments segments) {
    for (auto segment : segments) {
      const auto* start = reinterpret_cast<const std::byte*>(segment.begin());
      small_.insert(small_.end(), start, start + segment.size() * sizeof(capnp::word));
      release(segment.begin());
    }
    if (isBookkeeping(segments) && ++lazy_ < kLazyMessages) {
      scheduleLazyFlush();
    } else {
      scheduleFlush();
    }
    if (small_.size() + outBytes_ <= kOutputHigh) return kj::READY_NOW;
    return promiseWritten();
  }

  kj::Promise<void> writeLarge(Segments segments) {
    sealSmall();
    for (auto segment : segments) {
      if (segment.size() == 0) continue;
      out_.push_back(
          Piece{reinterpret_cast<const std::byte*>(segment.begin()), segment.size() * sizeof(capnp::word), {}, false});
      outBytes_ += out_.back().size;
      largeSegments_.push_back(segment.begin());
    }
    out_.back().endsLarge = true;
    auto promise = promiseWritten();
    flush();
    return promise;
  }

  // Cap'n Proto writes one message after the other, so one waiter is enough.
  kj::Promise<void> promiseWritten() {
    auto pair = kj::newPromiseAndFulfiller<void>();
    written_ = kj::mv(pair.fulfiller);
    return kj::mv(pair.promise);
  }

  void sealSmall() {
    if (small_.empty()) return;
    Piece piece{nullptr, small_.size(), std::move(small_), false};
    piece.data = piece.owned.data();
    outBytes_ += piece.size;
    out_.push_back(std::move(piece));
    small_ = {};
    small_.reserve(512);
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
    sealSmall();
    while (!out_.empty() && error_ == nullptr && !writeBlocked_) {
      iovec parts[16];
      std::size_t count = 0;
      for (auto piece = out_.begin(); piece != out_.end() && count < 16; ++piece) {
        parts[count++] = {const_cast<std::byte*>(piece->data), piece->size};
      }
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = count;
      const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return waitWritable();
        return close(std::strerror(errno));
      }
      consume(static_cast<std::size_t>(n));
    }
    if (out_.empty() && written_) fulfillWritten();
  }

  void consume(std::size_t n) {
    outBytes_ -= n;
    toKernel_ += n;
    while (n > 0) {
      Piece& piece = out_.front();
      if (n < piece.size) {
        piece.data += n;
        piece.size -= n;
        return;
      }
      n -= piece.size;
      const bool endsLarge = piece.endsLarge;
      out_.pop_front();
      if (endsLarge) finishLarge();
    }
  }

  void finishLarge() {
    for (const void* segment : largeSegments_) release(segment);
    largeSegments_.clear();
    fulfillWritten();
  }

  void fulfillWritten() {
    if (!written_) return;
    auto written = kj::mv(written_);
    written->fulfill();
  }

  void release(const void* segment) {
    if (holds_.empty()) return;
    auto held = holds_.find(segment);
    if (held != holds_.end()) holds_.erase(held);
  }

  void waitWritable() {
    writeBlocked_ = true;
    socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](asio::error_code error) {
      self->writeBlocked_ = false;
      if (!error) self->flush();
    });
  }

  asio::ip::tcp::socket socket_;
  asio::steady_timer lazyTimer_;
  std::string peer_;
  int fd_ = -1;
  const char* error_ = nullptr;  // why nothing goes any more; null while it does

  std::vector<std::byte> input_;
  std::size_t inputBegin_ = 0;
  std::size_t inputEnd_ = 0;
  std::shared_ptr<Received> body_;  // being received
  std::size_t bodyFilled_ = 0;
  kj::Array<uint32_t> segmentWords_;
  capnp::ReaderOptions readOptions_;
  kj::Own<kj::PromiseFulfiller<Messages>> reader_;
  bool eof_ = false;
  bool yielding_ = false;
  int turnBudget_ = kMessagesPerTurn;
  std::size_t turnBytes_ = 0;
  std::uint64_t received_ = 0;

  std::vector<std::byte> small_;  // small messages of this turn
  std::deque<Piece> out_;
  std::size_t outBytes_ = 0;
  std::uint64_t toKernel_ = 0;
  mutable std::uint64_t arrived_ = 0;  // as it was known last
  std::vector<const void*> largeSegments_;
  kj::Own<kj::PromiseFulfiller<void>> written_;
  std::unordered_multimap<const void*, std::shared_ptr<const void>> holds_;
  bool flushPosted_ = false;
  std::size_t lazy_ = 0;  // bookkeeping messages in small_ that wait
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
