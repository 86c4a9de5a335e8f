#pragma once

#include <capnp/message.h>

#include <map>
#include <memory>

#include "common/rpc/bulk.h"

namespace vcfs::rpc {

// The memory of one received message. Large ones are listed in live(), so that ownerOf() finds them by address.
class Received : public std::enable_shared_from_this<Received> {
 public:
  static constexpr std::size_t kListedFrom = 16u << 10;  // bytes

  static std::shared_ptr<Received> make(std::size_t bytes);
  ~Received();

  std::byte* data() { return data_; }
  const std::byte* end() const { return data_ + size_; }
  std::size_t size() const { return size_; }

  // Of this thread, by start address.
  static std::map<const void*, std::weak_ptr<Received>>& live();

 private:
  explicit Received(std::size_t bytes);
  std::shared_ptr<Buffer> large_;
  std::unique_ptr<capnp::word[]> small_;
  std::byte* data_;
  std::size_t size_;
};

// A Cap'n Proto reader that owns its bytes.
class ReceivedReader final : public capnp::MessageReader {
 public:
  // `segmentWords`: the sizes of the segments, which lie behind one another in `bytes`.
  ReceivedReader(capnp::ReaderOptions options, std::shared_ptr<Received> bytes, kj::Array<uint32_t> segmentWords);
  kj::ArrayPtr<const capnp::word> getSegment(uint id) override;

 private:
  std::shared_ptr<Received> bytes_;
  kj::Array<uint32_t> segmentWords_;
};

}  // namespace vcfs::rpc
