#include "tracker/catalog/sql.h"

namespace vcfs::tracker {

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
  const Value& value = at(row, column);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return std::strtoll(text->c_str(), nullptr, 10);
  return 0;
}

std::string Rows::text(std::size_t row, std::size_t column) const {
  const Value& value = at(row, column);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  return {};
}

}  // namespace vcfs::tracker
