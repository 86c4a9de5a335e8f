#include "fuse/policy/atime_rule.h"

#include <sys/mount.h>

namespace vcfs::fuse {

AtimeRules atimeRules(unsigned long mountFlags, bool readOnly) {
  AtimeRules rules;
  if (readOnly || (mountFlags & MS_NOATIME) != 0) return {AtimeRule::never, AtimeRule::never};
  if ((mountFlags & MS_STRICTATIME) != 0) rules.files = rules.directories = AtimeRule::always;
  if ((mountFlags & MS_NODIRATIME) != 0) rules.directories = AtimeRule::never;
  return rules;
}

bool movesAtime(AtimeRule rule, const Attr& attr, std::int64_t nowNs) {
  constexpr std::int64_t kDayNs = 86'400'000'000'000;
  if (rule != AtimeRule::relative) return rule == AtimeRule::always;
  return attr.atimeNs <= attr.mtimeNs || attr.atimeNs <= attr.ctimeNs || nowNs - attr.atimeNs >= kDayNs;
}

}  // namespace vcfs::fuse
