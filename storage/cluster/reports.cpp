// What trackers are told of this server's files: sizes now and then, closings at once, until they were heard and are on
// the catalog's disk.
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMostInCall = 1000;  // files, with those that are told again

SizeReport reportOf(const File& file, std::uint64_t size) {
  SizeReport report;
  report.inode = file.inode;
  report.epoch = file.replica.epoch();
  report.size = size;
  report.mtimeNs = file.mtimeNs;
  report.blocks = file.blocks;
  report.state = file.state;
  return report;
}

}  // namespace

void Node::noteClosing(const File& file) {
  reports_.noteClosing(file.inode);
  reportSignal_.notifyAll();
}

Task<void> Node::report() {
  auto self = shared_from_this();
  const Duration pause = reports_.anyUrgent() ? Duration(50ms) : Duration(options.reportInterval);
  if (!reports_.anyUrgent() || !trackers->connected()) {
    co_await reportSignal_.waitFor(runtime.clock, pause);
  }
  // What is closed at about the same time is told together: a burst of small files costs few transactions.
  if (!stopping_ && reports_.anyUrgent()) co_await runtime.clock.sleep(options.reportGather);
  if (stopping_) co_return;
  // Sizes of open files each interval, closings as soon as they are there.
  const bool all = runtime.clock.now() - lastSizes_ >= options.reportInterval;
  if (all) lastSizes_ = runtime.clock.now();
  std::vector<InodeId> due = reports_.next(all);
  if ((due.empty() && !reports_.anyResend()) || !trackers->connected()) co_return;
  const bool told = co_await tellDue(std::move(due));
  const Duration wait = 200ms;
  if (!told) co_await this->pause(wait);
}

// False: they were not heard, and will be told again.
Task<bool> Node::tellDue(std::vector<InodeId> due) {
  auto batch = makeReports(due);
  const std::vector<InodeId> resent = addResent(batch);
  for (const SizeReport& report : batch) reports_.callTells(report.inode);
  bool told = true;
  try {
    co_await reportBatch(std::move(batch));
  } catch (const std::exception& error) {  // also an answer that cannot be decoded
    log::debug("reports.failed", {{"reason", error.what()}});
    for (InodeId inode : resent) reports_.noteResend(inode);
    told = false;
  }
  reports_.callEnds();
  reportDone_.notifyAll();
  co_return told;
}

kj::Promise<void> Node::reportArrived(InodeId inode) {
  if (!reports_.inCall(inode)) return kj::READY_NOW;
  return rpc::serve(runtime, waitReported(inode));
}

Task<void> Node::waitReported(InodeId inode) {
  auto self = shared_from_this();
  const TimePoint limit = runtime.clock.now() + 2s;
  while (reports_.inCall(inode) && runtime.clock.now() < limit) {
    co_await reportDone_.waitFor(runtime.clock, limit - runtime.clock.now());
  }
}

// Files that were sealed before this process started and whose report may not have been heard; returns all that it
// looked at.
std::vector<InodeId> Node::addResent(std::vector<SizeReport>& reports) {
  std::vector<InodeId> taken;
  while (reports.size() < kMostInCall) {
    const auto inode = reports_.takeResend();
    if (!inode) break;
    taken.push_back(*inode);
    FilePtr file = find(*inode);
    if (!file || !file->sealed() || file->replica.distrusted()) continue;
    reports.push_back(reportOf(*file, file->meta.sealedSize));
  }
  return taken;
}

std::vector<SizeReport> Node::makeReports(const std::vector<InodeId>& due) {
  std::vector<SizeReport> reports;
  for (InodeId inode : due) {
    FilePtr file = find(inode);
    const bool wanted = file && file->replica.isPrimary() && (file->sealed() || leases_.writers(inode) != 0);
    if (wanted) {
      reports.push_back(reportOf(*file, file->acks.published()));
    } else {
      reports_.forget(inode);
      if (file && file->sealed()) hardening_.insert(inode);  // another server's to tell
    }
  }
  return reports;
}

Task<void> Node::reportBatch(std::vector<SizeReport> reports) {
  if (reports.empty()) co_return;
  auto self = shared_from_this();
  // Goes on counting when the clock is set back.
  reportOrder_ = std::max(runtime.clock.wallNs(), reportOrder_ + 1);
  for (SizeReport& report : reports) report.order = reportOrder_;
  std::vector<SizeReport> sent = reports;
  for (const Layout& layout : co_await trackers->reportFiles(std::move(reports))) {
    FilePtr file = find(layout.inode);
    if (!file || !file->ready) continue;
    adopt(file, layout);
    if (file->sealed() && file->replica.isPrimary()) noteClosing(*file);
  }
  for (const SizeReport& report : sent) {
    FilePtr file = find(report.inode);
    // Reopened or closed again meanwhile, or told of an epoch that is over: there is more to tell.
    if (file && (file->state != report.state || file->replica.epoch() != report.epoch)) continue;
    if (report.state == FileState::open) {
      reports_.notUrgent(report.inode);
      continue;
    }
    if (!reports_.heardClosing(report.inode)) hardening_.insert(report.inode);
  }
}

// One sync of the catalog for all that was heard in a second: on one machine each is a commit of the filesystem's
// journal, which waits for the bytes of all new files, and so do those who make files meanwhile.
Task<void> Node::settleClosings() {
  auto self = shared_from_this();
  const Duration pause = 1s;
  co_await this->pause(pause);
  if (stopping_ || !trackers->connected() || !reports_.beginSettling()) co_return;
  bool stable = false;
  try {
    co_await trackers->syncCatalog();
    stable = true;
  } catch (const std::exception& error) {  // also an answer that cannot be decoded
    log::debug("closings.unstable", {{"reason", error.what()}});
  }
  for (InodeId inode : reports_.endSettling(stable)) hardening_.insert(inode);
}

void Node::tellClosingsAgain() {
  reports_.tellHeardAgain();
  reportSignal_.notifyAll();
}

}  // namespace vcfs::storage
