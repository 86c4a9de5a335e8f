#pragma once

#include <cstdint>
#include <string_view>

// File capabilities (setcap(8)): an extended attribute that goes when somebody changes the file's bytes or owner, so
// who writes must know whether there is one.
namespace vcfs {

inline constexpr std::string_view kCapabilityAttribute = "security.capability";
inline constexpr std::uint8_t kHasCapability = 4;  // of Attr::acl, beside kHasAccessAcl and kHasDefaultAcl

}  // namespace vcfs
