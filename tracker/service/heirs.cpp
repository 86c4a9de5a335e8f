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
  std::set<InodeId> settled;               // somebody's standing is good
  std::map<InodeId, std::size_t> awaited;  // servers that have not answered; none: absent
  std::size_t open = 0;                    // the same of all files
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
  for (InodeId inode : inodes) {
    if (--question->awaited[inode] == 0) question->awaited.erase(inode);
  }
  --question->open;
  question->answered.notifyAll();
}

}  // namespace

// One good one for each file is enough: who is dead holds nobody up. When there is something to tell (`hurry`: of other
// files) whose answer waits for this one, it does so only as long as for a new primary. A file of which somebody has
// still to say what he has is then not among those that are returned: it is reported again.
Task<std::map<InodeId, Standings>> TrackerCore::askHeirs(std::vector<ops::LayoutChange> files, bool hurry) {
  auto keep = shared_from_this();
  auto question = std::make_shared<Question>(runtime.io);
  for (const ops::LayoutChange& file : files) {
    question->said[file.layout.inode];
    question->awaited[file.layout.inode] = file.heirs.size();
    for (StorageId storage : file.heirs) question->files[storage].push_back(file.layout.inode);
  }
  question->open = question->files.size();
  for (const auto& [storage, inodes] : question->files) {
    runtime.spawn("heir", askOne(keep, question, storage));
  }
  const TimePoint begin = runtime.clock.now();
  TimePoint deadline = begin + options.callLimit;
  while (!question->done() && runtime.clock.now() < deadline) {
    hurry = hurry || !question->settled.empty();
    if (hurry) deadline = begin + std::min(options.adoptWait, options.callLimit);
    co_await question->answered.waitFor(runtime.clock, deadline - runtime.clock.now());
  }
  std::map<InodeId, Standings> said = question->said;
  if (!hurry) co_return said;
  std::erase_if(said, [&](const auto& file) {
    return question->awaited.contains(file.first) && !question->settled.contains(file.first);
  });
  co_return said;
}

Task<std::vector<ops::LayoutChange>> TrackerCore::loseReplicas(std::vector<ops::FailedReplica> failed,
                                                               StorageId reporter) {
  auto keep = shared_from_this();
  const ops::Occasion before = occasion(ops::Request());
  auto op = [failed, reporter, before](SqlTx& tx) { return ops::reportFailure(tx, failed, reporter, before); };
  std::vector<ops::LayoutChange> changes = co_await catalog.write(std::move(op), Durability::stable);
  std::vector<ops::LayoutChange> open;
  std::vector<Layout> changed;
  for (const ops::LayoutChange& change : changes) {
    if (!change.heirs.empty()) open.push_back(change);
    if (change.changed) changed.push_back(change.layout);
  }
  if (open.empty()) co_return changes;
  // Nobody waits for the others' answers with what is decided; not even the reporter, whose answer comes behind them.
  co_await announce(std::move(changed), 0, Duration(0));
  const bool hurry = open.size() < changes.size();
  const std::map<InodeId, Standings> said = co_await askHeirs(std::move(open), hurry);
  std::vector<std::size_t> places;
  std::vector<ops::FailedReplica> again;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].heirs.empty()) continue;
    const auto answers = said.find(failed[i].inode);
    if (answers == said.end()) continue;
    changes[i].unheard = answers->second.empty();
    places.push_back(i);
    again.push_back(failed[i]);
  }
  if (again.empty()) co_return changes;
  const ops::Occasion after = occasion(ops::Request());
  auto decide = [again, reporter, after, said](SqlTx& tx) {
    return ops::reportFailure(tx, again, reporter, after, said);
  };
  std::vector<ops::LayoutChange> decided = co_await catalog.write(std::move(decide), Durability::stable);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool same = !decided[i].changed && decided[i].layout.epoch == again[i].epoch;
    if (same) log::warn("heir.awaited", {{"inode", log::hex(again[i].inode)}, {"epoch", again[i].epoch}});
    decided[i].unheard = same && changes[places[i]].unheard;
    changes[places[i]] = std::move(decided[i]);
  }
  co_return changes;
}

}  // namespace vcfs::tracker
