#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::httpd {

enum class ListingFormat { html, json };

// What an Accept header prefers: JSON only when it is asked for with a weight above that of HTML.
ListingFormat preferredListing(std::string_view accept);

// A directory's listing in three steps, so that a large one is sent while it is read.
class Listing {
 public:
  // `urlPath`: the directory's, encoded, with a slash at its end.
  Listing(ListingFormat format, std::string urlPath);
  std::string_view contentType() const;
  std::string begin() const;
  // Sorts directories first, then by name (only what is in `entries`), and renders them.
  std::string rows(std::vector<DirEntry> entries);
  std::string end() const;

 private:
  void htmlRow(std::string& out, const DirEntry& entry) const;
  void jsonRow(std::string& out, const DirEntry& entry);

  ListingFormat format_;
  std::string urlPath_;
  bool first_ = true;
};

std::string humanSize(std::uint64_t bytes);  // "0 B", "1.5 KiB", "20 GiB"

}  // namespace vcfs::httpd
