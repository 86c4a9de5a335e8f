// From the primary to the other replicas.
#include "common/base/log.h"
#include "common/rpc/bulk.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "storage/node.h"

namespace vcfs::storage {

struct Node::Sent {
  FilePtr file;
  StorageId storage = 0;
  std::uint64_t incarnation = 0;
  AckTracker::Ticket ticket = 0;  // 0: a probe
  Epoch epoch = 0;                // in which it was sent
};

namespace {

Errc codeOf(schema::Status::Reader status) {
  const auto code = static_cast<unsigned>(status.getCode());
  return code <= static_cast<unsigned>(Errc::cancelled) ? static_cast<Errc>(code) : Errc::internal;
}

std::uint16_t flagsOf(const Mutation& mutation) {
  std::uint16_t flags = 0;
  if (mutation.thenSeal) flags |= schema::WRITE_FLAG_CLOSE;
  if (mutation.thenSync) flags |= schema::WRITE_FLAG_SYNC;
  return flags;
}

void fillWriter(schema::Writer::Builder writer, const Mutation& mutation) {
  writer.setClient(mutation.client);
  writer.setSequence(mutation.sequence);
  writer.setFirst(mutation.first);
  if (mutation.changesBytes()) writer.setWrittenNs(mutation.mtimeNs);
}

void fillOp(schema::ReplicaOp::Builder builder, const Mutation& mutation) {
  switch (mutation.kind) {
    case Mutation::Kind::truncate:
      builder.setTruncate(mutation.size);
      break;
    case Mutation::Kind::allocate: {
      auto allocate = builder.initAllocate();
      allocate.setOffset(mutation.offset);
      allocate.setLength(mutation.size);
      allocate.setMode(mutation.mode);
      break;
    }
    case Mutation::Kind::sync:
      builder.setSync();
      break;
    case Mutation::Kind::left:
      builder.setLeft();
      break;
    case Mutation::Kind::seal: {
      auto seal = builder.initSeal();
      seal.setState(static_cast<schema::FileState>(mutation.sealAs));
      seal.setSize(mutation.size);
      seal.setMtimeNs(mutation.mtimeNs);
      break;
    }
    default:
      builder.setOpen();
      break;
  }
}

void fillClients(schema::ReplicaOp::Builder builder, const SequenceTable& table) {
  const std::vector<SequenceTable::Record> records = table.records();
  auto list = builder.initClients(static_cast<unsigned>(records.size()));
  for (unsigned i = 0; i < records.size(); ++i) {
    list[i].setClient(records[i].client);
    list[i].setLast(records[i].last);
    list[i].setLeft(records[i].left);
    auto failed = list[i].initFailed(static_cast<unsigned>(records[i].failed.size()));
    for (unsigned k = 0; k < records[i].failed.size(); ++k) failed.set(k, records[i].failed[k]);
  }
}

// The bytes of a large received message are sent on as they lie in memory; small ones are copied.
void attach(schema::Storage::ReplicateParams::Builder params, std::span<const std::byte> data, PeerSession& session) {
  if (data.empty()) return;
  if (auto owner = rpc::ownerOf(data.data())) {
    params.adoptData(rpc::reference(params, data.data(), data.size()));
    session.connection->link().hold(data.data(), std::move(owner));
  } else {
    params.setData(capnp::Data::Reader(reinterpret_cast<const capnp::byte*>(data.data()), data.size()));
  }
}

// What reopens a sealed file waits for a sync too, of the other's list of active files, behind all syncs there. Less
// than clients wait for it (their request limit, 15 s): the other one is to be dropped before they give this one up.
constexpr Duration kReopenLimit = std::chrono::seconds(12);

Duration answerLimit(const PendingOp& op, const Options& options) {
  if (op.mutation.syncs()) return options.replicaSyncLimit;
  if (op.reopens)
    return std::max<Duration>(options.replicaLimit, std::min<Duration>(kReopenLimit, options.replicaSyncLimit));
  return options.replicaLimit;
}

}  // namespace

void Node::forward(FilePtr file, const OpPtr& op) {
  for (std::size_t i = 0; i < file->slots.size(); ++i) {
    const ReplicaSlot& slot = file->slots[i];
    // A syncing replica copies only what was written before it joined, and gets everything after.
    if (slot.failed || (slot.syncing && !slot.joined)) continue;
    Sent sent{file, slot.storage, slot.incarnation, op->ticket};
    const std::string address = slot.address;
    peers->withSession(address, slot.storage, [self = shared_from_this(), sent, op](PeerSession* session) {
      self->sendTo(sent, op, session);
    });
  }
}

// A question without effect that makes a syncing replica known as joined.
void Node::probe(FilePtr file, StorageId storage) { sendAlone(file, storage, Mutation::Kind::open); }

// One that is being caught up may have been dropped and deleted in a layout that this server does not know: it does not
// know that it has joined then. It goes on being sent everything, and waited for.
void Node::probeAgain(FilePtr file, StorageId storage) {
  probe(file, storage);
  const ReplicaSlot* slot = file->slot(storage);
  if (slot != nullptr && slot->joined) tellClients(file, storage);
}

// To a replica that has joined: on the connection of the operations, before those that are put in order from now on.
void Node::tellClients(FilePtr file, StorageId storage) { sendAlone(file, storage, Mutation::Kind::clients); }

void Node::sendAlone(FilePtr file, StorageId storage, Mutation::Kind kind) {
  ReplicaSlot* slot = file->slot(storage);
  if (slot == nullptr || slot->failed) return;
  Sent sent{file, storage, slot->incarnation, 0};
  auto op = std::make_shared<PendingOp>();
  op->mutation.kind = kind;
  const std::string address = slot->address;
  peers->withSession(address, storage,
                     [self = shared_from_this(), sent, op](PeerSession* session) { self->sendTo(sent, op, session); });
}

void Node::sendTo(const Sent& to, const OpPtr& op, PeerSession* session) {
  Sent sent = to;
  const FilePtr& file = sent.file;
  sent.epoch = file->replica.epoch();
  ReplicaSlot* slot = file->slot(sent.storage);
  if (slot == nullptr || slot->incarnation != sent.incarnation || slot->failed) return;
  // While it waited for the connection the operation may have ended without this replica; its bytes are gone.
  if (op->done) return;
  if (session == nullptr) {
    replicaLost(file, sent.storage, "cannot be reached");
    return;
  }
  const bool withLayout = slot->layoutSent != file->replica.epoch() || slot->session != session->number;
  slot->layoutSent = file->replica.epoch();
  slot->session = session->number;

  const Mutation& mutation = op->mutation;
  const Duration limit = answerLimit(*op, options);
  std::shared_ptr<PeerSession> held = session->shared_from_this();
  auto token = held->unanswered.insert(held->unanswered.end(), runtime.clock.now() + limit);
  std::weak_ptr<Node> weak = weak_from_this();
  auto answered = [weak, sent, held, token](auto&& response) {
    held->unanswered.erase(token);
    if (auto self = weak.lock()) self->replicaAnswered(sent, codeOf(response.getStatus()));
  };
  auto failed = [weak, sent, held, token](kj::Exception&& exception) {
    held->unanswered.erase(token);
    if (auto self = weak.lock()) self->replicaAnswered(sent, rpc::fromKj(exception).code());
  };
  auto ignore = [](kj::Exception&&) {};

  if (mutation.kind == Mutation::Kind::write) {
    auto request = held->client.replicateRequest(capnp::MessageSize{64, 0});
    schema::Storage::ReplicateParams::Builder params = request;
    params.setInode(file->inode);
    params.setEpoch(file->replica.epoch());
    fillWriter(params.initWriter(), mutation);
    params.setOffset(mutation.offset);
    params.setPublished(mutation.thenSeal ? mutation.size : file->acks.published());
    params.setFlags(flagsOf(mutation));
    params.setPowerLoss(file->meta.powerLoss);
    if (withLayout) schema::fill(params.initLayout(), file->replica.layout());
    attach(params, mutation.data, *held);
    auto promise = request.send();
    promise.then(kj::mv(answered), kj::mv(failed)).detach(kj::mv(ignore));
  } else {
    auto request = held->client.replicateOpRequest(capnp::MessageSize{64, 0});
    schema::Storage::ReplicateOpParams::Builder params = request;
    params.setInode(file->inode);
    params.setEpoch(file->replica.epoch());
    fillWriter(params.initWriter(), mutation);
    params.setPowerLoss(file->meta.powerLoss);
    if (mutation.kind == Mutation::Kind::clients) {
      fillClients(params.initOp(), file->sequences);
    } else {
      fillOp(params.initOp(), mutation);
    }
    if (withLayout) schema::fill(params.initLayout(), file->replica.layout());
    auto promise = request.send();
    promise.then(kj::mv(answered), kj::mv(failed)).detach(kj::mv(ignore));
  }
}

void Node::replicaAnswered(const Sent& sent, Errc code) {
  const FilePtr& file = sent.file;
  ReplicaSlot* slot = file->slot(sent.storage);
  if (slot == nullptr || slot->incarnation != sent.incarnation) return;
  if (code == Errc::ok) {
    const bool joins = slot->syncing && !slot->joined && !slot->failed;
    slot->joined = slot->joined || !slot->failed;
    if (joins) {
      if (!file->pending.empty()) slot->unsentUpTo = file->pending.rbegin()->first;
      tellClients(file, sent.storage);
    }
    if (sent.ticket != 0 && file->acks.ack(sent.ticket, sent.storage)) {
      complete(file, sent.ticket, std::nullopt);
    } else if (sent.ticket != 0) {
      auto op = file->pending.find(sent.ticket);
      if (op != file->pending.end() && op->second->localRefused) settle(file, op->second);
    }
    return;
  }
  // Of an older epoch it says nothing about the present one, in which this server is primary by the catalog's word;
  // only that the other has not executed this, and therefore what came later at the wrong place.
  if (code == Errc::staleEpoch && sent.epoch >= file->replica.epoch()) {
    depose(file);
    return;
  }
  auto op = file->pending.find(sent.ticket);
  if (refusedByDisk(code) && op != file->pending.end() && file->acks.waitsFor(sent.ticket, sent.storage)) {
    op->second->refusedAt.push_back(sent.storage);
    const OpPtr pending = op->second;
    settle(file, pending);
    return;
  }
  replicaLost(file, sent.storage, std::string(nameOf(code)).c_str());
}

void Node::replicaLost(FilePtr file, StorageId storage, const char* why) {
  ReplicaSlot* slot = file->slot(storage);
  if (slot == nullptr || slot->failed || !file->replica.isPrimary()) return;
  // One that is being caught up goes on being waited for until it is out of the layout: it may be about to tell a
  // tracker that it has everything.
  slot->failed = true;
  ++counters.replicasLost;
  log::warn("replica.lost", {{"inode", log::hex(file->inode)}, {"storage", storage}, {"reason", why}});
  failures_.insert({file->inode, storage});
  failureSignal_.notifyAll();
  settleRefused(file);
}

void Node::peerLost(const std::string& address) {
  std::vector<FilePtr> concerned;
  for (const auto& [inode, file] : files_) {
    if (!file->replica.isPrimary()) continue;
    const bool written = !file->pending.empty() || leases_.writers(inode) != 0;
    for (const ReplicaSlot& slot : file->slots) {
      if (slot.address == address && !slot.failed && (written || slot.syncing)) concerned.push_back(file);
    }
  }
  for (const FilePtr& file : concerned) {
    for (std::size_t i = 0; i < file->slots.size(); ++i) {
      if (file->slots[i].address == address) replicaLost(file, file->slots[i].storage, "connection lost");
    }
  }
}

}  // namespace vcfs::storage
