#include "mount-helpers/command_line.h"

#include <spdlog/fmt/fmt.h>

#include "common/base/error.h"
#include "common/base/version.h"
#include "mount-helpers/options.h"
#include "mount-helpers/source.h"

namespace vcfs::mounting {

namespace {

constexpr const char* kUsage = "mount.vcfs TRACKER[:PORT][,TRACKER…]:/[DIRECTORY] MOUNTPOINT [-o OPTION[,OPTION…]]";

// Options are applied when all are known, so that -s (be sloppy) counts wherever it stands.
struct Collected {
  std::vector<std::string> positional;
  std::vector<std::string> options;
  MountRequest request;
  bool help = false;
  bool version = false;
};

class Reader {
 public:
  explicit Reader(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  Collected read() {
    bool optionsEnded = false;
    while (at_ < arguments_.size()) {
      const auto& argument = arguments_[at_++];
      if (optionsEnded || argument.size() < 2 || argument[0] != '-') {
        all_.positional.push_back(argument);
      } else if (argument == "--") {
        optionsEnded = true;
      } else if (argument[1] == '-') {
        longOption(argument.substr(2));
      } else {
        shortOptions(argument.substr(1));
      }
    }
    return std::move(all_);
  }

 private:
  std::string next(const std::string& option) {
    if (at_ >= arguments_.size())
      throw Error(Errc::invalid, fmt::format("{} wants a value; `mount.vcfs --help` explains", option));
    return arguments_[at_++];
  }

  void longOption(const std::string& text) {
    auto equals = text.find('=');
    auto name = text.substr(0, equals);
    auto value = [&] { return equals == std::string::npos ? next("--" + name) : text.substr(equals + 1); };
    if (name == "help") {
      all_.help = true;
    } else if (name == "version") {
      all_.version = true;
    } else if (name == "foreground") {
      all_.request.foreground = true;
    } else if (name == "verbose") {
      all_.request.verbose = true;
    } else if (name == "options") {
      all_.options.push_back(value());
    } else if (name == "ready-file") {
      all_.request.daemon.readyFile = value();
    } else if (name == "log-level") {
      all_.options.push_back("log_level=" + value());
    } else {
      throw Error(Errc::invalid,
                  fmt::format("unknown argument --{}; `mount.vcfs --help` lists those that exist", name));
    }
  }

  // "-o x", "-ox", "-nvo x".
  void shortOptions(const std::string& letters) {
    for (std::size_t i = 0; i < letters.size(); ++i) {
      auto rest = letters.substr(i + 1);
      switch (letters[i]) {
        case 'f':
          all_.request.fake = true;  // mount(8) hands its own -f (--fake) on
          break;
        case 'v':
          all_.request.verbose = true;
          break;
        case 's':
          all_.request.sloppy = true;
          break;
        case 'n':
          break;  // do not write /etc/mtab: nobody does
        case 'h':
          all_.help = true;
          break;
        case 'V':
          all_.version = true;
          break;
        case 'r':
          all_.options.push_back("ro");
          break;
        case 'w':
          all_.options.push_back("rw");
          break;
        case 'o':
          all_.options.push_back(rest.empty() ? next("-o") : rest);
          return;
        case 't':
          (void)(rest.empty() ? next("-t") : rest);
          return;
        default:
          throw Error(Errc::invalid,
                      fmt::format("unknown argument -{}; `mount.vcfs --help` lists those that exist", letters[i]));
      }
    }
  }

  const std::vector<std::string>& arguments_;
  std::size_t at_ = 0;
  Collected all_;
};

std::string sourceText(const Source& source) {
  std::string text;
  for (const auto& tracker : source.trackers) text += (text.empty() ? "" : ",") + tracker;
  return text + ":" + source.subdirectory;
}

// What one option's bounds cannot say; in the words of the options.
void checkWindows(const MountRequest& request) {
  const auto one = request.cluster.sendWindow, all = request.cluster.sendWindowTotal;
  if (one <= all) return;
  throw Error(
      Errc::invalid,
      fmt::format("option send_window={0}KiB: all files together have only send_window_total={1}KiB; give both, "
                  "for example -o send_window={0}KiB,send_window_total={2}KiB",
                  one >> 10, all >> 10, one >> 8));
}

}  // namespace

std::string helpText() {
  std::string text = fmt::format(
      "Mounts a vcfs store, so that recorders and players use it like any directory.\n\n"
      "Usage: {}\n\n"
      "  sudo mount.vcfs 10.0.0.1:21000,10.0.0.2:21000:/ /mnt/vcstore\n"
      "  sudo mount -t vcfs 10.0.0.1:/meetings /mnt/meetings -o ro,stall_limit=10s\n"
      "  sudo umount /mnt/vcstore\n\n"
      "In /etc/fstab:\n"
      "  10.0.0.1:21000,10.0.0.2:21000:/  /mnt/vcstore  vcfs  _netdev,nofail,mount_timeout=60s  0 0\n\n"
      "One tracker that answers is enough; the rest is learnt from it. The port is 21000 where none is given. With a\n"
      "DIRECTORY of the store that becomes the root of the mount. It returns 0 when the mount answers; otherwise it "
      "says\n"
      "why on standard error and leaves nothing behind (1: wrong arguments, 32: the mount failed).\n\n"
      "Arguments:\n"
      "  -o OPTIONS            mount options, see below; may be given several times\n"
      "  --foreground          do not go to the background; log on standard error\n"
      "  -f                    check the arguments and mount nothing, as `mount -f`\n"
      "  -r / -w               as -o ro / -o rw\n"
      "  -s                    ignore unknown options\n"
      "  -v                    say what is done\n"
      "  -n, -t TYPE           accepted, for mount(8)\n"
      "  --ready-file FILE     make FILE, with the process id in it, when the mount answers\n"
      "  --log-level LEVEL     debug, info, warn, error or off\n"
      "  --help, --version\n\n"
      "Options (with their defaults):\n",
      kUsage);
  for (const auto& option : optionHelp()) text += fmt::format("  {:<24}{}\n", option.name, option.meaning);
  text +=
      "  ro, rw, nosuid, nodev, noexec, noatime, sync … and the options of others (_netdev, noauto, nofail, user,\n"
      "  x-systemd.*, defaults …) as everywhere; see mount(8).\n\n"
      "Files that are being recorded are never cached. See mount.vcfs(8).\n";
  return text;
}

std::variant<MountRequest, PrintAndExit> parseCommandLine(const std::vector<std::string>& arguments) {
  auto all = Reader(arguments).read();
  if (all.help) return PrintAndExit{helpText()};
  if (all.version) return PrintAndExit{"mount.vcfs " VCFS_VERSION "\n"};
  if (all.positional.size() != 2) {
    throw Error(Errc::invalid,
                fmt::format("{}. Usage: {}",
                            all.positional.size() < 2 ? "a source and a mount point are wanted"
                                                      : "too many arguments: '" + all.positional[2] + "'",
                            kUsage));
  }
  auto& request = all.request;
  for (const auto& text : all.options) applyOptions(text, request);
  checkWindows(request);
  auto source = parseSource(all.positional[0]);
  request.source = sourceText(source);
  request.subdirectory = source.subdirectory;
  request.cluster.trackers = std::move(source.trackers);
  request.cluster.kind = "mount";
  request.mount.source = all.positional[0];  // as it is in fstab: `mount -a` sees by that what is mounted already
  request.mount.mountPoint = all.positional[1];
  // The cluster gives up at stall_limit; this is only the last line behind it.
  request.mount.opLimit = request.cluster.stallLimit + std::chrono::seconds(10);
  return std::move(request);
}

}  // namespace vcfs::mounting
