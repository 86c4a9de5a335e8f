#pragma once

#include <deque>

#include "client/src/core/read_plan.h"
#include "client/src/reader.h"

namespace vcfs::client {

// One handle's reading: serves reads from what was read ahead, fetches the rest, and reads ahead as ReadPlan says.
// Loop thread only.
class ReadStream : public std::enable_shared_from_this<ReadStream> {
 public:
  ReadStream(std::shared_ptr<Core> core, std::shared_ptr<Reader> reader, std::shared_ptr<SizeView> sizes);
  ~ReadStream();

  // Appends pieces of [offset, offset+length) in order; fewer bytes only at the published size. `mayReadAhead` is false
  // while bytes of this process are under way: what is fetched now could be older than they.
  Task<std::vector<Piece>> read(std::uint64_t offset, std::size_t length, bool mayReadAhead);

  // Fetches [offset, offset+length) now, when there is room and nothing of it is on its way.
  void fetchAhead(std::uint64_t offset, std::uint64_t length);

  // Bytes of the range changed: forget what was read ahead of it. To the end of the file by default.
  void invalidate(std::uint64_t offset, std::uint64_t length = UINT64_MAX);

 private:
  struct Chunk;
  Task<void> load(std::shared_ptr<Chunk> chunk);
  void start(std::uint64_t offset, std::uint64_t length);
  std::shared_ptr<Chunk> find(std::uint64_t offset) const;
  std::uint64_t nextChunkAfter(std::uint64_t offset) const;
  bool outdated(const Chunk& chunk) const;
  void drop(const std::shared_ptr<Chunk>& chunk);
  void trim(std::uint64_t position);
  std::uint64_t roomAhead() const;

  std::shared_ptr<Core> core_;
  std::shared_ptr<Reader> reader_;
  std::shared_ptr<SizeView> sizes_;
  ReadPlan plan_;
  std::deque<std::shared_ptr<Chunk>> chunks_;  // ascending, not overlapping
  TimePoint lastRead_;
  std::uint64_t held_ = 0;  // bytes of chunks_
};

}  // namespace vcfs::client
