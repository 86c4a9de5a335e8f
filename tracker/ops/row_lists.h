#pragma once

#include <string>

#include "common/base/ids.h"
#include "tracker/catalog/sql.h"

// Statements that change the rows of up to kRows inodes: one for each row would be a round trip each on MariaDB.
namespace vcfs::tracker::ops {

constexpr std::size_t kRows = 32;

// `text` once for each row.
inline std::string repeated(const char* text, const char* between) {
  std::string all = text;
  for (std::size_t i = 1; i < kRows; ++i) all.append(between).append(text);
  return all;
}

// `head (?, ?, …) tail`.
inline std::string withList(const std::string& head, const char* tail = "") {
  return head + " (" + repeated("?", ", ") + ")" + tail;
}

// The rows from `from` on, for such a list. Inode 0, which no row has, fills the last one.
inline void appendList(std::vector<Value>& values, const std::vector<InodeId>& inodes, std::size_t from) {
  for (std::size_t i = from; i < from + kRows; ++i) {
    values.emplace_back(static_cast<std::int64_t>(i < inodes.size() ? inodes[i] : 0));
  }
}

}  // namespace vcfs::tracker::ops
