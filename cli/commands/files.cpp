// put, get, cat, follow: bytes between this machine and the store, without a mount.
#include <csignal>

#include "cli/command.h"
#include "cli/commands/file_commands.h"
#include "cli/commands/transfer.h"
#include "cli/core/usage_error.h"
#include "cli/local/mounted_file.h"
#include "common/base/error.h"

#include <sys/stat.h>
#include <unistd.h>

namespace vcfs::cli {
namespace {

std::string baseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// A command with one end of a copy on this machine and the other in the store.
class CopyCommand : public ClientCommand {
 protected:
  // Through a mount `local` may be the file in the store itself, which would be emptied before a byte of it was read.
  // `stream`: what "-" stands for.
  Task<void> refuseSameFile(std::shared_ptr<Cluster> cluster, std::string local, std::string stream, InodeId inode,
                            std::string inStore) {
    std::optional<MountedFile> mounted = mountedFile(local == "-" ? stream : local);
    if (!mounted || mounted->inode != inode) co_return;
    // Two clusters may have the same numbers.
    bool same = true;
    if (!mounted->source.empty()) {
      std::optional<bool> ours = co_await isOurMount(cluster, mounted->source);
      same = ours.value_or(true);
    }
    if (same) throw Error(Errc::invalid, fmt::format("{} and {} of the store are the same file", local, inStore));
  }
};

class Put final : public CopyCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("put", "Copy a file, or standard input, into the store");
    app->add_option("LOCAL", local_, "the file to copy; - for standard input")->required();
    app->add_option("PATH", path_, "where in the store; a directory, or a name ending in /, keeps the file's name")
        ->required();
    app->add_flag("-p,--parents", parents_, "make the directories that are missing");
    app->footer(
        "When it returns, all replicas have the file. It can be followed (vcfs follow, HTTP ?live=1) while it is "
        "written.\n"
        "A file that is there is overwritten.\n"
        "Examples:\n"
        "  vcfs put meeting.mp4 /alice/\n"
        "  ffmpeg … -f mpegts - | vcfs put - /alice/live.ts");
    declareCommon(*app, "30s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    auto source = LocalStream::source(runtime(), local_);
    struct stat st {};
    if (local_ != "-" && ::stat(local_.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
      throw UsageError(local_ + " is a directory: put copies one file");
    }
    std::string path = co_await targetPath(cluster);
    auto parent = splitPath(path).first;
    if (parents_) {
      co_await makeDirectoriesInStore(cluster, parent);
    } else {
      co_await mustBeDirectory(cluster, parent);
    }
    Entry entry = co_await thereOrMade(cluster, path);
    co_await refuseSameFile(cluster, local_, "/dev/stdin", entry.attr.inode, path);
    OpenMode mode;
    mode.write = true;
    auto file = co_await cluster->open(std::move(entry), mode);
    Attr attr = co_await file->stat();
    if (attr.size > 0) co_await file->truncate(0);
    std::exception_ptr error;
    try {
      co_await upload(file, *source);
    } catch (...) {
      error = std::current_exception();
    }
    try {
      co_await file->close();
    } catch (...) {
      if (!error) error = std::current_exception();
    }
    if (error) std::rethrow_exception(error);
    co_return kOk;
  }

  // A new file is the caller's, as on a mount.
  Task<Entry> thereOrMade(std::shared_ptr<Cluster> cluster, std::string path) {
    std::optional<Entry> there = co_await cluster->resolve(kRootInode, path, true);
    if (there) co_return std::move(*there);
    auto [parentPath, name] = splitPath(path);
    Entry parent = co_await mustBeDirectory(cluster, parentPath);
    CreateRequest request;
    request.parent = parent.attr.inode;
    request.name = name;
    request.mode = 0666;
    request.umask = processUmask();
    request.uid = ::geteuid();
    request.gid = ::getegid();
    Created created = co_await cluster->create(std::move(request));
    co_return std::move(created.entry);
  }

  Task<std::string> targetPath(std::shared_ptr<Cluster> cluster) {
    std::string target = co_await path(cluster, path_);
    bool directory = path_.back() == '/' || target == "/";
    if (!directory) {
      std::optional<Entry> entry = co_await cluster->resolve(kRootInode, target, true);
      directory = entry && entry->attr.type == FileType::directory;
    }
    if (!directory) co_return target;
    if (local_ == "-") throw UsageError(path_ + " is a directory: standard input needs a file's name");
    co_return (target == "/" ? "" : target) + "/" + baseName(local_);
  }

  std::string local_, path_;
  bool parents_ = false;
};

// get, cat and follow differ in where the bytes go and in when they end.
class Get final : public CopyCommand {
 public:
  enum class Kind { get, cat, follow };
  explicit Get(Kind kind) : kind_(kind) {}

  CLI::App* declare(CLI::App& parent) override {
    CLI::App* app = nullptr;
    if (kind_ == Kind::get) {
      app = parent.add_subcommand("get", "Copy a file of the store to this machine");
    } else if (kind_ == Kind::cat) {
      app = parent.add_subcommand("cat", "Write a file of the store to standard output");
    } else {
      app = parent.add_subcommand("follow", "Write a file to standard output while it is recorded, until it is sealed");
    }
    app->add_option("PATH", path_, "the file in the store")->required();
    if (kind_ == Kind::get) {
      app->add_option("LOCAL", local_, "where to; - for standard output; default: its name, here");
      app->add_flag("-f,--follow", follow_, "go on until the recording is sealed");
    }
    app->footer(kind_ == Kind::follow ? "Example: vcfs follow /alice/live.ts | mpv -"
                : kind_ == Kind::cat
                    ? "Example: vcfs cat /alice/notes.txt"
                    : "Of a file that is being recorded you get what is published at the start, unless "
                      "--follow.\nExamples:\n  vcfs get /alice/meeting.mp4\n  vcfs get /alice/meeting.mp4 - | "
                      "ffprobe -");
    declareCommon(*app, "30s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    std::string from = co_await path(cluster, path_);
    Entry entry = co_await entryAt(cluster, from, true);
    if (entry.attr.type != FileType::regular) {
      throw Error(Errc::invalid, from + " is not a regular file" +
                                     (entry.attr.type == FileType::directory ? ": it is a directory (vcfs ls)" : ""));
    }
    std::string to = kind_ != Kind::get ? "-" : local_.empty() ? baseName(from) : local_;
    struct stat st {};
    if (to != "-" && ::stat(to.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) to += "/" + baseName(from);
    co_await refuseSameFile(cluster, to, "/dev/stdout", entry.attr.inode, from);
    OpenMode mode;
    auto file = co_await cluster->open(std::move(entry), mode);
    ::signal(SIGPIPE, SIG_IGN);
    auto sink = LocalStream::sink(runtime(), to);
    co_await download(file, *sink, follow_ || kind_ == Kind::follow);
    co_await sink->finish();
    co_await file->close();
    co_return kOk;
  }

  Kind kind_;
  std::string path_, local_;
  bool follow_ = false;
};

}  // namespace

Commands fileCommands() {
  Commands commands;
  commands.push_back(makeStat());
  commands.push_back(std::make_unique<Put>());
  commands.push_back(std::make_unique<Get>(Get::Kind::get));
  commands.push_back(std::make_unique<Get>(Get::Kind::cat));
  commands.push_back(std::make_unique<Get>(Get::Kind::follow));
  commands.push_back(makeLs());
  commands.push_back(makeRm());
  commands.push_back(makeMkdir());
  return commands;
}

}  // namespace vcfs::cli
