#pragma once

#include <string>

#include "vcfs/types.h"

namespace vcfs::storage {

// A storage server's data directory: who it belongs to, and that only one process uses it.
//
//   <data>/vcfs-storage   text: "vcfs-storage 1", then "name …", "cluster …", "storage …" and, once it is
//                         known, "uuid …", one per line
//   <data>/lock           locked (flock) while a process uses the directory; holds the machine's boot id, and in an
//                         attribute how often the machine lost power
//   <data>/active         the list of active files, see active_log.h
class DataDirectory {
 public:
  // Makes the directory and its identity when there is nothing yet. Throws Error(invalid) with what to do when it is
  // another server's disk, of a later version, in use, not empty without being one, or without extended attributes.
  DataDirectory(const std::string& path, const std::string& name);
  ~DataDirectory();

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }
  StorageId storageId() const { return storageId_; }
  const std::string& cluster() const { return cluster_; }
  const std::string& uuid() const { return uuid_; }
  void setIdentity(StorageId id, const std::string& cluster, const std::string& uuid);
  bool machineStayedUp() const { return machineStayedUp_; }
  std::uint64_t powerLosses() const { return powerLosses_; }
  void machineChecked();  // until then a restart is as the first one after the power cut
  void markClean();       // everything is on stable storage and the process ends

 private:
  void makeOrOpen();
  void lock();
  void writeLock(const std::string& text);
  void countPowerLosses(const std::string& boot);
  void readIdentity();
  void writeIdentity(StorageId id, const std::string& cluster, const std::string& uuid);
  void checkAttributes();

  std::string path_;
  std::string name_;
  std::string cluster_;
  std::string uuid_;
  StorageId storageId_ = 0;
  int fd_ = -1;
  int lockFd_ = -1;
  bool machineStayedUp_ = true;
  bool checked_ = true;
  std::uint64_t powerLosses_ = 0;
};

}  // namespace vcfs::storage
