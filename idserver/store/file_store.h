#pragma once

#include <memory>
#include <optional>
#include <string>

#include "idserver/store/directory.h"
#include "idserver/store/range_store.h"

namespace vcfs::idserver {

// Keeps the end of everything ever reserved in the file `ids` of a directory:
//   vcfs-idserver 1
//   end 2098176
//   check 4f0c…
// It is replaced as a whole (write `ids.new`, fdatasync, rename, fsync of the directory), so that after a crash it is
// the old or the new one. The file `format` is made once, after the first `ids`: a directory with `format` and without
// `ids` has lost its ids, and is refused instead of starting over.
class FileStore final : public RangeStore {
 public:
  // Reads the directory. Throws Error: corrupted (damaged, lost or of a newer version; the message says what to do),
  // io. An empty directory starts at kFirstId.
  // `recoverAbove`: the way out of `corrupted`: go on above this id, which the caller knows to be at least as high as
  // any in use. Refused (invalid) when the directory is sound and already beyond it.
  explicit FileStore(std::unique_ptr<Directory> directory, std::optional<std::uint64_t> recoverAbove = std::nullopt);

  IdRange reserve(std::uint64_t count) override;
  std::uint64_t end() const { return end_; }  // every id below it is or may be handed out

  static std::string encode(std::uint64_t end);
  static std::uint64_t decode(const std::string& content, const std::string& path);  // throws Error(corrupted)

 private:
  std::uint64_t load();
  void recover(std::uint64_t above);
  void store(std::uint64_t end);

  std::unique_ptr<Directory> directory_;
  std::uint64_t end_ = kFirstId;
  bool hasFormat_ = false;
};

}  // namespace vcfs::idserver
