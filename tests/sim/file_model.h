#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// What one writer did to one file, and what others may see of it. Writers of these tests leave no holes and never
// write zeros, so a zero that a reader gets is a false one. No I/O.
namespace vcfs::sim {

class FileModel {
 public:
  // Noted before the call is made: its effect may be visible before it returns.
  void write(std::uint64_t offset, std::string data);  // offset ≤ size()
  void truncate(std::uint64_t size);                   // ≤ size()
  // Everything noted so far was acknowledged by flush, fsync or close.
  void acknowledged();

  const std::string& bytes() const { return now_; }
  std::uint64_t size() const { return now_.size(); }
  std::size_t changes() const { return changes_.size(); }

  // A moment, from which on something may have been seen.
  struct Mark {
    std::shared_ptr<const std::string> base;  // acknowledged then
    std::size_t change = 0;                   // what follows it
  };
  Mark mark() const { return Mark{base_, baseChange_}; }
  static Mark beginning() { return Mark{std::make_shared<const std::string>(), 0}; }
  bool truncatedSince(const Mark& mark) const;
  // Whether a read of `wanted` bytes that began at `since` and ended now may have returned `got`: every byte is one
  // that the file had there in that time, and it ends no earlier than the file ever did. "": yes.
  std::string judge(const Mark& since, std::uint64_t offset, std::size_t wanted, const std::string& got) const;

  // Whether `all` of the file has what was written after the first `change` changes. "": yes.
  std::string judgeSince(std::size_t change, const std::string& all) const;

 private:
  struct Change {
    bool truncation = false;
    std::uint64_t offset = 0;  // or the new size
    std::string data;
  };
  std::string now_;
  std::vector<Change> changes_;
  std::shared_ptr<const std::string> base_ = std::make_shared<const std::string>();
  std::size_t baseChange_ = 0;
};

// "": equal. Else where they differ first.
std::string difference(const std::string& is, const std::string& expected);

}  // namespace vcfs::sim
