// Who of several follows a lost primary: what the others have is given up for what that one has, so they are asked.
#include "common/base/log.h"
#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

namespace {

// What several servers are asked at the same time, and what they have answered so far.
struct Question {
  explicit Question(asio::io_context& io) : answered(io) {}
  std::map<StorageId, std::vector<InodeId>> files;
  std::map<InodeId, Standings> said;
  std::set<InodeId> settled;  // somebody's standing is good
  std::size_t open = 0;       // servers that have not answered
  Signal answered;
  bool done() const { return open == 0 || settled.size() == said.size(); }
};

void note(Question& question, InodeId inode, StorageId storage, Standing standing) {
  question.said[inode][storage] = standing;
  if (standing == Standing::good) question.settled.insert(inode);
}

Task<void> askOne(std::shared_ptr<TrackerCore> core, std::shared_ptr<Question> question, StorageId storage) {
  const std::vector<InodeId> inodes = question->files.at(storage);
  std::optional<Error> failure;
  try {
    const std::vector<Standing> standings = co_await core->storages.standings(storage, inodes);
    for (std::size_t i = 0; i < inodes.size(); ++i) note(*question, inodes[i], storage, standings[i]);
  } catch (const Error& error) {
    failure = error;
  }
  if (failure && failure->code() == Errc::notSupported) {
    // Of an earlier version, which cannot tell whether it lost its power: any that can and has everything comes first.
    for (InodeId inode : inodes) note(*question, inode, storage, Standing::restarted);
  } else if (failure) {
    log::info("heir.silent", {{"storage", storage}, {"files", inodes.size()}, {"reason", failure->what()}});
  }
  --question->open;
  question->answered.notifyAll();
}

}  // namespace

// One good one for each file is enough: who is dead holds nobody up.
Task<std::map<InodeId, Standings>> TrackerCore::askHeirs(std::vector<ops::LayoutChange> files) {
  auto keep = shared_from_this();
  auto question = std::make_shared<Question>(runtime.io);
  for (const ops::LayoutChange& file : files) {
    question->said[file.layout.inode];
    for (StorageId storage : file.heirs) question->files[storage].push_back(file.layout.inode);
  }
  question->open = question->files.size();
  for (const auto& [storage, inodes] : question->files) {
    runtime.spawn("heir", askOne(keep, question, storage));
  }
  const TimePoint deadline = runtime.clock.now() + options.callLimit;
  while (!question->done() && runtime.clock.now() < deadline) {
    co_await question->answered.waitFor(runtime.clock, deadline - runtime.clock.now());
  }
  co_return question->said;
}

Task<std::vector<ops::LayoutChange>> TrackerCore::loseReplicas(std::vector<ops::FailedReplica> failed,
                                                               StorageId reporter) {
  auto keep = shared_from_this();
  const ops::Occasion before = occasion(ops::Request());
  auto op = [failed, reporter, before](SqlTx& tx) { return ops::reportFailure(tx, failed, reporter, before); };
  std::vector<ops::LayoutChange> changes = co_await catalog.write(std::move(op), Durability::stable);
  std::vector<std::size_t> places;
  std::vector<ops::LayoutChange> open;
  std::vector<ops::FailedReplica> again;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].heirs.empty()) continue;
    places.push_back(i);
    open.push_back(changes[i]);
    again.push_back(failed[i]);
  }
  if (open.empty()) co_return changes;
  const std::map<InodeId, Standings> said = co_await askHeirs(std::move(open));
  const ops::Occasion after = occasion(ops::Request());
  auto decide = [again, reporter, after, said](SqlTx& tx) {
    return ops::reportFailure(tx, again, reporter, after, said);
  };
  std::vector<ops::LayoutChange> decided = co_await catalog.write(std::move(decide), Durability::stable);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!decided[i].changed && decided[i].layout.epoch == again[i].epoch) {
      log::warn("heir.awaited", {{"inode", log::hex(again[i].inode)}, {"epoch", again[i].epoch}});
    }
    changes[places[i]] = std::move(decided[i]);
  }
  co_return changes;
}

}  // namespace vcfs::tracker
