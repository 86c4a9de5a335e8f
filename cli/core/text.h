#pragma once

#include <cstdint>
#include <string>
#include <vector>

// How values are shown to people. No I/O.
namespace vcfs::cli {

// Rows of cells under a heading, columns padded to the widest; numeric columns (where named) to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> heading, std::vector<bool> right = {});
  void add(std::vector<std::string> row);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

std::string humanBytes(std::uint64_t bytes);          // "1.5 GiB"
std::string modeText(char type, std::uint32_t mode);  // "-rw-r--r--"
std::string localTime(std::int64_t ns);               // "2026-01-02 03:04:05"
std::string printable(const std::string& name);       // control characters as \xNN, for terminals

}  // namespace vcfs::cli
