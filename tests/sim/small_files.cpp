#include "tests/sim/small_files.h"

namespace vcfs::sim {

Task<void> SmallFiles::run() {
  auto self = shared_from_this();
  try {
    while (!stopped_) {
      co_await make();
      co_await clock_.sleep(std::chrono::milliseconds(draw(900)));
    }
  } catch (const Error& error) {
    complaints.push_back(std::string("making a small file failed: ") + error.what());
  }
  ended_ = true;
}

Task<void> SmallFiles::make() {
  auto self = shared_from_this();
  OpenMode mode;
  mode.write = true;
  const std::string path = "/small" + std::to_string(made_++);
  std::shared_ptr<File> file;
  try {
    file = co_await cluster_->openPath(path, mode, true);
  } catch (const Error& error) {
    if (!isNoRoom(error)) throw;
    co_return;
  }
  Closed one;
  one.inode = file->inode();
  for (std::size_t piece = 1 + draw(3); piece != 0; --piece) {
    const std::string data = pattern(one.bytes.size(), 1 + draw(6000), made_);
    const std::span<const char> view(data.data(), data.size());
    co_await file->write(one.bytes.size(), std::as_bytes(view));
    one.bytes += data;
  }
  try {
    co_await file->close();
  } catch (const Error& error) {
    // Where the other servers leave or are away it was made with one copy, on the disk that is full.
    if (!isNoRoom(error)) throw;
    co_return;
  }
  closed.push_back(std::move(one));
}

}  // namespace vcfs::sim
