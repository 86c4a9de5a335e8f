#pragma once

#include <cstdint>
#include <vector>

namespace vcfs::client {

// Decides what to read ahead for one handle. Without I/O.
//
// A reader counts as sequential from the second read that continues the one before (or starts near where it is
// expected: a kernel's requests may overtake each other a little), and from its first read when that is a large one at
// the start of the file. What is read ahead doubles from two requests to `limit`.
class ReadPlan {
 public:
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };

  ReadPlan(std::uint64_t limit, std::uint64_t chunk) : limit_(limit), chunk_(chunk) {}

  // A read of [offset, offset+length) of a file of `size` bytes is about to be served. `room`: bytes that may be
  // requested ahead now. Returns what to request, beginning with what the read itself needs and is not requested yet;
  // empty: nothing, serve the read by itself.
  std::vector<Range> onRead(std::uint64_t offset, std::uint64_t length, std::uint64_t size, std::uint64_t room);

  // Everything requested ahead was thrown away.
  void reset();
  bool sequential() const { return streak_ >= 1; }
  bool started() const { return started_; }  // something was read

 private:
  bool continues(std::uint64_t offset, std::uint64_t length) const;

  std::uint64_t limit_;
  std::uint64_t chunk_;
  std::uint64_t expected_ = 0;   // where the next read of a sequential reader starts
  std::uint64_t requested_ = 0;  // everything from the stream's position to here was requested
  std::uint64_t window_ = 0;     // how far ahead to request at present
  unsigned streak_ = 0;
  bool started_ = false;
};

}  // namespace vcfs::client
