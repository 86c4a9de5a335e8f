#include "cli/local/local_cluster.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "common/base/error.h"

namespace vcfs::cli {
namespace {

constexpr std::chrono::seconds kLockLimit{60};

std::string absolute(const std::string& path) {
  std::string text = std::filesystem::absolute(path).lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

LocalCluster::LocalCluster(const std::string& dir) : dir_{absolute(dir)} {}

bool LocalCluster::exists() const {
  std::error_code error;
  return std::filesystem::exists(dir_.settings(), error);
}

std::optional<ClusterSettings> LocalCluster::loadSettings() const {
  auto text = readFileIfThere(dir_.settings());
  if (!text) return std::nullopt;
  return settingsFromJson(*text, dir_.settings());
}

void LocalCluster::saveSettings(const ClusterSettings& settings) {
  // A database's password is for the owner's eyes only.
  writeFileAtomically(dir_.settings(), toJson(settings), settings.embeddedCatalog() ? 0644 : 0600);
}

Fd LocalCluster::lock() {
  for (const auto& path : {dir_.root, dir_.run(), dir_.logs()}) makeDirectories(path);
  Fd fd(::open(dir_.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (fd.get() < 0) {
    throw Error(fromErrno(errno), fmt::format("cannot write in {}: {}. Run it as the user who owns it (root?), or name "
                                              "another directory with --dir",
                                              dir_.root, std::strerror(errno)));
  }
  auto deadline = std::chrono::steady_clock::now() + kLockLimit;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      throw Error(Errc::unavailable, fmt::format("another `vcfs up` or `vcfs down` has been at work in {} for {} s",
                                                 dir_.root, kLockLimit.count()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fd;
}

std::optional<ProcessIdentity> LocalCluster::running(const std::string& name) const {
  auto text = readFileIfThere(dir_.identityFile(name));
  if (!text) return std::nullopt;
  auto identity = identityFromText(*text);
  if (!identity || !isAlive(*identity)) return std::nullopt;
  return identity;
}

void LocalCluster::started(const std::string& name, const ProcessIdentity& identity) {
  writeFileAtomically(dir_.identityFile(name), toText(identity), 0644);
  writeFileAtomically(dir_.pidFile(name), std::to_string(identity.pid) + "\n", 0644);
}

void LocalCluster::stopped(const std::string& name) {
  for (const auto& path : {dir_.pidFile(name), dir_.identityFile(name), dir_.readyFile(name), dir_.configFile(name)}) {
    ::unlink(path.c_str());
  }
}

}  // namespace vcfs::cli
