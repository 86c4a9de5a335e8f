// What trackers are told of this server's files: sizes now and then, closings at once, until they were heard.
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

void Node::noteReport(File& file) { reports_.insert(file.inode); }

Task<void> Node::reportLoop() {
  auto self = shared_from_this();
  while (!stopping_) {
    const Duration pause = closings_.empty() ? Duration(options.reportInterval) : Duration(50ms);
    if (closings_.empty() || !trackers->connected()) {
      co_await reportSignal_.waitFor(runtime.clock, pause);
    }
    // What is closed at about the same time is told together: a burst of small files costs few transactions.
    if (!stopping_ && !closings_.empty()) co_await runtime.clock.sleep(options.reportGather);
    if (stopping_) co_return;
    // Sizes of open files each interval, closings as soon as they are there.
    const bool all = runtime.clock.now() - lastSizes_ >= options.reportInterval;
    if (all) lastSizes_ = runtime.clock.now();
    std::vector<InodeId> due;
    collectDue(all ? reports_ : closings_, due);
    if ((due.empty() && resend_.empty()) || !trackers->connected()) continue;
    auto batch = makeReports(std::move(due));
    const std::set<InodeId> resent = resend_;
    addResent(batch);
    bool failed = false;
    for (const SizeReport& report : batch) reporting_.insert(report.inode);
    try {
      co_await reportBatch(std::move(batch));
    } catch (const Error& error) {
      log::debug("reports.failed", {{"reason", error.what()}});
      for (InodeId inode : resent) resend_.insert(inode);
      failed = true;
    }
    reporting_.clear();
    reportDone_.notifyAll();
    const Duration wait = 200ms;
    if (failed) co_await this->pause(wait);
  }
}

kj::Promise<void> Node::reportArrived(InodeId inode) {
  if (!reporting_.contains(inode)) return kj::READY_NOW;
  return rpc::serve(runtime, waitReported(inode));
}

Task<void> Node::waitReported(InodeId inode) {
  auto self = shared_from_this();
  const TimePoint limit = runtime.clock.now() + 2s;
  while (reporting_.contains(inode) && runtime.clock.now() < limit) {
    co_await reportDone_.waitFor(runtime.clock, limit - runtime.clock.now());
  }
}

// One call's worth, beginning behind where the last one ended.
void Node::collectDue(const std::set<InodeId>& from, std::vector<InodeId>& due) {
  auto next = from.upper_bound(reportCursor_);
  for (std::size_t i = 0; i < from.size() && due.size() < 500; ++i) {
    if (next == from.end()) next = from.begin();
    due.push_back(*next++);
  }
  if (!due.empty()) reportCursor_ = due.back();
}

// Files that were sealed before this process started and whose report may not have been heard.
void Node::addResent(std::vector<SizeReport>& reports) {
  while (!resend_.empty() && reports.size() < 1000) {
    const InodeId inode = *resend_.begin();
    resend_.erase(resend_.begin());
    FilePtr file = find(inode);
    if (!file || !file->sealed() || file->replica.distrusted()) continue;
    SizeReport report;
    report.inode = inode;
    report.epoch = file->replica.epoch();
    report.size = file->meta.sealedSize;
    report.mtimeNs = file->mtimeNs;
    report.blocks = file->blocks;
    report.state = file->state;
    reports.push_back(report);
  }
}

std::vector<SizeReport> Node::makeReports(std::vector<InodeId> due) {
  std::vector<SizeReport> reports;
  for (InodeId inode : due) {
    FilePtr file = find(inode);
    const bool wanted = file && file->replica.isPrimary() && (file->sealed() || leases_.writers(inode) != 0);
    if (!wanted) {
      reports_.erase(inode);
      closings_.erase(inode);
      continue;
    }
    SizeReport report;
    report.inode = inode;
    report.epoch = file->replica.epoch();
    report.size = file->acks.published();
    report.mtimeNs = file->mtimeNs;
    report.blocks = file->blocks;
    report.state = file->state;
    reports.push_back(report);
  }
  return reports;
}

Task<void> Node::reportBatch(std::vector<SizeReport> reports) {
  if (reports.empty()) co_return;
  auto self = shared_from_this();
  std::vector<SizeReport> sent = reports;
  co_await trackers->reportFiles(std::move(reports));
  for (const SizeReport& report : sent) {
    FilePtr file = find(report.inode);
    if (report.state == FileState::open) {
      if (file && file->state == FileState::open) closings_.erase(report.inode);
      continue;
    }
    // Reopened, or closed again in a later epoch meanwhile: there is more to tell.
    if (file && (file->state != report.state || file->replica.epoch() != report.epoch)) continue;
    reports_.erase(report.inode);
    closings_.erase(report.inode);
    hardening_.insert(report.inode);
  }
  hardenSignal_.notifyAll();
}

}  // namespace vcfs::storage
