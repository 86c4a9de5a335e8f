#include "common/rpc/received.h"

namespace vcfs::rpc {

std::map<const void*, std::weak_ptr<Received>>& Received::live() {
  thread_local std::map<const void*, std::weak_ptr<Received>> live;
  return live;
}

Received::Received(std::size_t bytes) : size_(bytes) {
  if (bytes >= kListedFrom) {
    large_ = Buffer::allocate(bytes);
    data_ = large_->data();
  } else {
    small_.reset(new capnp::word[bytes / sizeof(capnp::word) + 1]);
    data_ = reinterpret_cast<std::byte*>(small_.get());
  }
}

std::shared_ptr<Received> Received::make(std::size_t bytes) {
  std::shared_ptr<Received> received(new Received(bytes));
  if (bytes >= kListedFrom) live()[received->data_] = received;
  return received;
}

Received::~Received() {
  if (!large_) return;
  // Released on another thread (a disk job held it last): that thread's map has no such entry, and the entry of the
  // receiving thread is replaced when the address is used again, or found dead by ownerOf().
  auto& listed = live();
  auto entry = listed.find(data_);
  if (entry != listed.end() && entry->second.expired()) listed.erase(entry);
}

ReceivedReader::ReceivedReader(capnp::ReaderOptions options, std::shared_ptr<Received> bytes,
                               kj::Array<uint32_t> segmentWords)
    : MessageReader(options), bytes_(std::move(bytes)), segmentWords_(kj::mv(segmentWords)) {}

kj::ArrayPtr<const capnp::word> ReceivedReader::getSegment(uint id) {
  if (id >= segmentWords_.size()) return nullptr;
  const auto* start = reinterpret_cast<const capnp::word*>(bytes_->data());
  for (uint i = 0; i < id; ++i) start += segmentWords_[i];
  return kj::arrayPtr(start, segmentWords_[id]);
}

}  // namespace vcfs::rpc
