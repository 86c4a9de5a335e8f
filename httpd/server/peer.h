#pragma once

#include <asio/ip/tcp.hpp>

#include "httpd/server/byte_source.h"

namespace vcfs::httpd {

// The client is gone, too slow, or the server stops: the connection ends without another word.
struct Gone {};

// The socket of one client. Sends and receives without suspending while the kernel takes or has something, and gives
// each wait a deadline that the server's reaper (http_server.h) enforces.
class Peer {
 public:
  Peer(Site& site, asio::ip::tcp::socket socket);

  // Bytes that are there, into the site's scratch buffer (valid until the next turn of the loop).
  enum class Received { bytes, nothingYet, end };
  Received receive(std::string_view& bytes);
  Task<void> waitReadable();  // returns when there is something, the deadline passed or the socket was closed

  // Sends as much as the kernel takes now; advances `text` and `window`. True when both are empty.
  bool trySend(std::string_view& text, Window& window);
  // Until trySend can go on; `source` lets go of what it holds when that takes longer than a player's ordinary pause.
  // Throws Gone after sendTimeout.
  Task<void> waitWritable(ByteSource* source = nullptr);
  Task<void> send(std::string_view text);  // all of it; `text` must stay
  Task<void> send(std::string_view text, Window& window, ByteSource* source = nullptr);

  // Between the two close() resets the connection: a client to which the end of the connection is that of the answer
  // would take what it got for the whole.
  void answerBegins() { answering_ = true; }
  void answerEnds() { answering_ = false; }

  bool clientGone();     // has it closed or reset? Costs a system call.
  void finishSending();  // no more bytes from here
  void close();
  bool open() const { return socket_.is_open(); }

  // ---- for the reaper
  void setDeadline(std::chrono::milliseconds fromNow);
  void clearDeadline() { deadline_ = TimePoint{INT64_MAX}; }
  bool overdue(TimePoint now) const { return now >= deadline_; }
  void expire();  // wakes the wait
  bool expired() const { return expired_; }
  void resetExpired() { expired_ = false; }

 private:
  Task<bool> writableWithin(std::chrono::milliseconds limit);

  Site& site_;
  asio::ip::tcp::socket socket_;
  TimePoint deadline_{INT64_MAX};
  bool expired_ = false;
  bool answering_ = false;
};

}  // namespace vcfs::httpd
