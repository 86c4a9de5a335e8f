#pragma once

#include <atomic>
#include <string>

#include "fuse/mount_settings.h"

// The kernel's side of a mount: /dev/fuse and the mount itself.
namespace vcfs::fuse {

// Owns the descriptor and, from mount() on, the mount. Any thread, one at a time.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();  // takes the mount away (lazily) if it is still there, closes the descriptor

  // Throws Error (notFound: no /dev/fuse, notPermitted: not root, …) with the remedy; nothing is left behind then.
  void mount(const MountSettings& settings);
  int fd() const { return fd_; }

  enum class Unmounted { yes, later, wasNot };
  // Blocks while the kernel writes dirty pages: call it from a thread that the session does not need.
  // later: somebody still uses it; the name is gone, the rest follows when they are done.
  // wasNot: it is not there any more, or another mount hides it, which is not taken away.
  Unmounted unmount();
  void forgetMount() { mounted_ = false; }  // somebody else unmounted it
  void close();                             // what is still mounted ends with "transport endpoint is not connected"

 private:
  bool onTop() const;

  int fd_ = -1;
  std::uint64_t mountId_ = 0;  // 0: the kernel (before 5.8) does not tell
  std::atomic<bool> mounted_ = false;
  std::string mountPoint_;
};

// Sets how far the kernel reads ahead on this mount; false (and a reason) when /sys does not allow it.
bool setReadAhead(const std::string& mountPoint, std::uint32_t kilobytes, std::string& reason);

}  // namespace vcfs::fuse
