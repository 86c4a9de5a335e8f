#include "cli/core/text.h"

#include <ctime>

namespace vcfs::cli {
namespace {

// Columns that a terminal gives to UTF-8 text (every code point as one).
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<std::string> heading, std::vector<bool> right) : right_(std::move(right)) {
  right_.resize(heading.size());
  rows_.push_back(std::move(heading));
}

void Table::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

std::string Table::text() const {
  std::vector<std::size_t> widths(right_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string result;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      std::string padding(widths[i] - width(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (right_[i] ? padding + row[i] : row[i] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  }
  return result;
}

std::string humanBytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 6; ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string modeText(char type, std::uint32_t mode) {
  std::string text(1, type);
  for (int shift = 6; shift >= 0; shift -= 3) {
    std::uint32_t bits = mode >> shift;
    bool special = mode & (shift == 6 ? 04000u : shift == 3 ? 02000u : 01000u);
    char set = shift == 0 ? 't' : 's';
    text += bits & 4 ? 'r' : '-';
    text += bits & 2 ? 'w' : '-';
    text += special ? (bits & 1 ? set : static_cast<char>(set - 32)) : (bits & 1 ? 'x' : '-');
  }
  return text;
}

std::string localTime(std::int64_t ns) {
  std::time_t seconds = ns / 1'000'000'000;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

std::string printable(const std::string& name) {
  std::string result;
  for (unsigned char c : name) {
    if (c < 0x20 || c == 0x7f) {
      result += fmt::format("\\x{:02x}", c);
    } else {
      result += static_cast<char>(c);
    }
  }
  return result;
}

}  // namespace vcfs::cli
