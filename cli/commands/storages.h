#pragma once

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/remote/links.h"

// What the commands about storage servers share.
namespace vcfs::cli {

CLI::App* storageCommand(CLI::App& app);
// As Tracker.storages says it: a list.
Task<nlohmann::ordered_json> listServers(std::shared_ptr<Links> links);

std::unique_ptr<Command> storageRemove();

}  // namespace vcfs::cli
