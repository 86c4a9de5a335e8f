#include "tracker/service/loss.h"

#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::tracker {

namespace {

FileBefore before(const ops::InodeRow& row) { return FileBefore{row.replicas, row.attr.size, row.sealed()}; }

// Names the loss to writers who have the file open, as a loss of power is named; a server's losses of power are few.
std::uint64_t nameOfLoss(StorageId gone) { return (std::uint64_t{gone} << 32) | 0x80000000; }

// Files per order: each is cut and synced, on a disk that may take 100 ms for each.
constexpr std::size_t kOrder = 25;
constexpr int kAttempts = 5;
constexpr Duration kPause = std::chrono::milliseconds(500);  // between them

// The file has just changed, or the server is not ready for it: a repetition finds out.
void putOff(Salvage& salvage) { salvage = Salvage(); }

void note(const char* event, const LossPage::File& file) {
  log::warn(event, {{"inode", log::hex(file.row.attr.inode)},
                    {"created_as", file.row.path},
                    {"size", file.row.attr.size},
                    {"kept", file.salvage.size},
                    {"gaps", file.salvage.gaps},
                    {"source", file.salvage.source}});
}

}  // namespace

Task<void> LossPage::look(InodeId after, std::uint32_t limit) {
  auto op = [gone = gone_, after, limit](SqlTx& tx) { return ops::filesOn(tx, gone, after, limit); };
  ops::FilesPage page = co_await core_->catalog.read(std::move(op));
  last_ = page.last;
  more_ = page.more;
  std::map<StorageId, std::vector<InodeId>> questions;
  for (const ops::InodeRow& row : page.files) {
    if (countInSync(row.replicas) > 1) continue;
    for (const Replica& replica : row.replicas) {
      if (replica.storage != gone_) questions[replica.storage].push_back(row.attr.inode);
    }
  }
  for (auto& [storage, inodes] : questions) {
    if (!core_->map.alive(storage, core_->runtime.clock.now())) continue;
    co_await askOne(storage, std::move(inodes));
  }
  for (ops::InodeRow& row : page.files) {
    Salvage salvage = judgeLoss(before(row), gone_, remains_[row.attr.inode], without_);
    if (salvage.fate == Fate::elsewhere) {
      elsewhere_.push_back(std::move(row));
    } else {
      files_.push_back(File{std::move(row), std::move(salvage)});
    }
  }
}

// One that does not answer, or cannot read what it has, leaves the files open: nothing is lost before all were seen.
Task<void> LossPage::askOne(StorageId storage, std::vector<InodeId> inodes) {
  std::vector<StorageLinks::Stored> stored;
  try {
    stored = co_await core_->storages.inspect(storage, inodes);
  } catch (const Error& error) {
    log::warn("loss.not_seen", {{"storage", storage}, {"files", inodes.size()}, {"reason", error.what()}});
    co_return;
  }
  for (InodeId inode : inodes) remains_[inode][storage] = Remains();  // what it does not tell of is not there
  for (const StorageLinks::Stored& one : stored) {
    if (one.epoch == 0) {
      remains_[one.inode].erase(storage);
    } else {
      remains_[one.inode][storage] = Remains{one.size, one.gaps, one.blocks * 512, one.mtimeNs};
    }
  }
}

std::uint64_t LossPage::othersAway() const {
  const TimePoint now = core_->runtime.clock.now();
  const auto there = [&](const Replica& replica) {
    return replica.storage != gone_ && replica.state == ReplicaState::inSync && core_->map.alive(replica.storage, now);
  };
  const auto away = [&](const ops::InodeRow& row) {
    return std::none_of(row.replicas.begin(), row.replicas.end(), there);
  };
  return static_cast<std::uint64_t>(std::count_if(elsewhere_.begin(), elsewhere_.end(), away));
}

Task<void> LossPage::giveUp() {
  co_await failOver();
  co_await salvageAll();
  co_await commit();
}

// Who follows is decided as after any failure: where several could, they are asked what they have.
Task<void> LossPage::failOver() {
  std::vector<ops::FailedReplica> failed;
  for (const ops::InodeRow& row : elsewhere_) {
    failed.push_back(ops::FailedReplica{row.attr.inode, row.attr.epoch, gone_});
  }
  if (failed.empty()) co_return;
  std::vector<ops::LayoutChange> changes = co_await core_->loseReplicas(std::move(failed), 0);
  std::vector<Layout> changed;
  std::vector<ops::InodeRow> done;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Salvage open;
    for (const Replica& replica : changes[i].layout.replicas) {
      if (replica.state == ReplicaState::inSync && replica.storage != gone_) open.unseen.push_back(replica.storage);
    }
    const bool still = std::any_of(
        changes[i].layout.replicas.begin(), changes[i].layout.replicas.end(),
        [&](const Replica& replica) { return replica.storage == gone_ && replica.state == ReplicaState::inSync; });
    if (still) {
      files_.push_back(File{std::move(elsewhere_[i]), std::move(open)});
    } else {
      done.push_back(std::move(elsewhere_[i]));
    }
    if (changes[i].changed) changed.push_back(std::move(changes[i].layout));
  }
  elsewhere_ = std::move(done);
  co_await core_->announce(std::move(changed), 0, core_->options.adoptWait);
}

Task<void> LossPage::salvageAll() {
  std::map<StorageId, std::vector<std::size_t>> sources;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const Salvage& salvage = files_[i].salvage;
    if (salvage.fate == Fate::kept && salvage.source != 0) sources[salvage.source].push_back(i);
  }
  for (auto& [storage, places] : sources) {
    for (std::size_t at = 0; at < places.size(); at += kOrder) {
      const auto begin = places.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = places.begin() + static_cast<std::ptrdiff_t>(std::min(places.size(), at + kOrder));
      co_await salvageOn(storage, std::vector<std::size_t>(begin, end));
    }
  }
}

Task<void> LossPage::salvageOn(StorageId storage, std::vector<std::size_t> places) {
  std::vector<StorageLinks::Salvage> orders;
  for (std::size_t i : places) {
    StorageLinks::Salvage order;
    order.layout = files_[i].row.layout();
    core_->fillAddresses(order.layout);
    order.atMost = files_[i].row.sealed() ? files_[i].row.attr.size : std::numeric_limits<std::uint64_t>::max();
    orders.push_back(std::move(order));
  }
  std::vector<StorageLinks::Stored> kept(places.size());  // epoch 0: not done
  try {
    kept = co_await core_->storages.salvage(storage, std::move(orders), nameOfLoss(gone_));
  } catch (const Error& error) {
    log::warn("loss.not_salvaged", {{"storage", storage}, {"files", places.size()}, {"reason", error.what()}});
  }
  for (std::size_t n = 0; n < places.size(); ++n) {
    File& file = files_[places[n]];
    // Less than it said: another one may be better now, and a repetition finds that out. One that has gaps and says
    // something else was being copied just now.
    const bool less = kept[n].size < file.salvage.size;
    const bool moved = kept[n].size != file.salvage.size && file.salvage.gaps;
    if (kept[n].epoch == 0 || less || moved) {
      putOff(file.salvage);
      continue;
    }
    file.salvage.size = kept[n].size;
    file.salvage.gaps = file.salvage.gaps || kept[n].gaps;
    file.mtimeNs = kept[n].mtimeNs;
    file.blocks = kept[n].blocks;
  }
}

// Whether a commit whose answer was lost has happened is seen when it is repeated: what is as it was to be is done. A
// tracker that dies here tells nobody else; so what is about to be done is in its log first.
Task<std::vector<ops::LayoutChange>> LossPage::commitSurely(std::vector<ops::Loss> losses) {
  for (const File& file : files_) {
    if (file.salvage.fate != Fate::waits) note("loss.accepting", file);
  }
  const ops::Occasion occasion = core_->occasion(ops::Request());
  for (int attempt = 1;; ++attempt) {
    if (attempt > 1) co_await core_->runtime.clock.sleep(kPause);
    try {
      auto op = [gone = gone_, losses, occasion](SqlTx& tx) { return ops::acceptLoss(tx, gone, losses, occasion); };
      co_return co_await core_->catalog.write(std::move(op), Durability::stable);
    } catch (const Error& error) {
      if (error.code() != Errc::unavailable || attempt == kAttempts) throw;
      log::warn("loss.commit_unknown", {{"files", losses.size()}, {"reason", error.what()}});
    }
  }
}

Task<void> LossPage::commit() {
  std::vector<ops::Loss> losses;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const File& file = files_[i];
    if (file.salvage.fate == Fate::waits) continue;
    ops::Loss loss;
    loss.inode = file.row.attr.inode;
    loss.epoch = file.row.attr.epoch;
    loss.fate = file.salvage.fate;
    loss.source = file.salvage.source;
    loss.size = file.salvage.size;
    loss.mtimeNs = file.mtimeNs;
    loss.blocks = file.blocks;
    losses.push_back(loss);
    places.push_back(i);
  }
  if (losses.empty()) co_return;
  std::vector<ops::LayoutChange> changes = co_await commitSurely(std::move(losses));
  std::vector<Layout> changed;
  std::vector<StorageId> left;
  std::vector<Change> bytes;
  for (std::size_t n = 0; n < changes.size(); ++n) {
    File& file = files_[places[n]];
    if (!changes[n].changed) {
      putOff(file.salvage);
      continue;
    }
    if (changes[n].layout.replicas.empty()) file.salvage.fate = Fate::lost;  // nobody had room for a new, empty one
    note("loss.accepted", file);
    Change change = ops::tellInode(file.row.attr.inode);
    change.data = true;
    bytes.push_back(std::move(change));
    left.insert(left.end(), changes[n].dropped.begin(), changes[n].dropped.end());
    changed.push_back(std::move(changes[n].layout));
  }
  core_->hub.publish(bytes, 0);
  std::sort(left.begin(), left.end());
  left.erase(std::unique(left.begin(), left.end()), left.end());
  co_await core_->announce(std::move(changed), 0, core_->options.adoptWait, std::move(left));
}

}  // namespace vcfs::tracker
