#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace vcfs::tracker {

// Ids that were leased ahead, so that nobody who needs one waits for an ID server. No I/O.
class IdPool {
 public:
  struct Options {
    std::uint32_t rangeSize = 65'536;  // asked for at a time; 1 … 1 000 000
    std::uint32_t lowWater = 32'768;   // ids left at which the next range is asked for
  };
  explicit IdPool(Options options) : options_(options) {}

  std::optional<std::uint64_t> take();
  void add(std::uint64_t first, std::uint32_t count);
  bool wantsRefill() const { return left_ <= options_.lowWater; }
  std::uint32_t rangeSize() const { return options_.rangeSize; }
  std::uint64_t left() const { return left_; }

 private:
  struct Range {
    std::uint64_t next;
    std::uint64_t end;
  };
  Options options_;
  std::deque<Range> ranges_;
  std::uint64_t left_ = 0;
};

}  // namespace vcfs::tracker
