#include "cli/commands/nested.h"

namespace vcfs::cli {

CLI::App* parentCommand(CLI::App& app, const std::string& name, const std::string& purpose) {
  try {
    return app.get_subcommand(name);
  } catch (const CLI::OptionNotFound&) {
    CLI::App* made = app.add_subcommand(name, purpose);
    made->require_subcommand(1);
    made->footer("");
    return made;
  }
}

}  // namespace vcfs::cli
