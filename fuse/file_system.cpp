#include "fuse/file_system.h"

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/errno_map.h"

namespace vcfs::fuse {

FileSystem::FileSystem(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings,
                       KernelCache& kernel)
    : runtime_(runtime),
      cluster_(std::move(cluster)),
      settings_(settings),
      known_(std::make_shared<Known>(runtime, cluster_, settings)),
      kernel_(std::make_shared<KernelView>(runtime, cluster_, settings, known_, kernel)),
      atimes_(std::make_shared<Atimes>(runtime, cluster_, settings, known_, kernel_)),
      ahead_(std::make_shared<AheadOpener>(runtime, cluster_, known_)) {}

void FileSystem::listen() {
  std::weak_ptr<FileSystem> weak = shared_from_this();
  cluster_->onChanged([weak](const Change& change) {
    if (auto self = weak.lock()) self->changed(change);
  });
}

void FileSystem::perform(RequestPtr request, Task<void> operation) {
  asio::co_spawn(runtime_.io, guarded(std::move(request), std::move(operation)), asio::detached);
}

Task<void> FileSystem::guarded(RequestPtr request, Task<void> operation) {
  auto self = shared_from_this();
  int error = 0;
  try {
    co_await std::move(operation);
  } catch (const Error& e) {
    error = toErrno(e.code());
    if (error == errnoStalled()) {
      log::warn("fuse.operation_failed", {{"opcode", request->origin().opcode}, {"reason", e.what()}});
    }
  } catch (const std::exception& e) {
    error = errnoStalled();
    log::warn("fuse.operation_failed", {{"opcode", request->origin().opcode}, {"reason", e.what()}});
  }
  if (!request->answered()) request->error(error != 0 ? error : errnoStalled());
}

Task<void> FileSystem::tellReadsNow(Duration limit) { return atimes_->tellNow(limit); }

Task<void> FileSystem::present(Entry& entry, std::uint64_t since, InodeId parent) {
  auto inode = known_->remember(entry, since);
  if (parent != 0) inode->parent = parent;
  if (entry.attr.type == FileType::regular) co_await inode->gate.beforeTelling(entry.attr.size);
}

fuse_entry_param FileSystem::parameters(const Entry& entry, std::uint64_t since) {
  known_->notePlain(entry, since);
  fuse_entry_param param = {};
  param.ino = kernel_->nodeOf(entry.attr.inode);
  param.attr = atimes_->shown(entry.attr);
  param.attr_timeout = kernel_->attributesLast(entry, since);
  param.entry_timeout = toSeconds(kernel_->believed(settings_.entryCache));
  return param;
}

bool FileSystem::tellAttributes(Request& request, const Entry& entry, std::uint64_t since) {
  return request.attributes(atimes_->shown(entry.attr), kernel_->attributesLast(entry, since));
}

std::shared_ptr<FileHandle> FileSystem::fileAt(std::uint64_t handle) const {
  auto file = files_.find(handle);
  if (!file) throw Error(Errc::invalid, "no such open file");
  return file;
}

}  // namespace vcfs::fuse
