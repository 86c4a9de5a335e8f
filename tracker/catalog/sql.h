#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "common/runtime/task.h"

// What an operation on the catalog sees of the database: statements with bound values in, rows out. Both engines
// (SQLite, MariaDB) speak it, so that there is one set of operations.
namespace vcfs::tracker {

// Strings are raw bytes; unsigned 64-bit ids travel as the signed number with the same bits.
using Value = std::variant<std::monostate, std::int64_t, std::string>;

// One SQL text, portable between the engines. Must have static storage: connections cache the prepared form by the
// address of `text`. "/*lock*/" at the end of a SELECT inside a writing transaction locks the rows it reads where the
// engine has row locks.
struct Statement {
  const char* text;
};

class Rows {
 public:
  Rows() = default;
  explicit Rows(std::size_t columns) : columns_(columns) {}
  std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  bool empty() const { return cells_.empty(); }
  const Value& at(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }
  std::int64_t integer(std::size_t row, std::size_t column) const;  // 0 for NULL
  std::string text(std::size_t row, std::size_t column) const;      // empty for NULL
  std::uint64_t changed() const { return changed_; }                // rows inserted, updated or deleted

  void add(Value value) { cells_.push_back(std::move(value)); }
  void setColumns(std::size_t columns) { columns_ = columns; }
  void setChanged(std::uint64_t changed) { changed_ = changed; }

 private:
  std::vector<Value> cells_;
  std::size_t columns_ = 0;
  std::uint64_t changed_ = 0;
};

// A transaction under way. Valid only inside the operation it was handed to.
class SqlTx {
 public:
  virtual ~SqlTx() = default;

  // Throws Error: exists (a key is there already), noSpace, io, unavailable (the database is away; the whole
  // transaction is repeated by the engine where that may help).
  template <class... Values>
  Task<Rows> exec(const Statement& statement, Values&&... values) {
    std::vector<Value> bound;
    bound.reserve(sizeof...(values));
    (bound.push_back(toValue(std::forward<Values>(values))), ...);
    return execute(statement, std::move(bound));
  }

  virtual Task<Rows> execute(const Statement& statement, std::vector<Value> values) = 0;

 private:
  template <class T>
  static Value toValue(T&& value) {
    using Plain = std::remove_cvref_t<T>;
    if constexpr (std::is_enum_v<Plain>) {
      return Value(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_integral_v<Plain>) {
      return Value(static_cast<std::int64_t>(value));
    } else {
      return Value(std::in_place_type<std::string>, std::forward<T>(value));
    }
  }
};

}  // namespace vcfs::tracker
