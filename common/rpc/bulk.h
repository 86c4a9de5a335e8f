#pragma once

#include <capnp/orphan.h>

#include <cstddef>
#include <memory>

// Moving large bodies through Cap'n Proto without copying them.
namespace vcfs::rpc {

// A buffer from a pool, 4096-aligned, with at least 8 readable bytes behind `capacity`. Memory goes back to the pool
// with the last shared_ptr; the pool keeps a bounded number of idle buffers. First touch of memory is slow, so reuse
// matters. Loop thread, or any thread once handed over (the last release may happen on any thread).
class Buffer {
 public:
  static std::shared_ptr<Buffer> allocate(std::size_t capacity);
  ~Buffer();
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }

 private:
  Buffer(std::byte* data, std::size_t capacity) : data_(data), capacity_(capacity) {}
  std::byte* data_;
  std::size_t capacity_;
};

// The owner of received bytes: what keeps the message alive that `p` points into, if it was received by a TcpTransport
// or MemoryTransport link of this thread as a large message; else null (then the bytes must be copied to outlive the
// call). Lets a primary forward and write what it received without a copy.
std::shared_ptr<const void> ownerOf(const void* p);

// `bytes` (8-aligned; up to 7 bytes behind its end are read) as an orphan that can be adopted by `builder`'s message
// without a copy:   builder.adoptData(rpc::reference(builder, ptr, size));
// The caller makes sure that the memory lives long enough with link.hold(ptr, owner) on the connection it goes out on.
template <class Builder>
capnp::Orphan<capnp::Data> reference(Builder builder, const void* bytes, std::size_t size) {
  return capnp::Orphanage::getForMessageContaining(builder).referenceExternalData(
      capnp::Data::Reader(static_cast<const capnp::byte*>(bytes), size));
}

}  // namespace vcfs::rpc
