#include "storage/store/meta.h"

#include <charconv>
#include <cstring>
#include <sstream>

namespace vcfs::storage {

namespace {

char letterOf(const ReplicaMeta& meta) {
  if (meta.partial) return 'y';  // as long as the others: a full disk may take no longer text
  switch (meta.state) {
    case FileState::closed:
      return 'c';
    case FileState::recovered:
      return 'r';
    default:
      return 'o';
  }
}

bool parseState(const std::string& text, ReplicaMeta& meta) {
  meta.partial = text == "y";
  if (text == "o" || text == "y")
    meta.state = FileState::open;
  else if (text == "c")
    meta.state = FileState::closed;
  else if (text == "r")
    meta.state = FileState::recovered;
  else
    return false;
  return true;
}

constexpr const char* kPathKey = " n=";
constexpr const char* kUserKey = " u=";

// "/room1/a.mp4" is room1's.
std::string userOfPath(const std::string& path) {
  const std::size_t end = path.find('/', 1);
  return path.empty() || end == std::string::npos ? std::string() : path.substr(1, end - 1);
}

std::string formatState(const ReplicaMeta& meta) {
  std::string text = fmt::format("1 i={:x} e={} s={}", meta.inode, meta.epoch, letterOf(meta));
  if (meta.sealedSize != 0) text += fmt::format(" z={}", meta.sealedSize);
  if (meta.mtimeNs != 0) text += fmt::format(" m={:x}", static_cast<std::uint64_t>(meta.mtimeNs));
  if (meta.unstable) text += " d=1";
  if (meta.powerLoss != 0) text += fmt::format(" p={:x}", meta.powerLoss);
  if (meta.powerLosses != 0) text += fmt::format(" l={}", meta.powerLosses);
  return text;
}

template <class Number>
bool parseNumber(const std::string& text, Number& value, int base = 10) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Written as the bits it has: a file may be of before 1970.
bool parseTime(const std::string& text, std::int64_t& value) {
  std::uint64_t bits = 0;
  const bool good = parseNumber(text, bits, 16);
  value = static_cast<std::int64_t>(bits);
  return good;
}

}  // namespace

std::string formatMeta(const ReplicaMeta& meta, const std::string& user, const std::string& path) {
  std::string text = formatState(meta);
  const bool plain = user.find_first_of(" =") == std::string::npos;
  if (!user.empty() && plain && user != userOfPath(path)) text += kUserKey + user;
  if (!path.empty()) text += kPathKey + path;
  return text;
}

std::string updateMeta(const std::string& text, const ReplicaMeta& meta) {
  const std::size_t path = text.find(kPathKey);
  const std::size_t user = text.find(kUserKey);
  const std::size_t kept = std::min(path, user);
  return kept == std::string::npos ? formatState(meta) : formatState(meta) + text.substr(kept);
}

ReplicaMeta parseMeta(const std::string& text) {
  const auto bad = [&](const char* what) {
    return Error(Errc::corrupted, fmt::format("user.vcfs: {} in \"{}\"", what, text));
  };
  std::istringstream words(text.substr(0, text.find(kPathKey)));
  std::string word;
  if (!(words >> word) || word != "1") throw bad("unknown version");
  ReplicaMeta meta;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) throw bad("a word without '='");
    const std::string key = word.substr(0, equals);
    const std::string value = word.substr(equals + 1);
    bool good = true;
    if (key == "i")
      good = parseNumber(value, meta.inode, 16);
    else if (key == "e")
      good = parseNumber(value, meta.epoch);
    else if (key == "s")
      good = parseState(value, meta);
    else if (key == "z")
      good = parseNumber(value, meta.sealedSize);
    else if (key == "m")
      good = parseTime(value, meta.mtimeNs);
    else if (key == "d")
      meta.unstable = value == "1";
    else if (key == "p")
      good = parseNumber(value, meta.powerLoss, 16);
    else if (key == "l")
      good = parseNumber(value, meta.powerLosses);
    if (!good) throw bad(("bad " + key).c_str());
  }
  if (meta.inode == 0 || meta.epoch == 0) throw bad("no id or epoch");
  return meta;
}

std::string replicaDirectory(InodeId inode) {
  return fmt::format("{:02x}/{:02x}", (inode >> 16) & 0xff, (inode >> 8) & 0xff);
}

std::string replicaPath(InodeId inode) { return fmt::format("{}/{:016x}", replicaDirectory(inode), inode); }

InodeId parseReplicaName(const char* name) {
  if (std::strlen(name) != 16) return 0;
  for (const char* c = name; *c != 0; ++c) {
    if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f'))) return 0;
  }
  InodeId inode = 0;
  std::from_chars(name, name + 16, inode, 16);
  return inode;
}

}  // namespace vcfs::storage
