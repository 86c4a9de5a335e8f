// storage list, drain: the servers, and how one is emptied.
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/commands/nested.h"
#include "cli/commands/storages.h"
#include "cli/core/status_merge.h"
#include "cli/core/text.h"
#include "cli/remote/links.h"

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;
using TrackerClient = schema::Tracker::Client;

constexpr auto kPoll = 300ms;

std::string field(const Json& object, const char* key) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

std::string leftText(const Json& server) {
  if (!server.contains("files_left")) return "";
  return fmt::format("{} files, {}", field(server, "files_left"),
                     humanBytes(server.value("bytes_left", std::uint64_t{0})));
}

std::string stateText(const Json& server) {
  std::string text = field(server, "state");
  if (server.value("draining", false)) text += server.value("drained", false) ? ", drained" : ", draining";
  if (const auto away = server.value("away_seconds", 0); text.starts_with("unreachable") && away > 0) {
    text += fmt::format(" for {} s", away);
  }
  if (server.contains("refused")) text += ", refused";
  return text;
}

class StorageList final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = storageCommand(parent)->add_subcommand("list", "Show the storage servers and what is left on them");
    declareJson(*app);
    app->footer(
        "LEFT: what is still to be copied elsewhere from a server that is being emptied or is away.\n"
        "Example: vcfs storage list --json");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    const ClusterOptions& options = cluster->options();
    auto links = std::make_shared<Links>(runtime(), options.trackers, options.stallLimit);
    const Json servers = co_await listServers(links);
    if (json()) {
      printLine(servers.dump(2));
      co_return kOk;
    }
    Table table({"STORAGE", "GROUP", "ADDRESS", "STATE", "FREE", "CAPACITY", "LEFT"},
                {false, false, false, false, true, true, false});
    for (const auto& server : servers) {
      table.add({field(server, "name"), field(server, "group"), field(server, "address"), stateText(server),
                 humanBytes(server.value("free_bytes", std::uint64_t{0})),
                 humanBytes(server.value("capacity_bytes", std::uint64_t{0})), leftText(server)});
    }
    printLine(table.text());
    if (const std::string refused = refusals(servers); !refused.empty()) printLine(refused);
    co_return kOk;
  }
};

class StorageDrain final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = storageCommand(parent)->add_subcommand(
        "drain", "Empty a storage server: its files, running recordings too, move to others of its group");
    app->add_option("NAME", name_, "the server's name")->required();
    auto* wait = app->add_flag("--wait", wait_, "return when nothing is left on it; shows what is still to be moved");
    app->add_flag("--cancel", cancel_, "no more of that: what was moved stays moved, new files go there again")
        ->excludes(wait);
    declareJson(*app);
    app->footer(
        "New files avoid the server from now on. A recorder notices nothing. The server stays in the cluster,\n"
        "empty, until `vcfs storage drain NAME --cancel` or `vcfs storage remove NAME`. With --wait the exit code is\n"
        "0 when it is empty; interrupting the command does not stop the move. It waits as long as it takes.\n"
        "When nothing moves any more, the group has too few other servers with room: `vcfs groups`.\n"
        "Example: vcfs storage drain s3 --wait");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    const ClusterOptions& options = cluster->options();
    auto links = std::make_shared<Links>(runtime(), options.trackers, options.stallLimit);
    auto build = [&](TrackerClient& tracker) {
      auto request = tracker.drainStorageRequest();
      request.setName(name_);
      request.setDrain(!cancel_);
      links->fill(request.initRequest());
      return request.send();
    };
    auto answer = co_await links->tracker(build);
    Json server = Json::parse(schema::toString(answer.getJson()));
    if (wait_) server = co_await untilEmpty(links);
    if (json()) {
      printLine(server.dump(2));
    } else if (cancel_) {
      printLine(name_ + ": takes files again");
    } else {
      printLine(wait_ ? name_ + ": empty" : fmt::format("{}: being emptied, {} left", name_, left(server)));
    }
    co_return kOk;
  }

  static std::string left(const Json& server) {
    const std::string text = leftText(server);
    return text.empty() ? "its files are" : text;
  }

  Task<Json> untilEmpty(std::shared_ptr<Links> links) {
    std::string shown;
    // Twice in a row: a file that was being made when the draining began may have come after the first look.
    for (int empty = 0; empty < 2;) {
      const Json servers = co_await listServers(links);
      Json found;
      for (const auto& server : servers) {
        if (field(server, "name") == name_) found = server;
      }
      if (found.is_null()) throw Error(Errc::notFound, name_ + " was removed meanwhile");
      if (!found.value("draining", false)) throw Error(Errc::cancelled, name_ + ": somebody cancelled it");
      empty = found.value("drained", false) ? empty + 1 : 0;
      if (empty == 2) co_return found;
      const std::string text = left(found);
      if (!json() && text != shown) {
        printLine(name_ + ": " + text + " left");
        std::fflush(stdout);
      }
      shown = text;
      co_await runtime().clock.sleep(kPoll);
    }
    co_return Json();
  }

  std::string name_;
  bool wait_ = false;
  bool cancel_ = false;
};

}  // namespace

CLI::App* storageCommand(CLI::App& app) {
  return parentCommand(app, "storage", "List, empty and remove storage servers");
}

Task<nlohmann::ordered_json> listServers(std::shared_ptr<Links> links) {
  auto build = [](TrackerClient& tracker) { return tracker.storagesRequest().send(); };
  auto answer = co_await links->tracker(build);
  const std::string text = schema::toString(answer.getJson());
  co_return Json::parse(text);
}

Commands storageCommands() {
  Commands commands;
  commands.push_back(std::make_unique<StorageList>());
  commands.push_back(std::make_unique<StorageDrain>());
  commands.push_back(storageRemove());
  return commands;
}

}  // namespace vcfs::cli
