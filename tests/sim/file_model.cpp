#include "tests/sim/file_model.h"

#include <algorithm>

namespace vcfs::sim {

void FileModel::write(std::uint64_t offset, std::string data) {
  if (now_.size() < offset + data.size()) now_.resize(offset + data.size());
  now_.replace(offset, data.size(), data);
  changes_.push_back(Change{false, offset, std::move(data)});
}

void FileModel::truncate(std::uint64_t size) {
  now_.resize(size);
  changes_.push_back(Change{true, size, {}});
}

void FileModel::acknowledged() {
  if (baseChange_ == changes_.size()) return;
  base_ = std::make_shared<const std::string>(now_);
  baseChange_ = changes_.size();
}

bool FileModel::truncatedSince(const Mark& mark) const {
  return std::any_of(changes_.begin() + static_cast<std::ptrdiff_t>(mark.change), changes_.end(),
                     [](const Change& change) { return change.truncation; });
}

std::string FileModel::judge(const Mark& since, std::uint64_t offset, std::size_t wanted,
                             const std::string& got) const {
  std::vector<bool> possible(got.size());
  auto allow = [&](std::uint64_t at, const std::string& data) {
    const std::uint64_t begin = std::max(at, offset);
    const std::uint64_t end = std::min(at + data.size(), offset + got.size());
    for (std::uint64_t i = begin; i < end; ++i) {
      if (got[i - offset] == data[i - at]) possible[i - offset] = true;
    }
  };
  std::uint64_t least = since.base->size();
  allow(0, *since.base);
  for (std::size_t i = since.change; i < changes_.size(); ++i) {
    if (changes_[i].truncation) {
      least = std::min(least, changes_[i].offset);
    } else {
      allow(changes_[i].offset, changes_[i].data);
    }
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (possible[i]) continue;
    return "byte " + std::to_string(offset + i) + " is " + std::to_string(static_cast<unsigned char>(got[i])) +
           (got[i] == 0 ? ", a zero nobody wrote" : ", which it never was in that time");
  }
  if (got.size() < wanted && offset + got.size() < std::min<std::uint64_t>(least, offset + wanted)) {
    return "the file ends at " + std::to_string(offset + got.size()) + " although it has " + std::to_string(least) +
           " acknowledged bytes";
  }
  return "";
}

std::string FileModel::judgeSince(std::size_t change, const std::string& all) const {
  std::vector<bool> written;
  for (std::size_t i = change; i < changes_.size(); ++i) {
    const std::uint64_t end = changes_[i].offset + changes_[i].data.size();
    if (changes_[i].truncation || end > written.size()) written.resize(end);
    for (std::uint64_t at = changes_[i].offset; at < end; ++at) written[at] = true;
  }
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (!written[i] || (i < all.size() && all[i] == now_[i])) continue;
    return "byte " + std::to_string(i) + (i < all.size() ? " is another one" : " is missing") + " than was written";
  }
  return "";
}

std::string difference(const std::string& is, const std::string& expected) {
  if (is == expected) return "";
  const auto [a, b] = std::mismatch(is.begin(), is.end(), expected.begin(), expected.end());
  auto from = a;
  std::size_t wrong = 0;
  for (auto x = a, y = b; x != is.end() && y != expected.end(); ++x, ++y) {
    if (*x != *y) from = x, ++wrong;
  }
  return std::to_string(is.size()) + " bytes instead of " + std::to_string(expected.size()) + "; " +
         std::to_string(wrong) + " wrong from " + std::to_string(a - is.begin()) + " to " +
         std::to_string(from - is.begin()) + (a != is.end() && *a == 0 ? ", the first is zero" : "");
}

}  // namespace vcfs::sim
