// Records a file into a vcfs store, or follows one that is being recorded: what a conference server that links the
// library does instead of writing to a mounted directory.
//
//   some-encoder | record_and_follow record 127.0.0.1:21000 /meetings/today.ts
//   record_and_follow follow 127.0.0.1:21000 /meetings/today.ts | some-player
//
// Build outside of the tree, after `cmake --install` and, for /usr/local/lib, `ldconfig`:
//   g++ -std=c++20 record_and_follow.cpp $(pkg-config --cflags --libs vcfs) -o record_and_follow
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <vector>

#include "vcfs/blocking.h"

namespace {

constexpr std::size_t kPiece = 256 * 1024;

// Standard input becomes the file. What was flushed is on every replica; followers see it within the max lag (50 ms).
void record(vcfs::BlockingCluster& cluster, const std::string& path) {
  vcfs::OpenMode mode;
  mode.write = true;
  auto file = cluster.open(path, mode, /*create=*/true);
  file->truncate(0);
  std::vector<std::byte> buffer(kPiece);
  std::uint64_t offset = 0;
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got <= 0) break;
    // Returns at once while the send window has room; a server that fails meanwhile is not noticed here.
    file->write(offset, std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(got)));
    offset += static_cast<std::uint64_t>(got);
  }
  file->sync();   // on stable storage of every replica, and the name too
  file->close();  // sealed: readers see the end of the file
  std::cerr << "recorded " << offset << " bytes\n";
}

// The file goes to standard output, up to its end: as it grows while it is being recorded.
void follow(vcfs::BlockingCluster& cluster, const std::string& path) {
  auto file = cluster.open(path);
  std::vector<std::byte> buffer(kPiece);
  std::uint64_t offset = 0;
  while (true) {
    const std::size_t got = file->read(offset, buffer);
    if (got > 0) {
      std::fwrite(buffer.data(), 1, got, stdout);
      offset += got;
      continue;
    }
    std::fflush(stdout);
    const vcfs::Growth growth = file->waitForGrowth(offset, std::chrono::seconds(10));
    if (growth.size <= offset && growth.state != vcfs::FileState::open) break;  // sealed and read to its end
  }
  file->close();
}

}  // namespace

int main(int argc, char** argv) {
  const bool recording = argc == 4 && std::strcmp(argv[1], "record") == 0;
  const bool following = argc == 4 && std::strcmp(argv[1], "follow") == 0;
  if (!recording && !following) {
    std::cerr << "usage: record_and_follow record|follow TRACKER:PORT /PATH/IN/THE/STORE\n";
    return 2;
  }
  try {
    vcfs::ClusterOptions options;
    options.trackers = {argv[2]};
    vcfs::BlockingCluster cluster(options);
    recording ? record(cluster, argv[3]) : follow(cluster, argv[3]);
    return 0;
  } catch (const vcfs::Error& error) {
    std::cerr << "record_and_follow: " << error.what() << "\n";
    return 1;
  }
}
