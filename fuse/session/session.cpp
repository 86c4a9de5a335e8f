#include "fuse/session/session.h"

#include <linux/fuse.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/log.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"
#include "fuse/policy/fatal_signal.h"
#include "fuse/session/dispatch.h"

namespace vcfs::fuse {

namespace {
constexpr std::size_t kHeaderRoom = 4096;    // of a message, beyond its payload
constexpr int kRequestsPerTurn = 16;         // then the loop's other work has its turn
constexpr std::uint32_t kLentLimit = 16;     // whole receive buffers kept by waiting small WRITEs; others copy
constexpr std::size_t kQueueLimit = 65'536;  // invalidations waiting for the kernel
constexpr std::size_t kZeroCopyFrom = 256u << 10;
constexpr auto kCallerCheck = std::chrono::milliseconds(100);
constexpr int kNotifyIncrementEpoch = 8;             // Linux 6.16: every cached name is looked up again
constexpr unsigned kNotifyIncrementEpochSince = 44;  // minor version of the protocol
}  // namespace

Session::Session(Runtime& runtime, const MountSettings& settings, int fd)
    : runtime_(runtime),
      settings_(settings),
      fd_(fd),
      descriptor_(runtime.io, fd),
      inFlight_(runtime.io, runtime.clock, settings.stalledAfter),
      buffer_(rpc::Buffer::allocate(settings.maxTransfer + kHeaderRoom)),
      inodeNotifier_([this](const Notifier::Order& order) { execute(order); }, kQueueLimit,
                     {[this] { return unread(); }, [this] { return read_.load(); }}),
      nameNotifier_([this](const Notifier::Order& order) { execute(order); }, kQueueLimit) {
  char program[] = "mount.vcfs";
  auto maxRead = fmt::format("-omax_read={}", settings.maxTransfer);  // must be the same here, at mount(2) and in init
  char* arguments[] = {program, maxRead.data(), nullptr};
  fuse_args args = {2, arguments, 0};
  session_ = fuse_session_new(&args, &operations(), sizeof(fuse_lowlevel_ops), this);
  fuse_opt_free_args(&args);
  if (session_ == nullptr) throw Error(Errc::internal, "libfuse refused to make a session");
  fuse_custom_io io = {};
  io.writev = &Session::sendHook;
  io.read = &Session::readHook;
  // libfuse closes the descriptor that it is given when the session is destroyed.
  if (fuse_session_custom_io(session_, &io, ::dup(fd_)) != 0)
    throw Error(Errc::internal, "libfuse refused our descriptor");
}

Session::~Session() {
  *alive_ = false;
  inodeNotifier_.stop();
  nameNotifier_.stop();
  if (descriptor_.is_open()) descriptor_.release();
  // Coroutines may still hold requests; after this they hold answered ones, which need the session no more.
  inFlight_.expire(TimePoint{std::numeric_limits<std::int64_t>::max()}, errnoStalled(), true);
  fileSystem_.reset();
  fuse_session_destroy(session_);
}

void Session::configure(fuse_conn_info* connection) {
  dropsEverything_ = connection->proto_minor >= kNotifyIncrementEpochSince;
  connection->max_write = settings_.maxTransfer;
  connection->max_read = settings_.maxTransfer;
  connection->max_readahead = std::max(settings_.readAheadKb * 1024, connection->max_readahead);
  // Read-ahead of files whose servers are away is counted among these, and at that number that of all others waits, and
  // RELEASEs do. Bytes have a bound of their own (inFlightBytes).
  connection->max_background = 4096;
  connection->congestion_threshold = 3072;
  connection->time_gran = 1;
  const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_AUTO_INVAL_DATA |
                          FUSE_CAP_READDIRPLUS | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
                          FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_POSIX_ACL |
                          FUSE_CAP_DONT_MASK;
  connection->want = connection->capable & wanted;
}

Task<void> Session::run() {
  running_ = true;
  runtime_.spawn("fuse.deadlines", expireOld());
  bool ended = false;
  while (!ended && !stopping_) {
    co_await inFlight_.waitBelow(settings_.inFlightBytes);
    auto last = Received::request;
    for (int i = 0; i < kRequestsPerTurn && last == Received::request; ++i) {
      last = receive();
      if (!inFlight_.below(settings_.inFlightBytes)) break;
    }
    ended = last == Received::end;
    if (last == Received::nothing) {
      asio::error_code error;
      co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                      asio::redirect_error(asio::use_awaitable, error));
      ended = static_cast<bool>(error);
    } else {
      co_await asio::post(runtime_.io, asio::use_awaitable);
    }
  }
  running_ = false;
}

void Session::stop() {
  stopping_ = true;
  asio::error_code ignored;
  descriptor_.cancel(ignored);
}

Session::Received Session::receive() {
  auto n = ::read(fd_, buffer_->data(), settings_.maxTransfer + kHeaderRoom);
  if (n >= 0) {
    ++read_;
    take(static_cast<std::size_t>(n));
    return Received::request;
  }
  switch (errno) {
    case EAGAIN:
      return Received::nothing;
    case EINTR:
    case ENOENT:
      return Received::request;  // the request was withdrawn while we reached for it
    case ENODEV:
      return Received::end;  // unmounted
    default:
      log::error("fuse.read_failed", {{"error", std::strerror(errno)}});
      return Received::end;
  }
}

void Session::take(std::size_t size) {
  auto header = wire::headerOf(buffer_->data(), size);
  if (!header) return;
  if (wire::isInterrupt(*header)) return interrupt(wire::interruptedRequest(buffer_->data(), size));
  if (wire::isInit(*header)) {
    initUnique_ = header->unique;
    offered_ = wire::offeredFeatures(buffer_->data(), size);
  }
  messageSize_ = size;
  fuse_buf message = {};
  message.size = size;
  message.mem = buffer_->data();
  message.fd = -1;
  fuse_session_process_buf(session_, &message);
  messageSize_ = 0;
  // A WRITE that has not ended keeps its bytes where they were received.
  if (buffer_.use_count() > 1) buffer_ = rpc::Buffer::allocate(settings_.maxTransfer + kHeaderRoom);
}

RequestPtr Session::makeRequest(fuse_req_t req, std::uint64_t bytes) {
  auto header = wire::headerOf(buffer_->data(), messageSize_);
  Request::Origin origin;
  origin.unique = header ? header->unique : 0;
  origin.opcode = header ? header->opcode : 0;
  origin.dropPrivileges = features_.dropPrivileges && wire::asksToDropPrivileges(buffer_->data(), messageSize_);
  origin.bytes = bytes;
  origin.keepsBytes = origin.opcode == FUSE_WRITE;
  origin.waits = origin.opcode == FUSE_SETLKW;
  return std::make_shared<Request>(req, inFlight_, origin);
}

Piece Session::payload(const char* data, std::size_t size) {
  Piece piece;
  if (size >= kZeroCopyFrom) {
    piece.owner = buffer_;
    piece.data = {reinterpret_cast<const std::byte*>(data), size};
  } else if (lent_ < kLentLimit) {
    // Most WRITEs end before we read the next request, so the bytes can stay where they are; a few may keep the whole
    // receive buffer while they wait.
    ++lent_;
    auto buffer = buffer_;
    auto alive = alive_;
    piece.owner = std::shared_ptr<const void>(buffer->data(), [this, buffer, alive](const void*) {
      if (*alive) --lent_;
    });
    piece.data = {reinterpret_cast<const std::byte*>(data), size};
  } else {
    auto copy = std::make_shared<std::vector<std::byte>>(size);
    std::memcpy(copy->data(), data, size);
    piece.data = {copy->data(), size};
    piece.owner = copy;
  }
  return piece;
}

void Session::interrupt(std::uint64_t unique) {
  auto request = inFlight_.find(unique);
  // Waiting for a lock ends with any signal; the kernel asks again where the program wants that (SA_RESTART).
  if (request && request->origin().waits) fileSystem_->interruptLock(unique);
  if (request) runtime_.spawn("fuse.interrupt", watchCaller(std::move(request)));
}

// Lets go of a caller that is being killed. The operation itself goes on to its end.
Task<void> Session::watchCaller(RequestPtr request) {
  int unknown = 0;
  // What ends soon anyway is waited for, as on a local disk: who has seen a process die does not find its last file
  // made afterwards.
  if (!request->origin().waits) co_await runtime_.clock.sleep(kCallerCheck);
  while (!request->answered()) {
    if (request->origin().waits) fileSystem_->interruptLock(request->origin().unique);
    auto state = callerState(request->pid());
    if (state == CallerState::unknown && ++unknown > 10) state = CallerState::dying;
    if (state == CallerState::dying) {
      request->error(errnoInterrupted());
      co_return;
    }
    co_await runtime_.clock.sleep(kCallerCheck);
  }
}

// The last line of defence: whatever happens to an operation, its caller gets an answer.
Task<void> Session::expireOld() {
  auto alive = alive_;
  while (true) {
    co_await runtime_.clock.sleep(std::chrono::seconds(1));
    if (!*alive || !running_) co_return;
    TimePoint before{(runtime_.clock.now() + -Duration(settings_.opLimit)).ns};
    if (auto count = inFlight_.expire(before, errnoStalled())) log::warn("fuse.requests_expired", {{"count", count}});
  }
}

void Session::dropAttributes(InodeId node, Duration after) {
  inodeNotifier_.push({Notifier::Order::Kind::attributes, node, {}}, after);
}
void Session::dropPages(InodeId node, Duration after) {
  inodeNotifier_.push({Notifier::Order::Kind::pages, node, {}}, after);
}
bool Session::keepAttributes(InodeId node) { return inodeNotifier_.withdrawAttributes(node); }
void Session::forgetNow(InodeId node) { inodeNotifier_.hurry(node); }
bool Session::forgetting(InodeId node) const { return inodeNotifier_.underWay(node); }
void Session::dropName(InodeId directory, const std::string& name) {
  nameNotifier_.push({Notifier::Order::Kind::name, directory, name});
}
void Session::dropEverything() { nameNotifier_.push({Notifier::Order::Kind::everything, 0, {}}); }

// On a notifier's thread. What the kernel does not know is no error.
void Session::execute(const Notifier::Order& order) {
  switch (order.kind) {
    case Notifier::Order::Kind::attributes:
      fuse_lowlevel_notify_inval_inode(session_, order.node, -1, 0);
      return;
    case Notifier::Order::Kind::pages:
      fuse_lowlevel_notify_inval_inode(session_, order.node, 0, 0);
      return;
    case Notifier::Order::Kind::name:
      fuse_lowlevel_notify_inval_entry(session_, order.node, order.name.data(), order.name.size());
      return;
    case Notifier::Order::Kind::everything: {
      fuse_out_header head = {};
      head.len = sizeof head;
      head.error = kNotifyIncrementEpoch;
      [[maybe_unused]] auto older =
          ::write(fd_, &head, sizeof head);  // an older kernel says EINVAL: its cache times apply
      return;
    }
  }
}

bool Session::unread() const {
  pollfd device = {fd_, POLLIN, 0};
  return ::poll(&device, 1, 0) > 0 && (device.revents & POLLIN) != 0;
}

ssize_t Session::send(int fd, iovec* pieces, int count) {
  if (initUnique_ != 0 && wire::addFeatures(pieces, count, initUnique_, offered_)) {
    features_ = offered_;
    initUnique_ = 0;
  }
  return ::writev(fd, pieces, count);
}

ssize_t Session::sendHook(int fd, iovec* pieces, int count, void* self) {
  return static_cast<Session*>(self)->send(fd, pieces, count);
}

ssize_t Session::readHook(int fd, void* buffer, std::size_t size, void*) { return ::read(fd, buffer, size); }

}  // namespace vcfs::fuse
