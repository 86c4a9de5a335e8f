// groups, group set, users, user assign
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/commands/nested.h"
#include "cli/core/text.h"
#include "cli/core/usage_error.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

using Json = nlohmann::json;

std::string cell(const Json& object, const char* key) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

std::string bytesCell(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number() ? humanBytes(it->get<std::uint64_t>()) : "";
}

// Whether the list stands alone or under its name.
Json listIn(const std::string& text, const char* name) {
  Json json = Json::parse(text);
  return json.is_object() && json.contains(name) ? json[name] : json;
}

class Groups final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("groups", "Show the storage groups: copies of new files, servers, room");
    declareCommon(*app, "10s");
    declareJson(*app);
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    std::string text = co_await cluster->groupsJson();
    if (json()) {
      printLine(Json::parse(text).dump(2));
      co_return kOk;
    }
    Table table({"GROUP", "COPIES", "FREE", "CAPACITY", "SERVERS"}, {false, true, true, true, false});
    for (const auto& group : listIn(text, "groups")) {
      std::vector<std::string> servers = group.value("storages", std::vector<std::string>{});
      table.add({cell(group, "name"), cell(group, "copies"), bytesCell(group, "free_bytes"),
                 bytesCell(group, "capacity_bytes"), join(servers, ", ")});
    }
    printLine(table.text());
    co_return kOk;
  }
};

class GroupSet final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parentCommand(parent, "group", "Change a storage group")
                    ->add_subcommand("set", "Set how many copies new files of a group have");
    app->add_option("GROUP", group_, "the group's name; made if there is none")->required();
    app->add_option("--copies", copies_, "copies of a new file, 1 … 8")->required()->check(CLI::Range(1, 8));
    app->footer("Existing files keep the number of copies they have.\nExample: vcfs group set g1 --copies 3");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    co_await cluster->setGroup(group_, copies_);
    printLine(fmt::format("group {}: new files have {} {}", group_, copies_, copies_ == 1 ? "copy" : "copies"));
    co_return kOk;
  }
  std::string group_;
  std::uint32_t copies_ = 0;
};

class Users final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("users", "Show the users (first-level directories) and their storage groups");
    declareCommon(*app, "10s");
    declareJson(*app);
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    std::string text = co_await cluster->usersJson();
    if (json()) {
      printLine(Json::parse(text).dump(2));
      co_return kOk;
    }
    Table table({"USER", "GROUP"});
    for (const auto& user : listIn(text, "users")) {
      table.add({printable(cell(user, "name")), cell(user, "group")});
    }
    printLine(table.text());
    co_return kOk;
  }
};

class UserAssign final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parentCommand(parent, "user", "Change a user")
                    ->add_subcommand("assign", "Keep a user's new files in a storage group");
    app->add_option("USER", user_, "the first-level directory, for example \"alice\" of /alice/meeting.mp4")
        ->required();
    app->add_option("GROUP", group_, "the storage group (vcfs groups lists them)")->required();
    app->footer("Existing files stay where they are.\nExample: vcfs user assign alice g2");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    while (user_.starts_with('/')) user_.erase(0, 1);
    if (user_.empty() || user_.find('/') != std::string::npos) {
      throw UsageError("USER is the name of a first-level directory, without a path");
    }
    co_await cluster->assignUser(user_, group_);
    printLine(fmt::format("user {}: new files go to group {}", user_, group_));
    co_return kOk;
  }
  std::string user_, group_;
};

}  // namespace

Commands adminCommands() {
  Commands commands;
  commands.push_back(std::make_unique<Groups>());
  commands.push_back(std::make_unique<GroupSet>());
  commands.push_back(std::make_unique<Users>());
  commands.push_back(std::make_unique<UserAssign>());
  return commands;
}

}  // namespace vcfs::cli
