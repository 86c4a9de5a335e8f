#include "storage/store/meta.h"

#include <charconv>
#include <cstring>
#include <sstream>

namespace vcfs::storage {

namespace {

const char* nameOfState(FileState state) {
  switch (state) {
    case FileState::closed:
      return "closed";
    case FileState::recovered:
      return "recovered";
    default:
      return "open";
  }
}

bool parseState(const std::string& text, FileState& state) {
  if (text == "open")
    state = FileState::open;
  else if (text == "closed")
    state = FileState::closed;
  else if (text == "recovered")
    state = FileState::recovered;
  else
    return false;
  return true;
}

template <class Number>
bool parseNumber(const std::string& text, Number& value, int base = 10) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::string formatMeta(const ReplicaMeta& meta) {
  return fmt::format("1 id={:016x} epoch={} state={} size={} mtime={}", meta.inode, meta.epoch, nameOfState(meta.state),
                     meta.sealedSize, meta.mtimeNs);
}

ReplicaMeta parseMeta(const std::string& text) {
  const auto bad = [&](const char* what) {
    return Error(Errc::corrupted, fmt::format("user.vcfs: {} in \"{}\"", what, text));
  };
  std::istringstream words(text);
  std::string word;
  if (!(words >> word) || word != "1") throw bad("unknown version");
  ReplicaMeta meta;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) throw bad("a word without '='");
    const std::string key = word.substr(0, equals);
    const std::string value = word.substr(equals + 1);
    bool good = true;
    if (key == "id")
      good = parseNumber(value, meta.inode, 16);
    else if (key == "epoch")
      good = parseNumber(value, meta.epoch);
    else if (key == "state")
      good = parseState(value, meta.state);
    else if (key == "size")
      good = parseNumber(value, meta.sealedSize);
    else if (key == "mtime")
      good = parseNumber(value, meta.mtimeNs);
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
