#include "mount-helpers/options.h"

#include <sys/mount.h>

#include <charconv>
#include <functional>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/settings.h"

namespace vcfs::mounting {

namespace {

using std::chrono::milliseconds;

struct Option {
  std::string name;
  std::string standard;  // the default, for people; "" for none
  std::string meaning;
  bool flag = false;
  std::function<void(MountRequest&, const std::string&)> apply;
};

[[noreturn]] void refuse(const std::string& name, const std::string& value, const std::string& allowed) {
  throw Error(Errc::invalid, fmt::format("option {}={}: {}", name, value, allowed));
}

Option duration(std::string name, std::string standard, milliseconds min, milliseconds max, std::string meaning,
                std::function<milliseconds&(MountRequest&)> field) {
  auto allowed =
      fmt::format("a duration from {}ms to {}s is wanted, such as 500ms, 2s or 1m", min.count(), max.count() / 1000);
  auto apply = [name, min, max, allowed, field](MountRequest& request, const std::string& value) {
    milliseconds parsed{0};
    try {
      parsed = parseDuration(value);
    } catch (const Error&) {
      refuse(name, value, allowed);
    }
    if (parsed < min || parsed > max) refuse(name, value, allowed);
    field(request) = parsed;
  };
  return {std::move(name), std::move(standard), std::move(meaning), false, apply};
}

Option size(std::string name, std::string standard, std::uint64_t min, std::uint64_t max, std::string meaning,
            std::function<void(MountRequest&, std::uint64_t)> set) {
  auto allowed = fmt::format("a size from {} KiB to {} MiB is wanted, such as 512KiB or 16MiB", min >> 10, max >> 20);
  auto apply = [name, min, max, allowed, set](MountRequest& request, const std::string& value) {
    std::uint64_t parsed = 0;
    try {
      parsed = parseSize(value);
    } catch (const Error&) {
      refuse(name, value, allowed);
    }
    if (parsed < min || parsed > max) refuse(name, value, allowed);
    set(request, parsed);
  };
  return {std::move(name), std::move(standard), std::move(meaning), false, apply};
}

Option text(std::string name, std::string standard, std::string meaning,
            std::function<std::string&(MountRequest&)> field) {
  auto apply = [name, field](MountRequest& request, const std::string& value) {
    if (value.empty()) refuse(name, value, "a value is wanted");
    field(request) = value;
  };
  return {std::move(name), std::move(standard), std::move(meaning), false, apply};
}

Option number(std::string name, std::string standard, std::int64_t min, std::int64_t max, std::string unit,
              std::string meaning, std::function<std::int64_t&(MountRequest&)> field) {
  auto allowed = fmt::format("a number of {} from {} to {} is wanted", unit, min, max);
  auto apply = [name, min, max, allowed, field](MountRequest& request, const std::string& value) {
    std::int64_t parsed = 0;
    const char* end = value.data() + value.size();
    auto [at, error] = std::from_chars(value.data(), end, parsed);
    if (error != std::errc() || at != end || parsed < min || parsed > max) refuse(name, value, allowed);
    field(request) = parsed;
  };
  return {std::move(name), std::move(standard), std::move(meaning), false, apply};
}

void setLogLevel(MountRequest& request, const std::string& value) {
  log::Level level;
  if (!log::parseLevel(value, level)) refuse("log_level", value, "debug, info, warn, error or off is wanted");
  request.logLevel = value;
}

constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

std::vector<Option> makeOptions() {
  std::vector<Option> all;
  using R = MountRequest;
  all.push_back(duration("stall_limit", "30s", milliseconds(1000), milliseconds(3'600'000),
                         "how long a call may wait when no server can be reached; then it fails with EIO",
                         [](R& r) -> milliseconds& { return r.cluster.stallLimit; }));
  all.push_back(duration("max_lag", "50ms", milliseconds(0), milliseconds(10'000),
                         "the oldest written byte leaves this host at most this late; 0 sends at once",
                         [](R& r) -> milliseconds& { return r.cluster.maxLag; }));
  all.push_back(size("send_window", "8MiB", kMiB, kGiB,
                     "written bytes not yet on every replica, per file; more makes write() wait",
                     [](R& r, std::uint64_t v) { r.cluster.sendWindow = v; }));
  all.push_back(size("send_window_total", "96MiB", 4 * kMiB, 64 * kGiB, "the same, all files of this mount together",
                     [](R& r, std::uint64_t v) { r.cluster.sendWindowTotal = v; }));
  all.push_back(
      size("read_ahead", "4MiB", 0, 256 * kMiB,
           "read ahead of a file that is read in order, by this process and by the kernel; 0: none by this process, "
           "the kernel's own (128 KiB)",
           [](R& r, std::uint64_t v) {
             r.cluster.readAhead = v;
             r.mount.readAheadKb = static_cast<std::uint32_t>(v / kKiB);
           }));
  all.push_back(size("read_ahead_total", "64MiB", 0, 64 * kGiB, "the same, all files of this mount together",
                     [](R& r, std::uint64_t v) { r.cluster.readAheadTotal = v; }));
  all.push_back(
      duration("attr_cache", "60s", milliseconds(0), milliseconds(3'600'000),
               "how long the kernel may believe attributes; those of a file that is being written it never does",
               [](R& r) -> milliseconds& { return r.mount.attrCache; }));
  all.push_back(duration("entry_cache", "60s", milliseconds(0), milliseconds(3'600'000),
                         "how long the kernel may believe names",
                         [](R& r) -> milliseconds& { return r.mount.entryCache; }));
  all.push_back(duration("negative_cache", "1s", milliseconds(0), milliseconds(3'600'000),
                         "how long the kernel may believe that a name does not exist",
                         [](R& r) -> milliseconds& { return r.mount.negativeCache; }));
  all.push_back(duration("atime_delay", "1s", milliseconds(100), milliseconds(3'600'000),
                         "an atime that a read moved is stored this much later, many at a time",
                         [](R& r) -> milliseconds& { return r.mount.atimeDelay; }));
  all.push_back(duration("ping_limit", "1s", milliseconds(100), milliseconds(60'000),
                         "a server that answers nothing for this long is taken for dead",
                         [](R& r) -> milliseconds& { return r.cluster.pingLimit; }));
  all.push_back(duration("mount_timeout", "10s", milliseconds(100), milliseconds(3'600'000),
                         "how long mounting waits for a tracker to answer",
                         [](R& r) -> milliseconds& { return r.mountTimeout; }));
  all.push_back(number("spin", "200", 0, 1000, "microseconds",
                       "while requests follow each other more closely than this many microseconds, stay awake between "
                       "them; 0: sleep at once",
                       [](R& r) -> std::int64_t& { return r.daemon.spinMicroseconds; }));
  all.push_back(
      text("log", "syslog", "a file to which events are appended", [](R& r) -> std::string& { return r.logFile; }));
  all.push_back({"log_level", "info", "debug, info, warn, error or off", false, setLogLevel});
  all.push_back(text("ready_file", "", "a file that is made, with the process id in it, when the mount answers",
                     [](R& r) -> std::string& { return r.daemon.readyFile; }));
  all.push_back({"foreground", "", "stay attached to the terminal and log there, as --foreground", true,
                 [](R& r, const std::string&) { r.foreground = true; }});
  return all;
}

const std::vector<Option>& options() {
  static const std::vector<Option> all = makeOptions();
  return all;
}

struct Generic {
  const char* name;
  unsigned long set;
  unsigned long clear;
};
constexpr unsigned long flag(unsigned long bit) { return bit; }

// What mount(8) hands on and the kernel obeys.
bool applyGeneric(const std::string& name, MountRequest& request) {
  static const Generic kGeneric[] = {
      {"nosuid", flag(MS_NOSUID), 0},
      {"suid", 0, flag(MS_NOSUID)},
      {"nodev", flag(MS_NODEV), 0},
      {"dev", 0, flag(MS_NODEV)},
      {"noexec", flag(MS_NOEXEC), 0},
      {"exec", 0, flag(MS_NOEXEC)},
      {"noatime", flag(MS_NOATIME), flag(MS_STRICTATIME)},
      {"atime", 0, flag(MS_NOATIME)},
      {"nodiratime", flag(MS_NODIRATIME), 0},
      {"diratime", 0, flag(MS_NODIRATIME)},
      {"relatime", flag(MS_RELATIME), flag(MS_NOATIME) | flag(MS_STRICTATIME)},
      {"norelatime", 0, flag(MS_RELATIME)},
      {"strictatime", flag(MS_STRICTATIME), flag(MS_NOATIME) | flag(MS_RELATIME)},
      {"nostrictatime", 0, flag(MS_STRICTATIME)},
      {"lazytime", 0, 0},
      {"nolazytime", 0, 0},
      {"sync", flag(MS_SYNCHRONOUS), 0},
      {"async", 0, flag(MS_SYNCHRONOUS)},
      {"dirsync", flag(MS_DIRSYNC), 0},
  };
  if (name == "ro" || name == "rw") {
    request.mount.readOnly = name == "ro";
    return true;
  }
  for (const auto& generic : kGeneric) {
    if (name != generic.name) continue;
    request.mount.mountFlags = (request.mount.mountFlags & ~generic.clear) | generic.set;
    return true;
  }
  return false;
}

// What concerns mount(8), systemd or the boot, or what this mount does anyway.
bool isIgnored(const std::string& name) {
  static const char* const kIgnored[] = {"defaults", "auto",      "noauto",  "nofail",      "_netdev",
                                         "user",     "nouser",    "users",   "nousers",     "owner",
                                         "noowner",  "group",     "nogroup", "comment",     "mand",
                                         "nomand",   "silent",    "loud",    "allow_other", "default_permissions",
                                         "nonempty", "fsname",    "subtype", "bg",          "fg",
                                         "iversion", "noiversion"};
  if (name.rfind("x-", 0) == 0 || name.rfind("X-", 0) == 0) return true;
  return std::find(std::begin(kIgnored), std::end(kIgnored), name) != std::end(kIgnored);
}

const Option* findOption(const std::string& name) {
  for (const auto& option : options()) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

void applyOne(const std::string& text, MountRequest& request) {
  auto equals = text.find('=');
  auto name = text.substr(0, equals);
  std::optional<std::string> value;
  if (equals != std::string::npos) value = text.substr(equals + 1);

  if (name == "remount") {
    throw Error(Errc::notSupported,
                "remount: a mounted store keeps its options; unmount it and mount it again with the new ones");
  }
  if (const auto* option = findOption(name)) {
    if (!option->flag && !value) throw Error(Errc::invalid, fmt::format("option {} wants a value: {}=…", name, name));
    if (option->flag && value) throw Error(Errc::invalid, fmt::format("option {} takes no value", name));
    option->apply(request, value.value_or(""));
    return;
  }
  if (applyGeneric(name, request) || isIgnored(name) || request.sloppy) return;
  throw Error(Errc::invalid, fmt::format("unknown option '{}'; `mount.vcfs --help` lists those that exist", text));
}

}  // namespace

std::vector<OptionHelp> optionHelp() {
  std::vector<OptionHelp> help;
  for (const auto& option : options()) {
    auto name = option.name;
    if (!option.flag) name += "=" + (option.standard.empty() ? std::string("FILE") : option.standard);
    help.push_back({std::move(name), option.meaning});
  }
  return help;
}

void applyOptions(const std::string& text, MountRequest& request) {
  std::size_t at = 0;
  while (at <= text.size()) {
    auto end = std::min(text.find(',', at), text.size());
    auto one = text.substr(at, end - at);
    at = end + 1;
    if (!one.empty()) applyOne(one, request);
  }
}

}  // namespace vcfs::mounting
