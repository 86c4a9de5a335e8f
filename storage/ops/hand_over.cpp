// A primary that is well makes room for another one: the difference to a failover is that nothing is uncertain.
#include "common/base/log.h"
#include "storage/ops/calls.h"

namespace vcfs::storage {

// Nothing new is let in meanwhile.
Task<void> Node::finishPending(FilePtr file) {
  const Duration limit = options.handOverLimit;
  const TimePoint deadline = runtime.clock.now() + limit;
  while (!file->pending.empty()) {
    const OpPtr last = file->pending.rbegin()->second;
    auto ended = last->wait();
    const Duration left = std::max(deadline - runtime.clock.now(), Duration::zero());
    co_await rpc::await<void>(runtime, kj::mv(ended), left);
  }
}

Task<std::vector<StorageId>> Node::handOver(FilePtr file) {
  auto self = shared_from_this();
  if (file->handingOver) throw Error(Errc::unavailable, "it is being handed over already");
  const Epoch epoch = file->replica.epoch();
  file->handingOver = true;
  bool finished = true;
  try {
    co_await finishPending(file);
  } catch (const Error&) {
    finished = false;
  }
  file->handingOver = false;
  if (!finished) throw Error(Errc::overloaded, "what is under way did not end in time");
  if (!file->replica.isPrimary() || file->replica.epoch() != epoch) {
    throw Error(Errc::staleEpoch, "the layout has changed meanwhile");
  }
  std::vector<StorageId> equal;
  for (const ReplicaSlot& slot : file->slots) {
    if (!slot.syncing && !slot.failed) equal.push_back(slot.storage);
  }
  log::info("primary.hands_over", {{"inode", log::hex(file->inode)}, {"epoch", epoch}, {"equal", equal.size()}});
  endEpoch(file);
  const Duration pause = options.handOverPause;
  handedOver_[file->inode] = runtime.clock.now() + pause;
  co_return equal;
}

// Whether the tracker has made another server the primary is not known: going on here might be a second one. It decides
// as it does for every replica that has failed.
void Node::giveUpHandedOver(TimePoint now) {
  std::erase_if(handedOver_, [&](const auto& item) {
    if (now < item.second) return false;
    FilePtr file = find(item.first);
    if (file && file->replica.deposed()) distrustOwn(file, Error(Errc::timeout, "no new primary was named"));
    return true;
  });
}

namespace {

Task<void> answerHandOver(NodePtr node, FilePtr file, Server::HandOverContext context) {
  try {
    const std::vector<StorageId> equal = co_await node->handOver(file);
    auto list = context.getResults().initEqual(static_cast<unsigned>(equal.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, equal[i]);
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
}

}  // namespace

kj::Promise<void> opHandOver(NodePtr node, SessionPtr session, Server::HandOverContext context) {
  return onFile(node, context, [node](FilePtr file, Server::HandOverContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    node->requirePrimary(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    return rpc::serve(node->runtime, answerHandOver(node, file, context));
  });
}

}  // namespace vcfs::storage
