#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "httpd/server/site.h"

namespace vcfs::httpd {

// Bytes ready to be sent, in order, and what keeps them alive.
struct Window {
  std::vector<std::span<const std::byte>> parts;
  std::vector<std::shared_ptr<const void>> owners;
  std::uint64_t bytes = 0;

  void clear();
  void add(std::string_view text);  // `text` must stay until it is sent
  // The part of `pieces` (which start at file offset `start`) from `from` on, at most `most` bytes.
  void add(const std::vector<Piece>& pieces, std::uint64_t start, std::uint64_t from, std::uint64_t most);
};

inline constexpr std::uint64_t kWindowBytes = 1 << 20;  // sent in one call, at most
inline constexpr std::uint64_t kReadBytes = 256 << 10;  // read at once of a file that is being recorded
inline constexpr std::size_t kWindowParts = 512;        // below IOV_MAX

// Where the bytes of one answer come from. Nothing is held between two calls but what the class says.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` with 1 … `length` bytes from `offset` on. Throws Error; also when the file turns out to be shorter.
  virtual Task<void> fill(Window& out, std::uint64_t offset, std::uint64_t length) = 0;
  // Nothing is wanted for a while: gives up what can be read again.
  virtual void letGo() = 0;
};

// Of a sealed file through the block cache: holds no bytes, so a slow client costs no memory. Else straight from the
// cluster: holds at most one read (kReadBytes) that was not sent yet.
std::unique_ptr<ByteSource> makeSource(Site& site, Version version);

}  // namespace vcfs::httpd
