#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace vcfs::cli {

// A command that holds one action each ("user", "group", "storage"); made by whoever comes first.
CLI::App* parentCommand(CLI::App& app, const std::string& name, const std::string& purpose);

}  // namespace vcfs::cli
