#include "tracker/catalog/migrations.h"

#include <sstream>

#include "tracker/catalog/embedded_sql.h"

namespace vcfs::tracker {

namespace {

bool startsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

// The line without engine marks and comments; empty when it is not for this engine.
std::string lineFor(std::string line, Engine engine) {
  const std::string own = engine == Engine::sqlite ? "--@sqlite" : "--@mariadb";
  if (startsWith(line, own.c_str())) {
    line.erase(0, own.size());
  } else if (startsWith(line, "--")) {
    return {};
  }
  if (const auto comment = line.find("--"); comment != std::string::npos) line.erase(comment);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
  return line;
}

}  // namespace

std::vector<std::string> splitStatements(const std::string& file, Engine engine) {
  std::vector<std::string> statements;
  std::string current;
  std::istringstream input(file);
  for (std::string raw; std::getline(input, raw);) {
    const std::string line = lineFor(raw, engine);
    if (line.empty()) continue;
    current += line + "\n";
    if (line.back() != ';') continue;
    current.resize(current.size() - 2);
    statements.push_back(std::move(current));
    current.clear();
  }
  return statements;
}

std::vector<Migration> migrations(Engine engine) {
  std::vector<Migration> steps;
  for (const EmbeddedSql& file : kEmbeddedSql) {
    Migration step;
    step.name = file.name;
    step.version = std::stoi(step.name.substr(0, 3));
    step.statements = splitStatements(file.text, engine);
    steps.push_back(std::move(step));
  }
  return steps;
}

int schemaVersion() {
  int newest = 0;
  for (const EmbeddedSql& file : kEmbeddedSql)
    newest = std::max(newest, std::stoi(std::string(file.name).substr(0, 3)));
  return newest;
}

}  // namespace vcfs::tracker
