// stat and ls: what is in the store.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/commands/file_commands.h"
#include "cli/core/text.h"
#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kPage = 2048;

std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

Json attributes(const std::string& name, const Attr& attr) {
  Json json{{"name", name},
            {"id", log::hex(attr.inode)},
            {"type", typeName(attr.type)},
            {"size", attr.size},
            {"mode", fmt::format("{:04o}", attr.mode)},
            {"uid", attr.uid},
            {"gid", attr.gid},
            {"links", attr.nlink},
            {"mtime_ns", attr.mtimeNs}};
  if (attr.type == FileType::regular) json["state"] = stateName(attr.state);
  return json;
}

class Stat final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("stat", "Show one file: size, state, epoch, and where its replicas lie");
    app->add_option("PATH", path_, "the file in the store (a path under a mount of this machine will do too)")
        ->required();
    declareJson(*app);
    app->footer(
        "State: open (being recorded), closed, recovered (its recorder vanished; sealed at the published size).\n"
        "Replicas, the primary first: in-sync (has every published byte), syncing, stale.\n"
        "Example: vcfs stat /alice/meeting.mp4 --json");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    std::string target = co_await path(cluster, path_);
    Entry entry = co_await entryAt(cluster, target, false);
    Json status = attributes(target, entry.attr);
    status.erase("name");
    status["path"] = target;
    if (entry.attr.type == FileType::regular) {
      std::string text = co_await cluster->fileJson(entry.attr.inode);
      Json file = Json::parse(text);
      for (auto& [key, value] : file.items()) {
        if (key != "path") status[key] = value;
      }
      co_await askPrimary(cluster, entry.attr.inode, status);
    } else if (entry.attr.type == FileType::symlink) {
      status["target"] = co_await cluster->readLink(entry.attr.inode);
    }
    printLine(json() ? dump(status) : text(status));
    co_return kOk;
  }

  // The catalog hears of an open file's size every few seconds; its primary knows. While that is away the rest is what
  // people want to see.
  Task<void> askPrimary(std::shared_ptr<Cluster> cluster, InodeId inode, Json& status) {
    try {
      Entry now = co_await cluster->getAttr(inode);
      status["size"] = now.attr.size;
      status["mtime_ns"] = now.attr.mtimeNs;
      status["state"] = stateName(now.attr.state);
    } catch (const Error& e) {
      complain(std::string("stat: size, mtime and state as the catalog last heard of them: ") + e.what());
    }
  }

  static std::string text(const Json& status) {
    Table table({"path", printable(status["path"])});
    for (const auto& [key, value] : status.items()) {
      if (key == "path" || key == "replicas") continue;
      std::string shown = value.is_string() ? value.get<std::string>() : dump(value);
      if (key == "size") shown += " (" + humanBytes(value.get<std::uint64_t>()) + ")";
      if (key == "mtime_ns") {
        table.add({"mtime", localTime(value.get<std::int64_t>())});
      } else {
        table.add({key, shown});
      }
    }
    std::string result = table.text();
    if (!status.contains("replicas") || !status["replicas"].is_array()) return result;
    Table replicas({"REPLICA", "STATE", "FILE"});
    for (const auto& replica : status["replicas"]) {
      replicas.add({replica.value("storage", ""), replica.value("state", ""), replica.value("path", "")});
    }
    return result + replicas.text();
  }

  std::string path_;
};

class Ls final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("ls", "List a directory of the store");
    app->add_option("PATH", path_, "the directory, or one file")->capture_default_str();
    app->add_flag("-l", long_, "mode, owner, size, time and state too");
    declareJson(*app);
    app->footer("Examples:\n  vcfs ls\n  vcfs ls -l /alice");
    declareCommon(*app, "30s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    std::string target = co_await path(cluster, path_);
    Entry entry = co_await entryAt(cluster, target, true);
    std::vector<DirEntry> entries;
    if (entry.attr.type == FileType::directory) {
      entries = co_await all(cluster, entry.attr.inode);
    } else {
      DirEntry one;
      one.name = target;
      one.entry = std::move(entry);
      entries.push_back(std::move(one));
    }
    if (long_ || json()) co_await refreshOpen(cluster, entries);
    std::sort(entries.begin(), entries.end(), [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    show(entries);
    co_return kOk;
  }

  Task<std::vector<DirEntry>> all(std::shared_ptr<Cluster> cluster, InodeId directory) {
    std::vector<DirEntry> entries;
    std::uint64_t after = 0;
    while (true) {
      DirPage page = co_await cluster->readDir(directory, after, kPage, long_ || json());
      for (auto& entry : page.entries) {
        after = entry.cookie;
        entries.push_back(std::move(entry));
      }
      if (!page.more) co_return entries;
    }
  }

  // As Stat::askPrimary. Servers that are away hold it up once, not for each of their files.
  Task<void> refreshOpen(std::shared_ptr<Cluster> cluster, std::vector<DirEntry>& entries) {
    for (auto& e : entries) {
      if (e.entry.attr.state != FileState::open) continue;
      try {
        co_await cluster->refresh(e.entry);
      } catch (const Error& error) {
        complain(std::string("ls: sizes of open files as the catalog last heard of them: ") + error.what());
        co_return;
      }
    }
  }

  void show(const std::vector<DirEntry>& entries) {
    bool terminal = ::isatty(1);
    auto shown = [&](const std::string& name) { return terminal ? printable(name) : name; };
    if (json()) {
      Json list = Json::array();
      for (const auto& e : entries) list.push_back(attributes(e.name, e.entry.attr));
      printLine(dump(list));
    } else if (long_) {
      std::string text;
      for (const auto& e : entries) {
        const Attr& a = e.entry.attr;
        text += fmt::format("{} {:>3} {:>5} {:>5} {:>14} {} {:<9} {}\n", modeText(typeLetter(a.type), a.mode), a.nlink,
                            a.uid, a.gid, a.size, localTime(a.mtimeNs), stateName(a.state), shown(e.name));
      }
      if (!text.empty()) printLine(text);
    } else {
      for (const auto& e : entries) printLine(shown(e.name));
    }
  }

  std::string path_ = "/";
  bool long_ = false;
};

}  // namespace

std::unique_ptr<Command> makeStat() { return std::make_unique<Stat>(); }
std::unique_ptr<Command> makeLs() { return std::make_unique<Ls>(); }

}  // namespace vcfs::cli
