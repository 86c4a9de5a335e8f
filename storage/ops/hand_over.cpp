// A primary that is well makes room for another one: the difference to a failover is that nothing is uncertain.
#include "common/base/log.h"
#include "storage/ops/calls.h"

namespace vcfs::storage {

namespace {

// The newest operation that its client does not simply repeat elsewhere. A sync may take as long as a disk likes.
OpPtr newestPending(const File& file) {
  for (auto entry = file.pending.rbegin(); entry != file.pending.rend(); ++entry) {
    if (entry->second->mutation.kind != Mutation::Kind::sync) return entry->second;
  }
  return nullptr;
}

}  // namespace

// Nothing new is let in meanwhile.
Task<void> Node::finishPending(FilePtr file) {
  const Duration limit = options.handOverLimit;
  const TimePoint deadline = runtime.clock.now() + limit;
  // A question without effect, which every replica that counts must answer: one that died unnoticed, or came back from
  // a power cut and is being checked, does not.
  Mutation question;
  question.kind = Mutation::Kind::left;
  begin(file, question, nullptr);
  while (const OpPtr op = newestPending(*file)) {
    auto ended = op->wait();
    const Duration left = std::max(deadline - runtime.clock.now(), Duration::zero());
    co_await rpc::await<void>(runtime, kj::mv(ended), left);
  }
}

Task<std::vector<StorageId>> Node::handOver(FilePtr file, Epoch epoch) {
  auto self = shared_from_this();
  if (file->handingOver) throw Error(Errc::unavailable, "it is being handed over already");
  // That it differs must be told in this epoch: nobody would remember.
  const auto lost = [&] {
    return std::any_of(file->slots.begin(), file->slots.end(), [](auto& s) { return s.failed; });
  };
  const char* const kLost = "a lost replica has still to be told to a tracker";
  if (lost()) throw Error(Errc::overloaded, kLost);
  file->handingOver = true;
  bool finished = true;
  try {
    co_await finishPending(file);
  } catch (const std::exception&) {
    finished = false;
  }
  file->handingOver = false;
  if (!finished) throw Error(Errc::overloaded, "what is under way did not end in time");
  if (!file->replica.isPrimary() || file->replica.epoch() != epoch) {
    throw Error(Errc::staleEpoch, "the layout has changed meanwhile");
  }
  if (lost()) throw Error(Errc::overloaded, kLost);
  HandedOver over;
  for (const ReplicaSlot& slot : file->slots) {
    if (!slot.syncing) over.equal.push_back(slot.storage);
  }
  log::info("primary.hands_over", {{"inode", log::hex(file->inode)}, {"epoch", epoch}, {"equal", over.equal.size()}});
  endEpoch(file);
  const Duration pause = options.handOverPause;
  over.epoch = epoch;
  over.until = runtime.clock.now() + pause;
  handedOver_[file->inode] = over;
  co_return over.equal;
}

std::optional<std::vector<StorageId>> Node::handedOver(const File& file, Epoch epoch) const {
  const auto over = handedOver_.find(file.inode);
  const bool still = over != handedOver_.end() && over->second.epoch == epoch && file.replica.epoch() == epoch;
  if (!still || !file.replica.deposed() || file.replica.distrusted()) return std::nullopt;
  return over->second.equal;
}

// Whether the tracker has made another server the primary is not known: going on here might be a second one. It decides
// as it does for every replica that has failed.
void Node::giveUpHandedOver(TimePoint now) {
  std::erase_if(handedOver_, [&](const auto& item) {
    const HandedOver& over = item.second;
    FilePtr file = find(item.first);
    if (!file || file->replica.epoch() != over.epoch) return true;
    if (now < over.until) return false;
    if (file->replica.deposed()) distrustOwn(file, Error(Errc::timeout, "no new primary was named"));
    return true;
  });
}

namespace {

void answer(Server::HandOverContext& context, const std::vector<StorageId>& equal) {
  auto list = context.getResults().initEqual(static_cast<unsigned>(equal.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, equal[i]);
}

Task<void> handOverAndAnswer(NodePtr node, FilePtr file, Server::HandOverContext context) {
  try {
    const Epoch epoch = context.getParams().getEpoch();
    const std::vector<StorageId> equal = co_await node->handOver(file, epoch);
    answer(context, equal);
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
}

}  // namespace

kj::Promise<void> opHandOver(NodePtr node, SessionPtr session, Server::HandOverContext context) {
  return onFile(node, context, [node](FilePtr file, Server::HandOverContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    if (const auto before = node->handedOver(*file, params.getEpoch())) {
      answer(context, *before);
      return kj::READY_NOW;
    }
    node->requirePrimary(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    return rpc::serve(node->runtime, handOverAndAnswer(node, file, context));
  });
}

}  // namespace vcfs::storage
