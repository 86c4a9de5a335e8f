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

// A statement and its values.
class Query {
 public:
  Query(const Statement& statement, std::vector<Value> values) : statement_(statement), values_(std::move(values)) {}
  const Statement& statement() const { return statement_; }
  const std::vector<Value>& values() const { return values_; }
  std::vector<Value>& values() { return values_; }

 private:
  Statement statement_;
  std::vector<Value> values_;
};

template <class... Values>
Query query(const Statement& statement, Values&&... values);

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
//
// To a database that is elsewhere each call of exec() is a journey. Statements that do not need each other's answers
// go together (execAll), writes whose answer nobody needs with whatever comes next (later).
class SqlTx {
 public:
  virtual ~SqlTx() = default;

  // Throws Error: exists (a key is there already), noSpace, io, unavailable (the database is away; the whole
  // transaction is repeated by the engine where that may help).
  template <class... Values>
  Task<Rows> exec(const Statement& statement, Values&&... values) {
    Query made = query(statement, std::forward<Values>(values)...);
    return execute(statement, std::move(made.values()));
  }

  // In this order, each seeing what those before it wrote; one answer for each. Throws as exec() does, at the first
  // that fails.
  template <class... Queries>
  Task<std::vector<Rows>> execAll(Queries&&... queries) {
    std::vector<Query> list;
    list.reserve(sizeof...(queries));
    (list.push_back(std::forward<Queries>(queries)), ...);
    return executeAll(std::move(list));
  }

  // A write that is done before any statement that follows, at the latest when the operation is committed. That it
  // failed is thrown here, by a later statement, or by Catalog::write: an operation that wants to go on after an error
  // uses exec(). Writing transactions only.
  template <class... Values>
  void later(const Statement& statement, Values&&... values) {
    writeLater(query(statement, std::forward<Values>(values)...));
  }

  virtual Task<Rows> execute(const Statement& statement, std::vector<Value> values) = 0;
  virtual Task<std::vector<Rows>> executeAll(std::vector<Query> queries) = 0;
  virtual void writeLater(Query query) = 0;
  // Whether others may write at other nodes of the database, where no lock of this transaction is known: what it relies
  // on must then be written by it, so that one of two that exclude each other fails and is repeated.
  virtual bool elsewhere() const = 0;
};

// ---- implementation ----

namespace detail {

template <class T>
Value toValue(T&& value) {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (std::is_enum_v<Plain> || std::is_integral_v<Plain>) {
    return Value(static_cast<std::int64_t>(value));
  } else {
    return Value(std::in_place_type<std::string>, std::forward<T>(value));
  }
}

}  // namespace detail

template <class... Values>
Query query(const Statement& statement, Values&&... values) {
  std::vector<Value> bound;
  bound.reserve(sizeof...(values));
  (bound.push_back(detail::toValue(std::forward<Values>(values))), ...);
  return Query(statement, std::move(bound));
}

}  // namespace vcfs::tracker
