#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::httpd {

enum class ListingFormat { html, json };

// What an Accept header prefers: JSON only when it is asked for with a weight above that of HTML.
ListingFormat preferredListing(std::string_view accept);

// What a listing tells of an entry: a fraction of what the cluster does.
struct ListedEntry {
  std::string name;
  InodeId inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtimeNs = 0;
  FileType type = FileType::none;
  FileState state = FileState::none;
};
ListedEntry listed(DirEntry entry);

// A directory's listing in three steps, so that a large one is sent while it is read.
class Listing {
 public:
  static constexpr std::size_t kSlice = 64 << 10;  // bytes of rows that are rendered at once, and at most one row more

  // `urlPath`: the directory's, encoded, with a slash at its end.
  Listing(ListingFormat format, std::string urlPath);
  std::string_view contentType() const;
  std::string begin() const;
  // Directories first, then by name.
  static void sort(std::vector<ListedEntry>& entries);
  // Renders a slice of the entries, in their order, and takes those that are in it off the front of `entries`.
  std::string rows(std::span<const ListedEntry>& entries);
  std::string end() const;

 private:
  void htmlRow(std::string& out, const ListedEntry& entry) const;
  void jsonRow(std::string& out, const ListedEntry& entry);

  ListingFormat format_;
  std::string urlPath_;
  bool first_ = true;
};

std::string humanSize(std::uint64_t bytes);  // "0 B", "1.5 KiB", "20 GiB"

}  // namespace vcfs::httpd
