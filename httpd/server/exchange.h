#pragma once

#include <string>
#include <string_view>

#include "httpd/core/file_reply.h"
#include "httpd/core/request_parser.h"
#include "httpd/core/response_head.h"
#include "httpd/core/url_path.h"
#include "httpd/server/peer.h"

namespace vcfs::httpd {

// One request and its answer, for the operations in ops/. An operation sends exactly one answer, or throws
// vcfs::Error before it sent anything (the caller makes an answer of it) or afterwards (the connection is reset, so
// that the client sees that something is missing). An answer that is not brought to its end has the same effect.
class Exchange {
 public:
  Exchange(Site& site, Peer& peer, const Request& request);

  Site& site() { return site_; }
  // EntryCache::sequence() when the request came: what the cluster says of a file is asked later, or holds still.
  std::uint64_t since() const { return since_; }
  const Request& request() const { return request_; }
  const Target& target() const { return target_; }
  void setTarget(Target target) { target_ = std::move(target); }
  bool isHead() const { return request_.method == Method::head; }
  bool started() const { return status_ != 0; }
  int status() const { return status_; }
  std::uint64_t bodyBytes() const { return bodyBytes_; }
  bool keepAlive() const { return keepAlive_; }
  void dontKeepAlive() { keepAlive_ = false; }
  bool clientGone() { return peer_.clientGone(); }

  // A small answer. `headers`: further lines with CRLF. HEAD gets the head alone.
  Task<void> reply(int status, std::string headers, std::string type, std::string body);
  // A refusal or failure, with a line for people.
  Task<void> fail(int status, std::string message, std::string headers = {});
  // A file's snapshot as `plan` says, bytes from `source`. The first bytes are fetched before the head is sent, so that
  // an unreachable file is an error and not a broken answer.
  Task<void> sendFile(FileReply plan, ByteSource& source);

  // An answer of unknown length: chunks, or until the end of the connection for HTTP/1.0.
  Task<void> beginStream(std::string headers, std::string_view type);
  Task<void> streamText(std::string text);
  Task<void> streamBytes(Window window, ByteSource* source);  // `source` as in Peer::waitWritable
  Task<void> endStream();

 private:
  ResponseHead head(int status);
  Task<void> sendChunk(Window& window, ByteSource* source = nullptr);

  Site& site_;
  const std::uint64_t since_;
  Peer& peer_;
  const Request& request_;
  Target target_;
  int status_ = 0;
  std::uint64_t bodyBytes_ = 0;
  bool keepAlive_;
  bool chunked_ = false;
};

}  // namespace vcfs::httpd
