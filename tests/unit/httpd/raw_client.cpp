#include "tests/unit/httpd/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace vcfs::httpd::test {

RawClient::RawClient(const std::string& address, int receiveBuffer) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receiveBuffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
  timeval limit{20, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("cannot connect");
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), reset_(other.reset_), buffer_(std::move(other.buffer_)) {}

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void RawClient::reset() {
  linger l{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &l, sizeof l);
  close();
}

bool RawClient::send(const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    ssize_t n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

bool RawClient::fill() {
  char bytes[65536];
  ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
  if (n < 0) reset_ = errno == ECONNRESET;
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return true;
}

std::string RawClient::line() {
  std::size_t end;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  std::string out = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return out;
}

std::string RawClient::exactly(std::size_t size) {
  while (buffer_.size() < size && fill()) {
  }
  std::string out = buffer_.substr(0, size);
  buffer_.erase(0, out.size());
  return out;
}

std::string RawClient::some(std::size_t most) {
  if (buffer_.empty() && !fill()) return {};
  return exactly(std::min(most, buffer_.size()));
}

std::string RawClient::chunk() {
  std::size_t size = std::strtoul(line().c_str(), nullptr, 16);
  std::string out = exactly(size);
  line();
  return out;
}

bool RawClient::ended() { return buffer_.empty() && !fill(); }

Response RawClient::readHead() {
  Response response;
  std::string status = line();
  if (status.size() < 12) return response;
  response.status = std::atoi(status.c_str() + 9);
  for (std::string header = line(); !header.empty(); header = line()) {
    std::size_t colon = header.find(':');
    std::string name = header.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    response.headers[name] = header.substr(std::min(header.size(), colon + 2));
  }
  return response;
}

Response RawClient::read(bool head) {
  Response response = readHead();
  if (response.status == 0) return response;
  if (head || response.status == 204 || response.status == 304) {
    response.complete = true;
  } else if (response["transfer-encoding"] == "chunked") {
    for (;;) {
      std::string size = line();
      if (size.empty()) return response;
      std::size_t n = std::strtoul(size.c_str(), nullptr, 16);
      std::string bytes = exactly(n);
      response.body += bytes;
      if (bytes.size() < n) return response;
      line();
      if (n == 0) break;
    }
    response.complete = true;
  } else if (response.headers.contains("content-length")) {
    std::size_t n = std::strtoul(response["content-length"].c_str(), nullptr, 10);
    response.body = exactly(n);
    response.complete = response.body.size() == n;
  } else {
    while (fill()) {
    }
    response.body = std::move(buffer_);
    buffer_.clear();
    response.complete = !reset_;
  }
  return response;
}

Response RawClient::request(const std::string& method, const std::string& target, const std::string& headers) {
  if (!send(method + " " + target + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n")) return {};
  return read(method == "HEAD");
}

}  // namespace vcfs::httpd::test
