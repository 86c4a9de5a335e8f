#pragma once

#include <asio/posix/stream_descriptor.hpp>
#include <atomic>

#include "common/rpc/bulk.h"
#include "common/runtime/runtime.h"
#include "fuse/kernel_cache.h"
#include "fuse/mount_settings.h"
#include "fuse/session/notifier.h"
#include "fuse/session/request.h"
#include "fuse/session/wire.h"

namespace vcfs::fuse {

class FileSystem;

// The conversation with the kernel, on the loop: takes requests from the descriptor, has libfuse decode them into calls
// of FileSystem (dispatch.cpp), and passes invalidations the other way.
class Session final : public KernelCache {
 public:
  // `fd`: /dev/fuse, mounted, non-blocking; stays the caller's and must outlive run().
  Session(Runtime& runtime, const MountSettings& settings, int fd);
  ~Session() override;
  void attach(std::shared_ptr<FileSystem> fileSystem) { fileSystem_ = std::move(fileSystem); }

  // Serves until the file system is unmounted or stop() was called. Once.
  Task<void> run();
  void stop();  // takes no more requests; does not unmount
  bool running() const { return running_; }

  InFlight& inFlight() { return inFlight_; }

  // ---- KernelCache
  void dropAttributes(InodeId node, Duration after) override;
  void dropPages(InodeId node, Duration after) override;
  bool keepAttributes(InodeId node) override;
  void forgetNow(InodeId node) override;
  bool forgetting(InodeId node) const override;
  void dropName(InodeId directory, const std::string& name) override;
  void dropEverything() override;
  bool dropsEverything() const override { return dropsEverything_; }
  bool mapsDirect() const override { return features_.mapDirect; }

  // ---- for dispatch.cpp, while a request is being decoded
  FileSystem& fileSystem() { return *fileSystem_; }
  RequestPtr makeRequest(fuse_req_t req, std::uint64_t bytes = 0);
  // The bytes at `data`, in the message being decoded: kept alive by the result.
  Piece payload(const char* data, std::size_t size);
  void configure(fuse_conn_info* connection);

 private:
  enum class Received { request, nothing, end };
  Received receive();
  void take(std::size_t size);
  void interrupt(std::uint64_t unique);
  Task<void> watchCaller(RequestPtr request);
  Task<void> expireOld();
  void execute(const Notifier::Order& order);
  bool unread() const;  // any thread
  ssize_t send(int fd, iovec* pieces, int count);
  static ssize_t sendHook(int fd, iovec* pieces, int count, void* self);
  static ssize_t readHook(int fd, void* buffer, std::size_t size, void* self);

  Runtime& runtime_;
  const MountSettings& settings_;
  const int fd_;
  std::shared_ptr<FileSystem> fileSystem_;
  fuse_session* session_ = nullptr;
  asio::posix::stream_descriptor descriptor_;
  InFlight inFlight_;
  std::shared_ptr<rpc::Buffer> buffer_;
  std::size_t messageSize_ = 0;                // of the request being decoded
  std::uint32_t lent_ = 0;                     // receive buffers that small WRITEs keep while they wait
  std::atomic<std::uint64_t> read_ = 0;        // requests, ever
  std::atomic<std::uint64_t> initUnique_ = 0;  // also looked at by the notifiers' threads
  wire::Features offered_;
  wire::Features features_;
  bool dropsEverything_ = false;
  bool running_ = false;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Notifier inodeNotifier_;
  Notifier nameNotifier_;
};

}  // namespace vcfs::fuse
