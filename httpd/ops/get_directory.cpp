#include "httpd/core/listing.h"
#include "httpd/ops/ops.h"

namespace vcfs::httpd {
namespace {

constexpr std::uint32_t kPage = 1000;
constexpr std::size_t kSorted = 10'000;  // a directory with more entries comes in sorted portions of this size
constexpr int kRefreshes = 64;           // sizes of open files asked for at their primaries, per listing
constexpr Duration kRefreshLimit = std::chrono::seconds(1);  // how long a listing waits for all of them

// A size that was asked for. Who asked need not wait for the end, which comes with the stall limit at the latest.
struct Asked {
  Asked(asio::io_context& io, Entry asked) : entry(std::move(asked)), over(io) {}
  Entry entry;
  bool waiting = true;
  Signal over;
};

Task<void> ask(std::shared_ptr<Cluster> cluster, std::shared_ptr<Asked> asked) {
  Entry entry = asked->entry;
  try {
    co_await cluster->refresh(entry);
    asked->entry = std::move(entry);
  } catch (const Error&) {
    // The catalog's size will do.
  }
  asked->waiting = false;
  asked->over.notifyAll();
}

class Pages {
 public:
  Pages(Site& site, InodeId directory) : site_(site), directory_(directory) {}
  bool more() const { return more_; }

  // Sorted.
  Task<std::vector<ListedEntry>> next() {
    std::vector<ListedEntry> portion;
    while (more_ && portion.size() < kSorted) {
      DirPage page = co_await site_.cluster->readDir(directory_, after_, kPage, refreshes_ > 0);
      more_ = page.more && !page.entries.empty();
      if (!page.entries.empty()) after_ = page.entries.back().cookie;
      co_await refresh(page);
      for (DirEntry& entry : page.entries) portion.push_back(listed(std::move(entry)));
    }
    Listing::sort(portion);
    co_return portion;
  }

 private:
  // Best effort: the catalog's size is a few seconds old at most.
  Task<void> refresh(DirPage& page) {
    std::vector<std::pair<Entry*, std::shared_ptr<Asked>>> all;
    for (DirEntry& entry : page.entries) {
      if (entry.entry.attr.state != FileState::open || refreshes_ <= 0) continue;
      --refreshes_;
      auto asked = std::make_shared<Asked>(site_.runtime.io, entry.entry);
      site_.runtime.spawn("http.size", ask(site_.cluster, asked));
      all.emplace_back(&entry.entry, std::move(asked));
    }
    Clock& clock = site_.runtime.clock;
    const TimePoint start = clock.now();
    for (auto& [entry, asked] : all) {
      const Duration left = patience_ - (clock.now() - start);
      if (asked->waiting && left > Duration(0)) co_await asked->over.waitFor(clock, left);
      if (!asked->waiting) *entry = std::move(asked->entry);
    }
    patience_ -= clock.now() - start;
    if (patience_ <= Duration(0)) refreshes_ = 0;
  }

  Site& site_;
  InodeId directory_;
  std::uint64_t after_ = 0;
  bool more_ = true;
  int refreshes_ = kRefreshes;
  Duration patience_ = kRefreshLimit;
};

}  // namespace

Task<void> getDirectory(Exchange& exchange, Entry entry) {
  if (!exchange.target().trailingSlash) {
    Target with = exchange.target();
    with.trailingSlash = true;
    std::string location = with.urlPath();
    co_await exchange.reply(301, "Location: " + location + "\r\n", "text/plain", "see " + location + "\n");
    co_return;
  }
  Listing listing(preferredListing(exchange.request().header(Header::accept)), exchange.target().urlPath());
  Pages pages(exchange.site(), entry.attr.inode);
  std::vector<ListedEntry> portion = co_await pages.next();
  std::span<const ListedEntry> left(portion);
  std::string text = listing.begin() + listing.rows(left);
  std::string headers =
      "Cache-Control: no-cache\r\nVary: Accept\r\nContent-Security-Policy: default-src 'none'; style-src "
      "'unsafe-inline'\r\n";
  if (left.empty() && !pages.more()) {
    text += listing.end();
    co_await exchange.reply(200, headers, std::string(listing.contentType()), std::move(text));
    co_return;
  }
  co_await exchange.beginStream(headers, listing.contentType());
  if (exchange.isHead()) co_return;
  co_await exchange.streamText(std::move(text));
  for (;;) {
    while (!left.empty()) co_await exchange.streamText(listing.rows(left));
    if (!pages.more()) break;
    portion = co_await pages.next();
    left = portion;
  }
  co_await exchange.streamText(listing.end());
  co_await exchange.endStream();
}

}  // namespace vcfs::httpd
