#include "httpd/server/exchange.h"

#include <spdlog/fmt/fmt.h>

namespace vcfs::httpd {

Exchange::Exchange(Site& site, Peer& peer, const Request& request)
    : site_(site),
      since_(site.entries.sequence()),
      peer_(peer),
      request_(request),
      keepAlive_(request.keepAlive && !site.stopping) {}

ResponseHead Exchange::head(int status) {
  status_ = status;
  peer_.answerBegins();
  ResponseHead out(status, request_.http10);
  out.add("Date", site_.date()).addLines(site_.commonLines);
  return out;
}

Task<void> Exchange::reply(int status, std::string headers, std::string type, std::string body) {
  ResponseHead out = head(status);
  out.addLines(headers);
  if (status != 204 && status != 304) out.add("Content-Length", body.size());
  if (!body.empty()) out.add("Content-Type", type);
  std::string text = out.finish(keepAlive_);
  Window rest;
  if (!isHead()) {
    rest.add(body);
    bodyBytes_ = body.size();
  }
  co_await peer_.send(text, rest);
  peer_.answerEnds();
}

Task<void> Exchange::fail(int status, std::string message, std::string headers) {
  std::string body = fmt::format("{} {}: {}\n", status, reasonOf(status), message);
  headers += "Cache-Control: no-store\r\n";
  co_await reply(status, headers, "text/plain; charset=utf-8", body);
}

Task<void> Exchange::sendFile(FileReply plan, ByteSource& source) {
  bool bodiless = isHead() || plan.segments.empty();
  Window window;
  if (!bodiless && plan.segments[0].length > 0) {
    co_await source.fill(window, plan.segments[0].offset, plan.segments[0].length);
  }
  ResponseHead out = head(plan.status);
  out.addLines(plan.headers);
  if (plan.status != 304) out.add("Content-Length", plan.bodyBytes);
  std::string headText = out.finish(keepAlive_);
  if (bodiless) {
    co_await peer_.send(headText);
    peer_.answerEnds();
    co_return;
  }
  plan.segments[0].before.insert(0, headText);
  for (const Segment& segment : plan.segments) {
    std::string_view before = segment.before;
    std::uint64_t offset = segment.offset, left = segment.length;
    for (;;) {
      if (left > 0 && window.bytes == 0) co_await source.fill(window, offset, left);
      std::uint64_t ready = window.bytes;
      bool all = peer_.trySend(before, window);
      std::uint64_t sent = ready - window.bytes;
      offset += sent;
      left -= sent;
      if (all && left == 0) break;
      if (all) continue;
      // While the client takes nothing, nothing is held for it: the source knows where to get it again.
      window.clear();
      co_await peer_.waitWritable(&source);
    }
  }
  peer_.answerEnds();
  bodyBytes_ = plan.bodyBytes;
}

Task<void> Exchange::beginStream(std::string headers, std::string_view type) {
  chunked_ = !request_.http10;
  if (!chunked_) keepAlive_ = false;
  ResponseHead out = head(200);
  out.addLines(headers).add("Content-Type", type);
  if (chunked_) out.add("Transfer-Encoding", "chunked");
  std::string text = out.finish(keepAlive_);
  co_await peer_.send(text);
  if (isHead()) peer_.answerEnds();
}

Task<void> Exchange::streamText(std::string text) {
  Window window;
  window.add(text);
  co_await sendChunk(window);
}

Task<void> Exchange::streamBytes(Window window, ByteSource* source) { co_await sendChunk(window, source); }

Task<void> Exchange::sendChunk(Window& window, ByteSource* source) {
  if (isHead() || window.bytes == 0) co_return;
  bodyBytes_ += window.bytes;
  std::string before;
  if (chunked_) {
    before = fmt::format("{:x}\r\n", window.bytes);
    window.add("\r\n");
  }
  co_await peer_.send(before, window, source);
}

Task<void> Exchange::endStream() {
  if (isHead()) co_return;
  if (chunked_) co_await peer_.send("0\r\n\r\n");
  peer_.answerEnds();
}

}  // namespace vcfs::httpd
