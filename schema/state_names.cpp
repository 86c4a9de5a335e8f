#include "schema/state_names.h"

namespace vcfs {

std::string_view nameOf(FileState state) {
  switch (state) {
    case FileState::open:
      return "open";
    case FileState::closed:
      return "closed";
    case FileState::recovered:
      return "recovered";
    case FileState::lost:
      return "lost";
    case FileState::none:
      break;
  }
  return "none";
}

}  // namespace vcfs
