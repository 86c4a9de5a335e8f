#include "tracker/core/names.h"

#include "common/base/error.h"

namespace vcfs::tracker {

void checkLookupName(const std::string& name) {
  if (name.size() > kMaxName) {
    throw Error(Errc::nameTooLong, "a name of " + std::to_string(name.size()) + " bytes; at most 255 are allowed");
  }
}

void checkName(const std::string& name) {
  checkLookupName(name);
  if (name.empty() || name == "." || name == "..") throw Error(Errc::invalid, "the name is empty, \".\" or \"..\"");
  if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    throw Error(Errc::invalid, "a name must not contain '/' or NUL");
  }
}

void checkXattrName(const std::string& name) {
  if (name.empty()) throw Error(Errc::invalid, "the attribute's name is empty");
  if (name.size() > kMaxXattrName) throw Error(Errc::outOfRange, "an attribute's name has at most 255 bytes");
  if (name.find('\0') != std::string::npos) throw Error(Errc::invalid, "an attribute's name must not contain NUL");
}

void checkLabel(const std::string& what, const std::string& label) {
  const bool fits = !label.empty() && label.size() <= 64;
  const auto allowed = [](unsigned char c) { return c > ' ' && c != 0x7f && c != '/' && c != ','; };
  if (!fits || !std::all_of(label.begin(), label.end(), allowed)) {
    throw Error(Errc::invalid, "the " + what + " \"" + label.substr(0, 80) +
                                   "\" must have 1 to 64 bytes, without blanks, '/' and ','");
  }
}

}  // namespace vcfs::tracker
