// rm, mkdir, and what the other commands need of names.
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/file_commands.h"
#include "cli/core/usage_error.h"
#include "common/base/error.h"
#include "schema/state_names.h"

namespace vcfs::cli {
namespace {

constexpr std::uint32_t kPage = 1024;

class Rm final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("rm", "Remove files, or with -r directories, from the store");
    app->add_option("PATH", paths_, "what to remove")->required();
    app->add_flag("-r,--recursive", recursive_, "directories too, with everything in them");
    app->add_flag("-f,--force", force_, "no error when a name is not there");
    app->footer(
        "The data of a removed file lies in the trash for the retention time; a player that has it open reads on.\n"
        "Examples:\n  vcfs rm /alice/meeting.mp4\n  vcfs rm -r /alice/old");
    declareCommon(*app, "30s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    std::vector<std::string> targets;
    for (const auto& typed : paths_) targets.push_back(co_await path(cluster, typed));
    int code = kOk;
    for (const auto& target : targets) {
      try {
        co_await removeOne(cluster, target);
      } catch (const Error& e) {
        if (force_ && e.code() == Errc::notFound) continue;
        complain("rm: " + (e.detail().find(target) != std::string::npos ? e.detail() : target + ": " + e.what()));
        code = kFailed;
      }
    }
    co_return code;
  }

  Task<void> removeOne(std::shared_ptr<Cluster> cluster, std::string target) {
    if (target == "/") throw Error(Errc::invalid, "/ is the store itself: name what is in it");
    auto [parentPath, name] = splitPath(target);
    Entry entry = co_await entryAt(cluster, target, false);
    Entry parent = co_await entryAt(cluster, parentPath, true);
    if (entry.attr.type != FileType::directory) {
      co_await cluster->unlink(parent.attr.inode, name);
      co_return;
    }
    if (!recursive_) throw Error(Errc::isDirectory, target + " is a directory: use rm -r");
    co_await empty(cluster, entry.attr.inode);
    co_await cluster->rmdir(parent.attr.inode, name);
  }

  // Without recursion of coroutines, however deep it is: the way down is on a stack.
  Task<void> empty(std::shared_ptr<Cluster> cluster, InodeId root) {
    struct Level {
      InodeId directory;
      InodeId parent;
      std::string name;
      std::uint64_t after;
    };
    std::vector<Level> way;
    way.push_back(Level{root, 0, "", 0});
    while (true) {
      DirPage page = co_await cluster->readDir(way.back().directory, way.back().after, kPage, false);
      bool deeper = false;
      for (auto& entry : page.entries) {
        way.back().after = entry.cookie;
        if (entry.entry.attr.type == FileType::directory) {
          Level next{entry.entry.attr.inode, way.back().directory, entry.name, 0};
          way.push_back(std::move(next));
          deeper = true;
          break;
        }
        co_await unlinkIfThere(cluster, way.back().directory, entry.name);
      }
      if (deeper || page.more) continue;
      Level done = std::move(way.back());
      way.pop_back();
      if (way.empty()) co_return;
      co_await cluster->rmdir(done.parent, done.name);
    }
  }

  Task<void> unlinkIfThere(std::shared_ptr<Cluster> cluster, InodeId directory, std::string name) {
    try {
      co_await cluster->unlink(directory, name);
    } catch (const Error& e) {
      if (e.code() != Errc::notFound) throw;  // somebody else was faster
    }
  }

  std::vector<std::string> paths_;
  bool recursive_ = false;
  bool force_ = false;
};

class Mkdir final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("mkdir", "Make directories in the store");
    app->add_option("PATH", paths_, "the directories")->required();
    app->add_flag("-p,--parents", parents_, "make what is missing above too; no error when it is there");
    app->footer(
        "A directory in the root is a user (a tenant): all its files are kept in one storage group.\n"
        "Example: vcfs mkdir /alice");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    for (const auto& typed : paths_) {
      std::string target = co_await path(cluster, typed);
      co_await makeOne(cluster, std::move(target));
    }
    co_return kOk;
  }

  Task<void> makeOne(std::shared_ptr<Cluster> cluster, std::string target) {
    if (parents_) {
      co_await makeDirectoriesInStore(cluster, target);
      co_return;
    }
    if (target == "/") throw Error(Errc::exists, "/ is there already");
    auto [parentPath, name] = splitPath(target);
    Entry parent = co_await mustBeDirectory(cluster, parentPath);
    try {
      co_await cluster->mkdir(parent.attr.inode, name, newDirectoryMode(), ::geteuid(), ::getegid());
    } catch (const Error& e) {
      if (e.code() == Errc::exists) throw Error(Errc::exists, target + " is there already");
      throw;
    }
  }

  std::vector<std::string> paths_;
  bool parents_ = false;
};

}  // namespace

std::uint32_t processUmask() {
  mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

std::uint32_t newDirectoryMode() { return 0777u & ~processUmask(); }

Task<Entry> mustBeDirectory(std::shared_ptr<Cluster> cluster, std::string path) {
  std::optional<Entry> entry = co_await cluster->resolve(kRootInode, path, true);
  if (!entry) {
    throw Error(Errc::notFound,
                fmt::format("{}: there is no such directory in the store (vcfs mkdir -p {})", path, path));
  }
  if (entry->attr.type != FileType::directory) throw Error(Errc::notDirectory, path + " is not a directory");
  co_return std::move(*entry);
}

Task<Entry> makeDirectoriesInStore(std::shared_ptr<Cluster> cluster, std::string path) {
  Entry here = co_await entryAt(cluster, "/", true);
  for (std::size_t at = 1; at < path.size();) {
    auto end = std::min(path.find('/', at), path.size());
    std::string name = path.substr(at, end - at);
    std::string whole = path.substr(0, end);
    at = end + 1;
    std::optional<Entry> next = co_await cluster->resolve(here.attr.inode, name, true);
    if (!next) {
      bool raced = false;
      try {
        next = co_await cluster->mkdir(here.attr.inode, name, newDirectoryMode(), ::geteuid(), ::getegid());
      } catch (const Error& e) {
        if (e.code() != Errc::exists) throw;
        raced = true;
      }
      if (raced) next = co_await cluster->resolve(here.attr.inode, name, true);
    }
    if (!next || next->attr.type != FileType::directory) throw Error(Errc::notDirectory, whole + " is not a directory");
    here = std::move(*next);
  }
  co_return here;
}

const char* typeName(FileType type) {
  switch (type) {
    case FileType::regular:
      return "file";
    case FileType::directory:
      return "directory";
    case FileType::symlink:
      return "symlink";
    case FileType::fifo:
      return "fifo";
    case FileType::socket:
      return "socket";
    case FileType::blockDevice:
      return "block-device";
    case FileType::charDevice:
      return "char-device";
    case FileType::none:
      break;
  }
  return "none";
}

std::string_view stateName(FileState state) { return state == FileState::none ? "" : nameOf(state); }

char typeLetter(FileType type) {
  switch (type) {
    case FileType::directory:
      return 'd';
    case FileType::symlink:
      return 'l';
    case FileType::fifo:
      return 'p';
    case FileType::socket:
      return 's';
    case FileType::blockDevice:
      return 'b';
    case FileType::charDevice:
      return 'c';
    default:
      return '-';
  }
}

std::unique_ptr<Command> makeRm() { return std::make_unique<Rm>(); }
std::unique_ptr<Command> makeMkdir() { return std::make_unique<Mkdir>(); }

}  // namespace vcfs::cli
