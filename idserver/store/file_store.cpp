#include "idserver/store/file_store.h"

#include <cinttypes>
#include <cstdio>

#include "common/base/error.h"

namespace vcfs::idserver {
namespace {

constexpr const char* kIds = "ids";
constexpr const char* kNewIds = "ids.new";
constexpr const char* kFormat = "format";
constexpr const char* kHead = "vcfs-idserver 1\n";
constexpr const char* kRemedy =
    ". Ids must never repeat, so nothing is guessed: restore the file, or find the highest id in use (the trackers' "
    "catalog has it) and start once with --recover-above ID";

// FNV-1a: against torn and foreign content, not against an attacker.
std::uint64_t checkOf(const std::string& text) {
  std::uint64_t h = 14695981039346656037ull;
  for (unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  return h;
}

}  // namespace

std::string FileStore::encode(std::uint64_t end) {
  std::string text = std::string(kHead) + "end " + std::to_string(end) + "\n";
  char check[32];
  std::snprintf(check, sizeof check, "check %016" PRIx64 "\n", checkOf(text));
  return text + check;
}

std::uint64_t FileStore::decode(const std::string& content, const std::string& path) {
  unsigned version = 0;
  std::uint64_t end = 0;
  if (std::sscanf(content.c_str(), "vcfs-idserver %u\n", &version) == 1 && version > 1) {
    throw Error(Errc::corrupted, path + " was written by a newer vcfs-idserver (format " + std::to_string(version) +
                                     ", this one knows 1): start that version");
  }
  if (std::sscanf(content.c_str(), "vcfs-idserver 1\nend %" SCNu64, &end) != 1 || encode(end) != content ||
      end < kFirstId || end > kEndOfIds) {
    throw Error(Errc::corrupted, path + " is damaged" + kRemedy);
  }
  return end;
}

FileStore::FileStore(std::unique_ptr<Directory> directory, std::optional<std::uint64_t> recoverAbove)
    : directory_(std::move(directory)) {
  if (recoverAbove) {
    recover(*recoverAbove);
  } else {
    end_ = load();
  }
}

std::uint64_t FileStore::load() {
  std::optional<std::string> ids = directory_->read(kIds);
  hasFormat_ = directory_->read(kFormat).has_value();
  if (ids) return decode(*ids, directory_->path(kIds));
  if (hasFormat_) throw Error(Errc::corrupted, directory_->path(kIds) + " is missing" + kRemedy);
  return kFirstId;
}

void FileStore::recover(std::uint64_t above) {
  if (above < kFirstId || above >= kEndOfIds) {
    throw Error(Errc::invalid, "--recover-above must be an id: " + std::to_string(kFirstId) + " … 2^62-1");
  }
  try {
    std::uint64_t sound = load();
    if (sound > above + 1) {
      throw Error(Errc::invalid, "the ids in " + directory_->path(kIds) + " are sound and go on at " +
                                     std::to_string(sound) + ": start without --recover-above");
    }
  } catch (const Error& e) {
    if (e.code() != Errc::corrupted) throw;
  }
  store(above + 1);
  end_ = above + 1;
}

IdRange FileStore::reserve(std::uint64_t count) {
  if (count == 0 || end_ > kEndOfIds || kEndOfIds - end_ < count) {
    throw Error(Errc::noSpace, "all 64-bit ids are used");
  }
  store(end_ + count);
  IdRange range{end_, count};
  end_ += count;
  return range;
}

void FileStore::store(std::uint64_t end) {
  directory_->write(kNewIds, encode(end));
  directory_->syncFile(kNewIds);
  directory_->rename(kNewIds, kIds);
  directory_->sync();
  if (hasFormat_) return;
  directory_->write(kFormat, kHead);
  directory_->syncFile(kFormat);
  directory_->sync();
  hasFormat_ = true;
}

}  // namespace vcfs::idserver
