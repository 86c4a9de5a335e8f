#pragma once

#include "cli/command.h"

namespace vcfs::cli {

std::unique_ptr<Command> makeStat();
std::unique_ptr<Command> makeLs();
std::unique_ptr<Command> makeRm();
std::unique_ptr<Command> makeMkdir();

// The directory with everything above it, as `mkdir -p`. Throws Error(notDirectory) when something else is in the way.
Task<Entry> makeDirectoriesInStore(std::shared_ptr<Cluster> cluster, std::string path);
// Throws Error(notFound) or Error(notDirectory) that names the path and what to do.
Task<Entry> mustBeDirectory(std::shared_ptr<Cluster> cluster, std::string path);
std::uint32_t processUmask();
std::uint32_t newDirectoryMode();  // 0777 without this process's umask

const char* typeName(FileType type);          // "file", "directory" …
std::string_view stateName(FileState state);  // "" of what is no regular file
char typeLetter(FileType type);               // as `ls -l`

}  // namespace vcfs::cli
