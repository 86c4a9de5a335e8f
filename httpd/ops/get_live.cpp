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

Task<Window> readSome(File& file, std::uint64_t from, std::uint64_t to) {
  std::vector<Piece> pieces = co_await file.read(from, std::min(kReadBytes, to - from));
  Window window;
  window.add(pieces, from, from, to - from);
  if (window.bytes == 0) throw Error(Errc::io, "the file became shorter while it was followed");
  co_return window;
}

Task<void> sendRange(Exchange& exchange, File& file, std::uint64_t from, std::uint64_t to) {
  while (from < to) {
    Window window = co_await readSome(file, from, to);
    from += window.bytes;
    co_await exchange.streamBytes(std::move(window));
  }
}

Task<void> follow(Exchange& exchange, File& file, std::uint64_t from, Growth now) {
  for (;;) {
    if (now.state == FileState::lost) throw Error(Errc::io, "the file was lost while it was followed");
    if (now.size < from) throw Error(Errc::io, "the file became shorter while it was followed");
    co_await sendRange(exchange, file, from, now.size);
    from = now.size;
    if (now.state != FileState::open) co_return;
    now = co_await file.waitForGrowth(from, kGrowthWait);
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
  OpenMode mode;
  std::shared_ptr<File> file = co_await exchange.site().cluster->open(entry, mode);
  // Before the head is sent, so that bytes that cannot be had are an error and not a broken answer.
  Window first;
  if (!exchange.isHead() && *from < entry.attr.size) first = co_await readSome(*file, *from, entry.attr.size);
  std::string headers = "Cache-Control: no-store\r\nAccept-Ranges: none\r\nX-Vcfs-State: ";
  headers += nameOf(entry.attr.state);
  headers += "\r\n";
  co_await exchange.beginStream(headers, mimeType(fileName));
  if (exchange.isHead()) co_return;
  Growth now;
  now.size = entry.attr.size;
  now.state = entry.attr.state;
  std::uint64_t sent = *from + first.bytes;
  co_await exchange.streamBytes(std::move(first));
  co_await follow(exchange, *file, sent, now);
  co_await exchange.endStream();
}

}  // namespace vcfs::httpd
