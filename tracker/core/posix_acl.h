#pragma once

#include <cstdint>
#include <optional>
#include <string>

// POSIX ACLs in the kernel's attribute format (version 2), as far as a namespace must touch them: modes and ACLs say
// the same thing twice and have to agree.
namespace vcfs::tracker {

inline constexpr const char* kAclAccess = "system.posix_acl_access";
inline constexpr const char* kAclDefault = "system.posix_acl_default";

// What an ACL that somebody sets means for the inode.
struct AclMeaning {
  bool empty = false;       // no entries: the ACL is to be removed
  std::uint32_t mode = 0;   // the permission bits it stands for (0777)
  bool modeSaysIt = false;  // owner, group and others only: the mode says as much
};
// Throws Error(invalid) for what is no valid ACL.
AclMeaning readAcl(const std::string& acl);

// chmod: the access ACL with the new permission bits; nullopt when `acl` is not one.
std::optional<std::string> aclWithMode(const std::string& acl, std::uint32_t mode);

struct InheritedAcl {
  std::uint32_t mode = 0;  // all 12 bits
  std::string access;      // to store as the access ACL; empty: the mode says it all
};
// A new object made with `mode` in a directory with this default ACL; nullopt when `defaultAcl` is not one.
std::optional<InheritedAcl> inheritAcl(const std::string& defaultAcl, std::uint32_t mode);

}  // namespace vcfs::tracker
