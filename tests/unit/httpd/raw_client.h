#pragma once

#include <map>
#include <string>

namespace vcfs::httpd::test {

struct Response {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool complete = false;  // framed to its end (false: the connection ended first, or was reset)
  const std::string& operator[](const std::string& name) const {
    static const std::string none;
    auto found = headers.find(name);
    return found == headers.end() ? none : found->second;
  }
};

// A blocking HTTP client that sends exactly the bytes it is given. Every wait ends after 20 s.
class RawClient {
 public:
  explicit RawClient(const std::string& address, int receiveBuffer = 0);
  ~RawClient();
  RawClient(RawClient&& other) noexcept;

  bool send(const std::string& bytes);  // false: the peer is gone
  Response request(const std::string& method, const std::string& target, const std::string& headers = "");
  Response read(bool head = false);            // the next response
  Response readHead();                         // only the head; the body is left to some()
  std::string some(std::size_t most = 65536);  // some raw bytes; "" at the end
  std::string exactly(std::size_t size);
  std::string chunk();  // the next chunk's content; "" for the last one, throws nothing: see ended()
  bool ended();         // the peer has closed
  bool wasReset() const { return reset_; }
  void close();
  void reset();  // close with RST

 private:
  bool fill();
  std::string line();
  int fd_ = -1;
  bool reset_ = false;
  std::string buffer_;
};

}  // namespace vcfs::httpd::test
