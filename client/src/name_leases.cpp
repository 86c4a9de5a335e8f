#include "client/src/name_leases.h"

#include "client/src/tracker_call.h"

namespace vcfs::client {

namespace {

constexpr std::size_t kNameMax = 255;  // longer ones are refused by the tracker

}  // namespace

NameLeases::Making::Making(std::shared_ptr<NameLeases> leases, InodeId directory, std::string name)
    : leases_(std::move(leases)), directory_(directory), name_(std::move(name)) {
  auto& core = *leases_->core_;
  const auto attempt = leases_->index_.making(directory_, name_, core.now());
  if (attempt != 0) core.runtime.spawn("names.lease", leases_->lease(directory_, attempt));
}

bool NameLeases::denies(InodeId directory, const std::string& name) const {
  return index_.denies(directory, name) && name.size() <= kNameMax && core_->trackers->leasesCount();
}

Task<void> NameLeases::lease(InodeId directory, std::uint64_t attempt) {
  auto self = shared_from_this();
  bool complete = false;
  try {
    auto fill = [&](auto& request) { request.setDirectory(directory); };
    auto answer = co_await askFor(*core_, core_->options.requestLimit, &Tracker::leaseNamesRequest, fill);
    if (answer.getGranted() && index_.granted(directory, attempt)) complete = co_await list(directory, attempt);
  } catch (const Error&) {
    // An older tracker, one of several, or none at all: names are asked for.
  }
  if (complete) {
    index_.listed(directory, attempt);
  } else {
    index_.refused(directory, attempt, core_->now());
  }
}

Task<bool> NameLeases::list(InodeId directory, std::uint64_t attempt) {
  constexpr std::uint32_t kPage = 1000;
  std::uint64_t after = 0;
  for (bool more = true; more;) {
    DirPage page = co_await readPage(core_, directory, after, kPage, false);
    for (const DirEntry& entry : page.entries) {
      if (!index_.found(directory, attempt, entry.name)) co_return false;
      after = entry.cookie;
    }
    more = page.more && !page.entries.empty();
  }
  co_return true;
}

Task<DirPage> readPage(std::shared_ptr<Core> core, InodeId directory, std::uint64_t after, std::uint32_t limit,
                       bool layouts) {
  auto fill = [&](auto& request) {
    request.setDirectory(directory);
    request.setAfter(after);
    request.setLimit(limit);
    request.setLayouts(layouts);
  };
  auto answer = co_await ask(*core, &Tracker::readDirRequest, fill);
  DirPage page;
  page.more = answer.getMore();
  auto entries = answer.getEntries();
  page.entries.reserve(entries.size());
  for (auto reader : entries) {
    DirEntry& entry = page.entries.emplace_back();
    entry.name = schema::toString(reader.getName());
    entry.cookie = reader.getCookie();
    entry.entry = schema::toEntry(reader.getEntry());
  }
  co_return page;
}

}  // namespace vcfs::client
