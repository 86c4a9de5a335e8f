#pragma once

#include <string>

// What a file's name may be, and the limits of paths. Every check throws Error with the code a caller expects.
namespace vcfs::tracker {

inline constexpr std::size_t kMaxName = 255;
inline constexpr std::size_t kMaxPath = 4096;
inline constexpr std::size_t kMaxSymlink = 4095;
inline constexpr std::size_t kMaxXattrName = 255;
inline constexpr std::size_t kMaxXattrValue = 65536;
inline constexpr std::uint32_t kMaxLinks = 65000;
inline constexpr int kMaxSymlinksFollowed = 40;

// nameTooLong beyond 255 bytes; invalid when empty, "." or "..", or with '/' or NUL in it.
void checkName(const std::string& name);
// The same for a name that is only looked up: "no such name" is the answer to a strange one, but its length counts.
void checkLookupName(const std::string& name);
void checkXattrName(const std::string& name);
// Names of groups, zones, servers, users given by administrators: 1 … 64 printable bytes without blanks, '/' and ','.
void checkLabel(const std::string& what, const std::string& label);

}  // namespace vcfs::tracker
