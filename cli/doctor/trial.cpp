#include <cstring>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "cli/doctor/probe.h"

// Real files, written, followed, read back and deleted.
namespace vcfs::cli::doctor {

namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr std::size_t kPiece = 64 << 10;
constexpr int kPieces = 4;
constexpr int kTriesPerServer = 12;  // placement draws: nearly certain to have met each by then
constexpr auto kFollowLimit = 5s;
constexpr auto kRecording = 6s;
constexpr auto kTick = 20ms;

std::string field(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::vector<std::byte> piece(std::uint64_t number, std::size_t size = kPiece) {
  std::vector<std::byte> bytes(size);
  std::uint64_t x = number * 0x9e3779b97f4a7c15u + 1;
  for (std::byte& byte : bytes) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    byte = static_cast<std::byte>(x);
  }
  return bytes;
}

struct Server {
  std::string name, address;
  StorageId id = 0;
};

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// Writes piece by piece while another handle follows; returns the longest that a piece took to be readable.
Task<Duration> writeAndFollow(Runtime& runtime, std::shared_ptr<File> writer, std::shared_ptr<File> reader) {
  Duration longest{};
  for (int i = 0; i < kPieces; ++i) {
    const std::vector<std::byte> bytes = piece(static_cast<std::uint64_t>(i));
    const std::uint64_t offset = static_cast<std::uint64_t>(i) * kPiece;
    const TimePoint written = runtime.clock.now();
    co_await writer->write(offset, bytes);
    std::vector<std::byte> seen(kPiece);
    std::size_t size = 0;
    while (size < kPiece && runtime.clock.now() - written < kFollowLimit) {
      size = co_await reader->readInto(offset, seen);
      if (size < kPiece) co_await runtime.clock.sleep(2ms);
    }
    if (size < kPiece) throw Error(Errc::timeout, "what was written cannot be read after 5 s");
    if (seen != bytes) throw Error(Errc::corrupted, "what is read is not what was written");
    longest = std::max(longest, runtime.clock.now() - written);
  }
  co_return longest;
}

// The bytes as they stand on one server.
Task<void> compareOn(std::shared_ptr<Links> links, Server server, InodeId inode) {
  auto storage = co_await links->storageAt(server.address);
  for (int i = 0; i < kPieces; ++i) {
    auto request = storage.fetchRequest();
    request.setInode(inode);
    request.setOffset(static_cast<std::uint64_t>(i) * kPiece);
    request.setLength(kPiece);
    auto promise = request.send();
    auto answer = co_await rpc::call(links->runtime(), kj::mv(promise), kFollowLimit);
    schema::check(answer.getStatus());
    const std::vector<std::byte> expected = piece(static_cast<std::uint64_t>(i));
    const auto data = answer.getData();
    const bool same = data.size() == expected.size() && std::memcmp(data.begin(), expected.data(), data.size()) == 0;
    if (!same) throw Error(Errc::corrupted, server.name + " has other bytes than were written");
  }
}

struct Trial {
  std::set<StorageId> met;
  Duration longest{};
};

Task<void> tryOnce(std::shared_ptr<Cluster> cluster, std::shared_ptr<Links> links, InodeId directory, std::string name,
                   const std::vector<Server>& servers, Trial& trial) {
  CreateRequest create;
  create.parent = directory;
  create.name = name;
  create.exclusive = true;
  const Created made = co_await cluster->create(create);
  std::optional<Error> failure;
  try {
    OpenMode forWriting;
    forWriting.write = true;
    auto writer = co_await cluster->open(made.entry, forWriting);
    auto reader = co_await cluster->open(made.entry, OpenMode());
    const Duration longest = co_await writeAndFollow(links->runtime(), writer, reader);
    trial.longest = std::max(trial.longest, longest);
    co_await writer->sync();
    co_await writer->close();
    co_await reader->close();
    const Entry entry = co_await cluster->getAttr(made.entry.attr.inode);
    for (const Replica& replica : entry.layout.replicas) {
      if (replica.state != ReplicaState::inSync) continue;
      for (const Server& server : servers) {
        if (server.id != replica.storage) continue;
        co_await compareOn(links, server, entry.attr.inode);
        trial.met.insert(server.id);
      }
    }
  } catch (const Error& error) {
    failure = error;
  }
  co_await cluster->unlink(directory, name);
  if (failure) throw *failure;
}

Task<void> tryGroup(std::shared_ptr<Cluster> cluster, std::shared_ptr<Links> links, std::string group,
                    const std::vector<Server>& servers, Findings& findings) {
  const std::string user = "vcfs-doctor-" + group;
  co_await cluster->assignUser(user, group);
  std::optional<Entry> directory = co_await cluster->lookup(kRootInode, user);
  if (!directory) directory = co_await cluster->mkdir(kRootInode, user, 0700, 0, 0);
  Trial trial;
  std::optional<Error> failure;
  const int most = static_cast<int>(servers.size()) * kTriesPerServer;
  for (int i = 0; i < most && trial.met.size() < servers.size() && !failure; ++i) {
    const std::string name = fmt::format("{:016x}-{}", links->client(), i);
    try {
      co_await tryOnce(cluster, links, directory->attr.inode, name, servers, trial);
    } catch (const Error& error) {
      failure = error;
    }
  }
  try {
    co_await cluster->rmdir(kRootInode, user);
  } catch (const Error&) {
    // Another doctor is at work in it.
  }
  if (failure) {
    findings.push_back({Level::bad, "write", "group " + group + ": " + failure->what(),
                        "`vcfs status` and the logs of the group's storage servers tell more"});
    co_return;
  }
  findings.push_back(
      {Level::good, "write",
       fmt::format("group {}: written, followed (at most {:.0f} ms behind) and read back on {} of {} servers", group,
                   milliseconds(trial.longest), trial.met.size(), servers.size()),
       ""});
  for (const Server& server : servers) {
    if (trial.met.contains(server.id)) continue;
    findings.push_back({Level::warning, "write", server.name + " was given none of the files",
                        "it is full, or much busier than the others: `vcfs storage list`"});
  }
}

}  // namespace

Task<void> tryStorages(std::shared_ptr<Cluster> cluster, std::shared_ptr<Links> links, const Json& status,
                       Findings& findings) {
  std::map<std::string, std::vector<Server>> groups;
  for (const auto& item : status.value("storages", Json::array())) {
    if (field(item, "state") != "up" || item.value("draining", false)) continue;
    Server server;
    server.name = field(item, "name");
    server.address = field(item, "address");
    server.id = item.value("id", StorageId{0});
    groups[field(item, "group")].push_back(std::move(server));
  }
  if (groups.empty()) {
    findings.push_back({Level::bad, "write", "no storage server takes files", "start one"});
  }
  for (const auto& [group, servers] : groups) {
    std::optional<Error> failure;
    try {
      co_await tryGroup(cluster, links, group, servers, findings);
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) {
      findings.push_back({Level::bad, "write", "group " + group + ": " + failure->what(), "`vcfs status` tells more"});
    }
  }
}

Task<Stall> recordThroughKill(Runtime& runtime, std::shared_ptr<Cluster> cluster,
                              std::function<void(const std::string&)> kill) {
  Stall stall;
  const std::string name = fmt::format("vcfs-doctor-{:016x}", cluster->clientId());
  CreateRequest create;
  create.name = name;
  create.exclusive = true;
  const Created made = co_await cluster->create(create);
  std::optional<Error> failure;
  try {
    OpenMode forWriting;
    forWriting.write = true;
    auto file = co_await cluster->open(made.entry, forWriting);
    const TimePoint begin = runtime.clock.now();
    std::uint64_t pieces = 0;
    while (runtime.clock.now() - begin < kRecording) {
      const TimePoint before = runtime.clock.now();
      const std::vector<std::byte> bytes = piece(pieces);
      co_await file->write(pieces * kPiece, bytes);
      ++pieces;
      co_await file->flush();
      stall.longestMs = std::max(stall.longestMs, milliseconds(runtime.clock.now() - before));
      if (stall.victim.empty() && before - begin > kRecording / 3) {
        const std::string json = co_await cluster->fileJson(made.entry.attr.inode);
        const Json info = Json::parse(json);
        int inSync = 0;
        for (const auto& replica : info.value("replicas", Json::array()))
          inSync += field(replica, "state") == "in-sync";
        if (inSync < 2) throw Error(Errc::unavailable, "the recording has one copy only: nothing is killed");
        stall.victim = field(info.at("replicas").at(0), "storage");
        kill(stall.victim);
      }
      co_await runtime.clock.sleep(kTick);
    }
    stall.bytes = pieces * kPiece;
    for (std::uint64_t i = 0; i < pieces; ++i) {
      std::vector<std::byte> seen(kPiece);
      const std::size_t size = co_await file->readInto(i * kPiece, seen);
      if (size != kPiece || seen != piece(i)) throw Error(Errc::corrupted, "what is read is not what was written");
    }
    co_await file->close();
  } catch (const Error& error) {
    failure = error;
  }
  co_await cluster->unlink(kRootInode, name);
  if (failure) throw *failure;
  co_return stall;
}

}  // namespace vcfs::cli::doctor
