#pragma once

#include <string_view>

#include "vcfs/types.h"

namespace vcfs {

// As people and programs read it in attributes, JSON and HTTP headers: "open", "closed", "recovered"; "none" of what is
// no regular file.
std::string_view nameOf(FileState state);

}  // namespace vcfs
