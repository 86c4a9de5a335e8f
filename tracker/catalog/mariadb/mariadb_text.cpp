#include "tracker/catalog/mariadb/mariadb_text.h"

#include <charconv>
#include <string_view>

#include "common/base/error.h"

namespace vcfs::tracker {

namespace {

constexpr std::string_view kLockMark = "/*lock*/";

void appendValue(std::string& sql, const Value& value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    sql += std::to_string(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sql += "x'";
    for (const char c : *text) {
      const auto byte = static_cast<unsigned char>(c);
      sql += kDigits[byte >> 4];
      sql += kDigits[byte & 15];
    }
    sql += '\'';
  } else {
    sql += "NULL";
  }
}

Value integerOf(const char* text, unsigned long length) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text, text + length, number);
  if (error == std::errc()) return Value(number);
  std::uint64_t unsignedNumber = 0;  // the same bits
  std::from_chars(text, text + length, unsignedNumber);
  return Value(static_cast<std::int64_t>(unsignedNumber));
}

}  // namespace

std::string statementText(const Statement& statement, bool locking) {
  std::string sql = statement.text;
  if (const auto mark = sql.find(kLockMark); mark != std::string::npos) {
    sql.replace(mark, kLockMark.size(), locking ? "FOR UPDATE" : "");
  }
  return sql;
}

void appendText(std::string& sql, const Query& query, bool locking) {
  std::size_t used = 0;
  for (const char c : statementText(query.statement(), locking)) {
    if (c != '?') {
      sql += c;
      continue;
    }
    if (used == query.values().size()) throw Error(Errc::internal, "a statement has more question marks than values");
    appendValue(sql, query.values()[used++]);
  }
  if (used != query.values().size()) throw Error(Errc::internal, "a statement has fewer question marks than values");
}

bool isInteger(enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return true;
    default:
      return false;
  }
}

Rows toRows(MYSQL_RES* result) {
  const unsigned columns = mysql_num_fields(result);
  const MYSQL_FIELD* fields = mysql_fetch_fields(result);
  Rows rows(columns);
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    const unsigned long* lengths = mysql_fetch_lengths(result);
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] == nullptr) {
        rows.add(Value());
      } else if (isInteger(fields[i].type)) {
        rows.add(integerOf(row[i], lengths[i]));
      } else {
        rows.add(Value(std::in_place_type<std::string>, row[i], lengths[i]));
      }
    }
  }
  return rows;
}

}  // namespace vcfs::tracker
