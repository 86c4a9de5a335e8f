#include "storage/store/data_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vcfs::storage {

namespace {

constexpr const char* kIdentity = "vcfs-storage";
constexpr const char* kMagic = "vcfs-storage 1";
constexpr const char* kPowerLosses =
    "user.vcfs.powerlosses";  // of the lock file: "2 <id of the boot after the second>"

Error failure(const std::string& path, const char* doing) {
  const int error = errno;
  return Error(Errc::invalid, fmt::format("data directory {}: cannot {}: {}", path, doing, std::strerror(error)));
}

std::string readSmall(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string bootId() {
  std::string id = readSmall("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

// Written through a temporary name, so that a crash leaves the old or the new one.
void replaceFile(int directory, const std::string& directoryPath, const char* name, const std::string& text) {
  const std::string temporary = std::string(name) + ".new";
  const int fd = ::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) throw failure(directoryPath, "write its identity");
  const bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!good || ::renameat(directory, temporary.c_str(), directory, name) != 0 || ::fsync(directory) != 0) {
    throw failure(directoryPath, "write its identity");
  }
}

}  // namespace

DataDirectory::DataDirectory(const std::string& path, const std::string& name) : path_(path), name_(name) {
  makeOrOpen();
  try {
    lock();
    readIdentity();
    checkAttributes();
  } catch (...) {
    if (lockFd_ >= 0) ::close(lockFd_);
    ::close(fd_);
    throw;
  }
}

DataDirectory::~DataDirectory() {
  ::close(lockFd_);
  ::close(fd_);
}

void DataDirectory::makeOrOpen() {
  std::error_code notMade;
  std::filesystem::create_directories(path_, notMade);
  fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0 && notMade) {
    // Why it cannot be opened would only be that it is not there.
    throw Error(Errc::invalid, fmt::format("data directory {}: cannot make it: {}; make it and give it to the user of "
                                           "this process: install -d -o vcfs -g vcfs {}",
                                           path_, notMade.message(), path_));
  }
  if (fd_ < 0) throw failure(path_, "open it");
  if (::faccessat(fd_, kIdentity, F_OK, 0) == 0) return;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    const std::string name = entry.path().filename();
    if (name == "lost+found" || name == "lock" || name == std::string(kIdentity) + ".new") continue;
    ::close(fd_);
    throw Error(Errc::invalid, fmt::format("data directory {} is not empty (it has \"{}\") and is not a vcfs storage; "
                                           "give an empty directory with --data",
                                           path_, name));
  }
}

void DataDirectory::lock() {
  lockFd_ = ::openat(fd_, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lockFd_ < 0) throw failure(path_, "make its lock file");
  if (::flock(lockFd_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(Errc::invalid, fmt::format("data directory {} is in use by another process; one vcfs-storage serves "
                                           "one directory",
                                           path_));
  }
  // The machine's boot id of the last use, or "clean": after a power cut it is that of an earlier boot.
  char last[64] = {};
  const ssize_t n = ::pread(lockFd_, last, sizeof last - 1, 0);
  const std::string boot = bootId();
  machineStayedUp_ = n <= 0 || std::string(last) == "clean" || std::string(last) == boot;
  checked_ = machineStayedUp_;
  countPowerLosses(boot);
  if (checked_) writeLock(boot);
}

// Once for each loss, however often the process is started before what it took is known. In an attribute, for which
// there is room on a full disk.
void DataDirectory::countPowerLosses(const std::string& boot) {
  char text[96] = {};
  const ssize_t n = ::fgetxattr(lockFd_, kPowerLosses, text, sizeof text - 1);
  std::istringstream known(n > 0 ? std::string(text) : std::string());
  std::string countedIn;
  known >> powerLosses_ >> countedIn;
  if (machineStayedUp_ || countedIn == boot) return;
  const std::string now = fmt::format("{} {}", ++powerLosses_, boot);
  if (::fsetxattr(lockFd_, kPowerLosses, now.data(), now.size(), 0) != 0 || ::fsync(lockFd_) != 0) {
    throw failure(path_, "count in an extended attribute of its lock file that the machine lost power");
  }
}

void DataDirectory::writeLock(const std::string& text) {
  // In place: on a full disk the room that it has must not be given up first. What a power cut leaves half-way is
  // neither "clean" nor the present boot's id.
  const auto size = static_cast<ssize_t>(text.size());
  if (::pwrite(lockFd_, text.data(), text.size(), 0) != size || ::ftruncate(lockFd_, size) != 0 ||
      ::fsync(lockFd_) != 0) {
    throw failure(path_, "write its lock file");
  }
}

void DataDirectory::machineChecked() {
  if (checked_) return;
  writeLock(bootId());
  checked_ = true;
}

void DataDirectory::markClean() {
  if (checked_) writeLock("clean");
}

void DataDirectory::readIdentity() {
  if (::faccessat(fd_, kIdentity, F_OK, 0) != 0) {
    writeIdentity(storageId_, cluster_, uuid_);
    return;
  }
  std::istringstream text(readSmall(path_ + "/" + kIdentity));
  std::string line;
  std::getline(text, line);
  if (line != kMagic) {
    throw Error(Errc::invalid, fmt::format("{}/{} begins with \"{}\", this version reads \"{}\": the disk belongs to "
                                           "another version of vcfs",
                                           path_, kIdentity, line, kMagic));
  }
  std::string name;
  while (std::getline(text, line)) {
    if (line.starts_with("name ")) name = line.substr(5);
    if (line.starts_with("cluster ")) cluster_ = line.substr(8);
    if (line.starts_with("uuid ")) uuid_ = line.substr(5);
    if (line.starts_with("storage ")) storageId_ = static_cast<StorageId>(std::strtoul(line.c_str() + 8, nullptr, 10));
  }
  if (name != name_) {
    throw Error(Errc::invalid, fmt::format("data directory {} belongs to the storage server \"{}\", not \"{}\"; give "
                                           "its own --data, or --name {}",
                                           path_, name, name_, name));
  }
}

void DataDirectory::writeIdentity(StorageId id, const std::string& cluster, const std::string& uuid) {
  std::string text = fmt::format("{}\nname {}\ncluster {}\nstorage {}\n", kMagic, name_, cluster, id);
  if (!uuid.empty()) text += fmt::format("uuid {}\n", uuid);
  replaceFile(fd_, path_, kIdentity, text);
}

void DataDirectory::setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) {
  if (id == storageId_ && cluster == cluster_ && uuid == uuid_) return;
  writeIdentity(id, cluster, uuid);
  storageId_ = id;
  cluster_ = cluster;
  uuid_ = uuid;
}

void DataDirectory::checkAttributes() {
  if (::fsetxattr(lockFd_, "user.vcfs.probe", "1", 1, 0) != 0) {
    throw Error(Errc::invalid, fmt::format("data directory {}: its filesystem keeps no extended attributes (user.*): "
                                           "{}; use ext4 or xfs",
                                           path_, std::strerror(errno)));
  }
  ::fremovexattr(lockFd_, "user.vcfs.probe");
}

}  // namespace vcfs::storage
