#include "tracker/core/posix_acl.h"

#include <cstring>
#include <vector>

#include "common/base/error.h"

namespace vcfs::tracker {

namespace {

enum Tag : std::uint16_t { kUserObj = 1, kUser = 2, kGroupObj = 4, kGroup = 8, kMask = 16, kOther = 32 };

struct AclEntry {
  std::uint16_t tag;
  std::uint16_t perm;
  std::uint32_t id;
};
static_assert(sizeof(AclEntry) == 8);
constexpr std::uint32_t kVersion = 2;

std::optional<std::vector<AclEntry>> parse(const std::string& acl) {
  std::uint32_t version = 0;
  if (acl.size() < sizeof version || (acl.size() - sizeof version) % sizeof(AclEntry) != 0) return std::nullopt;
  std::memcpy(&version, acl.data(), sizeof version);
  if (version != kVersion) return std::nullopt;
  std::vector<AclEntry> entries((acl.size() - sizeof version) / sizeof(AclEntry));
  if (entries.empty()) return std::nullopt;
  std::memcpy(entries.data(), acl.data() + sizeof version, entries.size() * sizeof(AclEntry));
  return entries;
}

std::string print(const std::vector<AclEntry>& entries) {
  std::string acl(sizeof kVersion + entries.size() * sizeof(AclEntry), '\0');
  std::memcpy(acl.data(), &kVersion, sizeof kVersion);
  std::memcpy(acl.data() + sizeof kVersion, entries.data(), entries.size() * sizeof(AclEntry));
  return acl;
}

// The order in which entries stand: owner, users, group, groups, mask, others.
bool isBefore(const AclEntry& a, const AclEntry& b) {
  return a.tag < b.tag || (a.tag == b.tag && (a.tag == kUser || a.tag == kGroup));
}

bool isValid(const std::vector<AclEntry>& entries) {
  unsigned seen = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const AclEntry& entry = entries[i];
    const bool known = entry.tag == kUserObj || entry.tag == kUser || entry.tag == kGroupObj || entry.tag == kGroup ||
                       entry.tag == kMask || entry.tag == kOther;
    if (!known || entry.perm > 7) return false;
    if (i > 0 && !isBefore(entries[i - 1], entry)) return false;
    seen |= entry.tag;
  }
  constexpr unsigned kNeeded = kUserObj | kGroupObj | kOther;
  const bool named = (seen & (kUser | kGroup)) != 0;
  return (seen & kNeeded) == kNeeded && (!named || (seen & kMask) != 0);
}

bool hasMask(const std::vector<AclEntry>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const AclEntry& e) { return e.tag == kMask; });
}

// The entry that stands for the mode's group bits: the mask where there is one.
bool isGroupClass(const AclEntry& entry, bool mask) { return entry.tag == (mask ? kMask : kGroupObj); }

}  // namespace

AclMeaning readAcl(const std::string& acl) {
  AclMeaning meaning;
  meaning.empty = acl.empty() || (acl.size() == sizeof kVersion && std::memcmp(acl.data(), &kVersion, 4) == 0);
  if (meaning.empty) return meaning;
  const auto entries = parse(acl);
  if (!entries || !isValid(*entries)) throw Error(Errc::invalid, "not a valid POSIX ACL");
  const bool mask = hasMask(*entries);
  for (const AclEntry& entry : *entries) {
    if (entry.tag == kUserObj) meaning.mode |= entry.perm << 6;
    if (entry.tag == kOther) meaning.mode |= entry.perm;
    if (isGroupClass(entry, mask)) meaning.mode |= entry.perm << 3;
  }
  meaning.modeSaysIt = entries->size() == 3;
  return meaning;
}

std::optional<std::string> aclWithMode(const std::string& acl, std::uint32_t mode) {
  auto entries = parse(acl);
  if (!entries) return std::nullopt;
  const bool mask = hasMask(*entries);
  for (AclEntry& entry : *entries) {
    if (entry.tag == kUserObj) entry.perm = (mode >> 6) & 7;
    if (entry.tag == kOther) entry.perm = mode & 7;
    if (isGroupClass(entry, mask)) entry.perm = (mode >> 3) & 7;
  }
  return print(*entries);
}

std::optional<InheritedAcl> inheritAcl(const std::string& defaultAcl, std::uint32_t mode) {
  auto entries = parse(defaultAcl);
  if (!entries) return std::nullopt;
  const bool mask = hasMask(*entries);
  std::uint32_t bits = mode & 07000;
  for (AclEntry& entry : *entries) {
    if (entry.tag == kUserObj) bits |= (entry.perm &= (mode >> 6) & 7) << 6;
    if (entry.tag == kOther) bits |= entry.perm &= mode & 7;
    if (isGroupClass(entry, mask)) bits |= (entry.perm &= (mode >> 3) & 7) << 3;
  }
  InheritedAcl inherited;
  inherited.mode = bits;
  if (entries->size() > 3) inherited.access = print(*entries);
  return inherited;
}

}  // namespace vcfs::tracker
