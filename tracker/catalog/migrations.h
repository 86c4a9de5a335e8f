#pragma once

#include <string>
#include <vector>

// The numbered steps of schema/sql, built into the program.
namespace vcfs::tracker {

enum class Engine { sqlite, mariadb };

struct Migration {
  int version = 0;   // 1, 2, 3 …
  std::string name;  // "001_initial"
  std::vector<std::string> statements;
};

// Every step, for one engine, in order.
std::vector<Migration> migrations(Engine engine);

// The newest version this program knows.
int schemaVersion();

// One step's file as the statements for `engine`: its lines that are for the other engine and comments are left out.
std::vector<std::string> splitStatements(const std::string& file, Engine engine);

}  // namespace vcfs::tracker
