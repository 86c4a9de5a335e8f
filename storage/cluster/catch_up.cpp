// How a syncing replica gets what it missed. The story is in DESIGN.md, "Catch-up".
#include "storage/cluster/catch_up.h"

#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

constexpr Duration kShortSync = 20ms;  // what a recorder's fsync may well wait for

// The layout that came with a refusal; inode 0 when there was none.
Layout layoutOf(schema::Status::Reader status) {
  return status.hasLayout() ? schema::toLayout(status.getLayout()) : Layout();
}

}  // namespace

void CatchUp::checkStill() const {
  if (file_->removed || node_->stopping_ || file_->replica.role() != Role::syncing) {
    throw Error(Errc::cancelled, "the replica is not syncing any more");
  }
  if (file_->replica.primaryAddress() != source_) throw Error(Errc::staleEpoch, "another primary");
  if (file_->salvages != salvages_) throw Error(Errc::unavailable, "this replica was cut meanwhile");
  if (joined_ && *joined_ != joinedNow()) throw Error(Errc::staleEpoch, "this replica was lost and has joined again");
}

Task<CatchUp::Info> CatchUp::ask() {
  auto request = session_->client.statRequest();
  request.setInode(file_->inode);
  request.setEpoch(file_->replica.epoch());
  schema::fill(request.initLayout(), file_->replica.layout());
  auto promise = request.send();
  const Duration limit = node_->options.pingLimit * 2;
  auto answer = co_await rpc::call(node_->runtime, kj::mv(promise), limit);
  checkStill();
  node_->adoptNewer(file_, layoutOf(answer.getStatus()));
  schema::check(answer.getStatus());
  Info info;
  info.size = answer.getInfo().getSize();
  info.mtimeNs = answer.getInfo().getMtimeNs();
  info.bytesToGo = answer.getInfo().getBytesToGo();
  // The first answer says what the bytes have that are to be copied, whatever this replica had; what it executes by
  // itself meanwhile raises it further.
  file_->mtimeNs = learnedTime_ ? std::max(file_->mtimeNs, info.mtimeNs) : info.mtimeNs;
  learnedTime_ = true;
  const auto state = answer.getInfo().getState();
  if (state == schema::FileState::CLOSED) info.state = FileState::closed;
  if (state == schema::FileState::RECOVERED) info.state = FileState::recovered;
  co_return info;
}

// Until the primary sends this replica every write. Before that a copy could miss one that came in between.
Task<void> CatchUp::waitJoined() {
  Duration pause = 2ms;
  for (int i = 0; i < 100; ++i) {
    // An answer from before another probe is about the slot that was given up.
    const Joined before = joinedNow();
    const Info info = co_await ask();
    // Who has executed what must be known too: an append is not to be executed twice after the next failover.
    const bool told = file_->clientsOf == file_->probes && file_->probes != 0;
    if (info.bytesToGo == 0 && told && before == joinedNow()) {
      joined_ = before;
      co_return;
    }
    co_await node_->pause(pause);
    checkStill();
    pause = std::min<Duration>(pause * 2, 100ms);
  }
  throw Error(Errc::unavailable, "the primary does not let this replica join");
}

// What is here is about to be made equal to what the source has, also where that is less. A server that was given up,
// lost its power and with it all that it knew believes whoever tells it an old layout in which it is the primary; so
// the catalog is asked, now that the source and this process's session with it are known.
Task<void> CatchUp::confirmLayout() {
  const Layout present = co_await node_->trackers->present(file_->inode);
  checkStill();
  node_->adoptNewer(file_, present);
  checkStill();
}

// While bytes are missing the file says `open` on the disk, so that a restart does not trust it.
Task<void> CatchUp::prepareOwn() {
  node_->store.markActive(file_->inode);
  file_->meta.state = FileState::open;
  file_->meta.partial = true;
  file_->state = FileState::open;
  std::shared_ptr<ReplicaFile> disk = file_->disk;
  const bool create = !file_->onDisk;
  const ReplicaMeta meta = file_->meta;
  const Layout layout = file_->replica.layout();
  file_->onDisk = true;
  node_->newestMade_ = std::max(node_->newestMade_, file_->inode);
  file_->metaChanged = false;
  auto job = [disk, create, meta, layout] {
    if (meta.unstable) disk->dropCache();
    if (create)
      disk->create(meta, layout.user, layout.name);
    else
      disk->writeMeta(meta);
    return disk->stat().size;
  };
  try {
    ownSize_ = co_await inOrder(std::move(job));
  } catch (const Error&) {
    if (create) file_->onDisk = false;
    throw;
  }
  checkStill();
  // A live truncate that was put in order behind this has set the end already.
  if (!file_->live.openEnded()) file_->localEnd = std::max(file_->localEnd, ownSize_);
}

// How it is sealed, if it is.
Task<void> CatchUp::learnSeal() {
  bool stateKnown = false;
  for (int i = 0; i < 10 && !stateKnown; ++i) {
    const std::uint64_t seen = file_->replicatedOps;
    const Info info = co_await ask();
    if (info.bytesToGo != 0) throw Error(Errc::unavailable, "the primary began anew with this replica");
    // While it is written, how it is sealed comes as an operation too.
    stateKnown = info.state == FileState::open || seen == file_->replicatedOps;
    if (info.state != FileState::open && stateKnown) {
      if (file_->localEnd != info.size) throw Error(Errc::corrupted, "sizes differ after catch-up");
      Mutation seal;
      seal.kind = Mutation::Kind::seal;
      seal.sealAs = info.state;
      seal.size = info.size;
      seal.mtimeNs = info.mtimeNs;
      file_->heldSeal = seal;
    }
  }
  if (!stateKnown) throw Error(Errc::unavailable, "operations of a sealed file keep coming");
}

// Everything that is here, onto the disk. A recorder waits for what its primary syncs at this replica: until little is
// left, live syncs are answered without one (Node::applyLocal), because the sync of the whole copy may take seconds.
Task<void> CatchUp::syncOwn() {
  const int rounds = file_->heldSeal ? 0 : 5;  // of one that nobody writes
  for (int i = 0; i < rounds; ++i) {
    const TimePoint begun = node_->runtime.clock.now();
    co_await syncOnce();
    if (node_->runtime.clock.now() - begun < kShortSync) break;
  }
  file_->syncsCount = true;
  co_await syncOnce();
  checkSyncs();
  if (file_->unstable()) {  // everything was compared with what the disk has, and what differed is there now
    file_->meta.unstable = false;
    node_->persistMeta(file_);
  }
}

// What live operations covered is compared with nobody: when one of their syncs failed it has to be copied.
void CatchUp::checkSyncs() const {
  if (file_->syncFailures != syncFailures_) throw Error(Errc::io, "a sync of this replica failed");
}

Task<void> CatchUp::syncOnce() {
  kj::Promise<void> idle = node_->localBarrier(*file_);
  const Duration limit = node_->options.syncLimit;
  co_await rpc::await<void>(node_->runtime, kj::mv(idle), limit);
  auto failure = std::make_shared<std::optional<Error>>();
  std::function<void()> job = [disk = file_->disk, failure] {
    try {
      disk->sync();
    } catch (const Error& error) {
      *failure = error;
    }
  };
  std::function<void()> noted = [node = node_, file = file_, failure] {
    if (*failure) node->markUnstable(file);
  };
  co_await node_->syncInOrder(std::move(job), std::move(noted));
  if (*failure) throw **failure;
  checkStill();
}

Task<void> CatchUp::finish() {
  co_await learnSeal();
  co_await syncOwn();
  for (int i = 0; i < 5 && file_->replica.role() == Role::syncing; ++i) {
    checkStill();
    checkSyncs();
    file_->caughtUpIn = file_->replica.epoch();
    file_->caughtUpTold = node_->runtime.clock.now();
    const Layout layout = co_await node_->trackers->caughtUp(file_->inode, file_->replica.epoch());
    if (layout.inode == file_->inode) node_->adopt(file_, layout);
    if (layout.inode == 0) throw Error(Errc::notFound, "the file is gone");
  }
}

Task<void> CatchUp::run() {
  if (source_.empty()) throw Error(Errc::unavailable, "no replica is in sync");
  // Nothing of an earlier pass is under way: what another primary's writes covered counts no more.
  file_->live.clear();
  file_->liveEnd = 0;
  learnedTime_ = false;
  syncFailures_ = file_->syncFailures;
  salvages_ = file_->salvages;
  file_->lacks = false;  // all of it is compared with what the primary has
  // What a tracker was told in this epoch may have been heard, though the answer was not: then this replica is in sync
  // as it was, and the primary goes on waiting for it. Otherwise the file may have been opened again, and have grown,
  // while this replica was given up.
  if (file_->caughtUpIn != file_->replica.epoch()) {
    file_->syncsCount = false;
    file_->heldSeal.reset();
  }
  session_ = co_await node_->peers->session(source_, sourceId_);
  checkStill();
  co_await waitJoined();
  co_await confirmLayout();
  co_await prepareOwn();
  co_await copyAll();
  co_await finish();
}

void Node::startCatchUp(FilePtr file) {
  if (file->catchingUp || file->replica.role() != Role::syncing || stopping_) return;
  file->catchingUp = true;
  catchUpQueue_.push_back(file);
  catchUpNext();
}

void Node::catchUpNext() {
  while (catchingUp_ < options.catchUpFiles && !catchUpQueue_.empty()) {
    FilePtr file = std::move(catchUpQueue_.front());
    catchUpQueue_.pop_front();
    ++catchingUp_;
    run("storage.catchup", catchUpFile(std::move(file)));
  }
}

Task<Errc> Node::catchUpOnce(FilePtr file) {
  try {
    CatchUp pass(shared_from_this(), file);
    co_await pass.run();
    co_return Errc::ok;
  } catch (const std::exception& error) {  // also an answer that cannot be decoded
    log::info("catchup.again", {{"inode", log::hex(file->inode)}, {"reason", error.what()}});
    co_return asError(error).code();
  }
}

// The primary of the layout that is known here may have nothing of the file any more, and then cannot tell a newer one.
// False: the file is gone.
Task<bool> Node::learnLayout(FilePtr file) {
  try {
    const Layout present = co_await trackers->present(file->inode);
    adoptNewer(file, present);
    co_return true;
  } catch (const std::exception& error) {
    co_return asError(error).code() != Errc::notFound;
  }
}

// One pass; what does not come to its end has others go first, so that a few files whose primary cannot be reached hold
// up nobody else.
Task<void> Node::catchUpFile(FilePtr file) {
  auto self = shared_from_this();
  bool again = false;
  if (!stopping_ && !file->removed && file->replica.role() == Role::syncing) {
    const Errc outcome = co_await catchUpOnce(file);
    again = outcome != Errc::ok && outcome != Errc::notFound;
    if (outcome == Errc::staleEpoch && file->replica.role() == Role::syncing) again = co_await learnLayout(file);
    again = again && file->replica.role() == Role::syncing;
  }
  --catchingUp_;
  if (again) {
    run("storage.catchup.later", catchUpLater(file));
  } else {
    endCatchUp(*file);
  }
  if (!stopping_) catchUpNext();
}

Task<void> Node::catchUpLater(FilePtr file) {
  auto self = shared_from_this();
  file->catchUpPause = std::clamp<Duration>(file->catchUpPause * 2, 100ms, 5s);
  co_await this->pause(file->catchUpPause);
  if (stopping_) co_return;
  catchUpQueue_.push_back(std::move(file));
  catchUpNext();
}

void Node::endCatchUp(File& file) {
  if (file.replica.role() == Role::follower) {
    ++counters.caughtUp;
    log::info("catchup.done", {{"inode", log::hex(file.inode)}, {"bytes", file.localEnd}});
  }
  file.catchUpPause = Duration{};
  file.catchingUp = false;
  file.live.clear();
}

}  // namespace vcfs::storage
