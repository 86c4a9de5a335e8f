#include "vcfs/blocking.h"

#include <future>
#include <thread>

#include "common/base/log.h"
#include "common/runtime/runtime.h"
#include "vcfs/loop.h"

namespace vcfs {

namespace {

// The loop and its thread. The Loop is made and destroyed on that thread.
class LoopThread {
 public:
  LoopThread() {
    std::promise<Loop*> made;
    auto ready = made.get_future();
    thread_ = std::thread([&made] {
      Loop loop;
      made.set_value(&loop);
      loop.run();
    });
    loop_ = ready.get();
  }
  ~LoopThread() {
    loop_->stop();
    thread_.join();
  }
  Loop& loop() { return *loop_; }

  // Runs make() and the Task it returns on the loop; returns or throws what that does.
  template <class T>
  T run(std::function<Task<T>()> make) {
    if (std::this_thread::get_id() == thread_.get_id()) {
      throw Error(Errc::internal, "a blocking call from a call-back of the library would wait for itself");
    }
    std::promise<T> promise;
    auto future = promise.get_future();
    auto call = std::make_shared<std::function<Task<T>()>>(std::move(make));
    asio::post(loop_->io(), [this, call, &promise] {
      asio::co_spawn(loop_->io(), (*call)(),
                     [call, &promise](auto... outcome) { settle(promise, std::move(outcome)...); });
    });
    return future.get();
  }

  // Drops a reference on the loop, where what it refers to lives.
  template <class T>
  void release(std::shared_ptr<T>& reference) {
    std::promise<void> gone;
    asio::post(loop_->io(), [&] {
      reference.reset();
      gone.set_value();
    });
    gone.get_future().get();
  }

 private:
  template <class T>
  static void settle(std::promise<T>& promise, std::exception_ptr error, T value) {
    if (error)
      promise.set_exception(error);
    else
      promise.set_value(std::move(value));
  }
  static void settle(std::promise<void>& promise, std::exception_ptr error) {
    if (error)
      promise.set_exception(error);
    else
      promise.set_value();
  }

  Loop* loop_ = nullptr;
  std::thread thread_;
};

struct Place {
  InodeId parent = kRootInode;
  std::string name;
};

Task<Place> locate(std::shared_ptr<Cluster> cluster, std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  Place place;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
  if (!folder.empty()) {
    std::optional<Entry> entry = co_await cluster->resolve(kRootInode, folder, true);
    if (!entry) throw Error(Errc::notFound, "no directory " + folder);
    place.parent = entry->attr.inode;
  }
  if (place.name.empty()) throw Error(Errc::invalid, "the path names the root of the store");
  co_return place;
}

Task<Entry> require(std::shared_ptr<Cluster> cluster, std::string path) {
  std::optional<Entry> entry = co_await cluster->resolve(kRootInode, path, true);
  if (!entry) throw Error(Errc::notFound, "no " + path);
  co_await cluster->refresh(*entry);
  co_return std::move(*entry);
}

Task<std::vector<DirEntry>> listAll(std::shared_ptr<Cluster> cluster, std::string path) {
  Entry directory = co_await require(cluster, path);
  std::vector<DirEntry> all;
  bool more = true;
  while (more) {
    DirPage page = co_await cluster->readDir(directory.attr.inode, all.empty() ? 0 : all.back().cookie, 1024, false);
    more = page.more && !page.entries.empty();
    for (DirEntry& entry : page.entries) all.push_back(std::move(entry));
  }
  co_return all;
}

Task<void> makeOne(std::shared_ptr<Cluster> cluster, std::string path, std::uint32_t mode) {
  Place place = co_await locate(cluster, path);
  co_await cluster->mkdir(place.parent, place.name, mode, 0, 0);
}

Task<void> removeOne(std::shared_ptr<Cluster> cluster, std::string path) {
  Place place = co_await locate(cluster, path);
  std::optional<Entry> entry = co_await cluster->lookup(place.parent, place.name);
  if (!entry) throw Error(Errc::notFound, "no " + path);
  if (entry->attr.type == FileType::directory) {
    co_await cluster->rmdir(place.parent, place.name);
  } else {
    co_await cluster->unlink(place.parent, place.name);
  }
}

Task<void> renameOne(std::shared_ptr<Cluster> cluster, std::string from, std::string to) {
  Place source = co_await locate(cluster, from);
  Place target = co_await locate(cluster, to);
  co_await cluster->rename(source.parent, source.name, target.parent, target.name, 0);
}

}  // namespace

struct BlockingSession {
  LoopThread thread;
  std::shared_ptr<Cluster> cluster;
};

struct BlockingFile::Impl {
  std::shared_ptr<BlockingSession> owner;
  std::shared_ptr<File> file;

  template <class T>
  T run(std::function<Task<T>()> make) {
    return owner->thread.run<T>(std::move(make));
  }
};

// ---- BlockingFile

BlockingFile::BlockingFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

BlockingFile::~BlockingFile() {
  try {
    close();
  } catch (const std::exception& error) {
    log::error("client.close.failed", {{"reason", error.what()}});
  }
  impl_->owner->thread.release(impl_->file);
}

InodeId BlockingFile::inode() const { return impl_->file->inode(); }
std::size_t BlockingFile::read(std::uint64_t offset, std::span<std::byte> out) {
  return impl_->run<std::size_t>([&] { return impl_->file->readInto(offset, out); });
}
void BlockingFile::write(std::uint64_t offset, std::span<const std::byte> data) {
  impl_->run<void>([&] { return impl_->file->write(offset, data); });
}
void BlockingFile::flush() {
  impl_->run<void>([&] { return impl_->file->flush(); });
}
void BlockingFile::sync() {
  impl_->run<void>([&] { return impl_->file->sync(); });
}
void BlockingFile::truncate(std::uint64_t size) {
  impl_->run<void>([&] { return impl_->file->truncate(size); });
}
Attr BlockingFile::stat() {
  return impl_->run<Attr>([&] { return impl_->file->stat(); });
}
Growth BlockingFile::waitForGrowth(std::uint64_t known, std::chrono::milliseconds limit) {
  return impl_->run<Growth>([&] { return impl_->file->waitForGrowth(known, limit); });
}
void BlockingFile::close() {
  impl_->run<void>([&] { return impl_->file->close(); });
}

// ---- BlockingCluster

BlockingCluster::BlockingCluster(ClusterOptions options) : impl_(std::make_shared<BlockingSession>()) {
  Runtime& runtime = impl_->thread.loop().runtime();
  impl_->cluster = impl_->thread.run<std::shared_ptr<Cluster>>([&] { return Cluster::connect(runtime, options); });
}

BlockingCluster::~BlockingCluster() {
  try {
    impl_->thread.run<void>([&] { return impl_->cluster->shutdown(); });
  } catch (const std::exception& error) {
    log::error("client.shutdown.failed", {{"reason", error.what()}});
  }
  impl_->thread.release(impl_->cluster);
}

std::unique_ptr<BlockingFile> BlockingCluster::open(const std::string& path, OpenMode mode, bool create) {
  auto file = impl_->thread.run<std::shared_ptr<File>>([&] { return impl_->cluster->openPath(path, mode, create); });
  auto impl = std::make_unique<BlockingFile::Impl>();
  impl->owner = impl_;
  impl->file = std::move(file);
  return std::unique_ptr<BlockingFile>(new BlockingFile(std::move(impl)));
}

Attr BlockingCluster::stat(const std::string& path) {
  return impl_->thread.run<Entry>([&] { return require(impl_->cluster, path); }).attr;
}
std::vector<DirEntry> BlockingCluster::list(const std::string& path) {
  return impl_->thread.run<std::vector<DirEntry>>([&] { return listAll(impl_->cluster, path); });
}
void BlockingCluster::makeDirectory(const std::string& path, std::uint32_t mode) {
  impl_->thread.run<void>([&] { return makeOne(impl_->cluster, path, mode); });
}
void BlockingCluster::remove(const std::string& path) {
  impl_->thread.run<void>([&] { return removeOne(impl_->cluster, path); });
}
void BlockingCluster::rename(const std::string& from, const std::string& to) {
  impl_->thread.run<void>([&] { return renameOne(impl_->cluster, from, to); });
}
void BlockingCluster::syncNames() {
  impl_->thread.run<void>([&] { return impl_->cluster->syncNames(); });
}
std::string BlockingCluster::statusJson() {
  return impl_->thread.run<std::string>([&] { return impl_->cluster->statusJson(); });
}

}  // namespace vcfs
