#include <charconv>

#include "httpd/core/mime.h"
#include "httpd/ops/ops.h"
#include "schema/state_names.h"

namespace vcfs::httpd {
namespace {

// How long to wait for growth before looking whether the client is still there.
constexpr std::chrono::milliseconds kGrowthWait(1000);

struct LiveCount {
  explicit LiveCount(Counters& c) : counters(c) { ++counters.liveStreams; }
  ~LiveCount() { --counters.liveStreams; }
  Counters& counters;
};

// ?from=BYTES; nullopt: not a number.
std::optional<std::uint64_t> startOf(const Target& target) {
  std::string text = queryValue(target.query, "from").value_or("0");
  std::uint64_t from = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), from);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return from;
}

class LiveSource final : public ByteSource {
 public:
  LiveSource(Site& site, Version version) : site_(site), version_(std::move(version)) {}

  Task<void> fill(Window& out, std::uint64_t offset, std::uint64_t length) override {
    std::vector<Piece> pieces = co_await site_.read(version_, offset, std::min(kReadBytes, length));
    out.add(pieces, offset, offset, length);
    if (out.bytes == 0) throw Error(Errc::io, "the file became shorter while it was followed");
  }
  void letGo() override { version_.file->willPause(); }
  Task<Growth> waitForGrowth(std::uint64_t known) { return version_.file->waitForGrowth(known, kGrowthWait); }

 private:
  Site& site_;
  Version version_;
};

Task<void> sendRange(Exchange& exchange, LiveSource& source, std::uint64_t from, std::uint64_t to) {
  while (from < to) {
    Window window;
    co_await source.fill(window, from, to - from);
    from += window.bytes;
    co_await exchange.streamBytes(std::move(window), &source);
  }
}

Task<void> follow(Exchange& exchange, LiveSource& source, std::uint64_t from, Growth now) {
  for (;;) {
    if (now.state == FileState::lost) throw Error(Errc::io, "the file was lost while it was followed");
    if (now.size < from) throw Error(Errc::io, "the file became shorter while it was followed");
    co_await sendRange(exchange, source, from, now.size);
    from = now.size;
    if (now.state != FileState::open) co_return;
    now = co_await source.waitForGrowth(from);
    if (exchange.clientGone() || exchange.site().stopping) throw Gone();
  }
}

}  // namespace

Task<void> getLive(Exchange& exchange, Entry entry, std::string fileName) {
  std::optional<std::uint64_t> from = startOf(exchange.target());
  if (!from) {
    co_await exchange.fail(400, "from must be a number of bytes");
    co_return;
  }
  if (*from > entry.attr.size) {
    co_await exchange.fail(416, "from lies beyond what has been recorded so far",
                           "Content-Range: bytes */" + std::to_string(entry.attr.size) + "\r\n");
    co_return;
  }
  LiveCount count(exchange.site().counters);
  Growth now;
  now.size = entry.attr.size;
  now.state = entry.attr.state;
  Version version;
  version.file = co_await exchange.site().cluster->open(entry, OpenMode());
  version.entry = std::move(entry);
  version.since = exchange.since();
  LiveSource source(exchange.site(), std::move(version));
  // Before the head is sent, so that bytes that cannot be had are an error and not a broken answer.
  Window first;
  if (!exchange.isHead() && *from < now.size) co_await source.fill(first, *from, now.size - *from);
  std::string headers = "Cache-Control: no-store\r\nAccept-Ranges: none\r\nX-Vcfs-State: ";
  headers += nameOf(now.state);
  headers += "\r\n";
  co_await exchange.beginStream(headers, mimeType(fileName));
  if (exchange.isHead()) co_return;
  std::uint64_t sent = *from + first.bytes;
  co_await exchange.streamBytes(std::move(first), &source);
  co_await follow(exchange, source, sent, now);
  co_await exchange.endStream();
}

}  // namespace vcfs::httpd
