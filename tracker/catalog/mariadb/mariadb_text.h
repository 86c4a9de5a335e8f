#pragma once

#include <mysql.h>

#include <string>

#include "tracker/catalog/sql.h"

// Statements as text, with their values in it: several of them travel in one message, which prepared ones cannot.
namespace vcfs::tracker {

// Appends the statement with its values in the places of its question marks. Strings become hexadecimal literals, so no
// byte of a value is ever read as SQL. `locking`: its "/*lock*/" becomes FOR UPDATE, else it is dropped.
void appendText(std::string& sql, const Query& query, bool locking);

// The statement as it is prepared.
std::string statementText(const Statement& statement, bool locking);

// A result that was stored on this side.
Rows toRows(MYSQL_RES* result);

// Whether values of a column of this type are Value's integers.
bool isInteger(enum_field_types type);

}  // namespace vcfs::tracker
