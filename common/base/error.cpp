#include "common/base/error.h"

#include <cerrno>
#include <cstring>

namespace vcfs {

Remedy remedyOf(Errc code) {
  if (code == Errc::ok) return Remedy::none;
  if (code < Errc::noSpace) return Remedy::fixRequest;
  if (code < Errc::staleEpoch) return Remedy::freeSpace;
  if (code < Errc::unavailable) return Remedy::refreshLayout;
  if (code < Errc::io) return Remedy::retry;
  return Remedy::giveUp;
}

std::string_view nameOf(Errc code) {
  static constexpr std::string_view names[] = {
      "ok",          "notFound",      "exists",       "notDirectory", "isDirectory", "notEmpty",     "invalid",
      "nameTooLong", "notPermitted",  "accessDenied", "noAttribute",  "tooLarge",    "notSupported", "tooManyLinks",
      "readOnly",    "outOfRange",    "crossDevice",  "textBusy",     "loop",        "wouldBlock",   "deadlock",
      "noSpace",     "quotaExceeded", "staleEpoch",   "notPrimary",   "notInSync",   "needLayout",   "unavailable",
      "overloaded",  "timeout",       "io",           "corrupted",    "internal",    "cancelled"};
  static_assert(std::size(names) == static_cast<std::size_t>(Errc::cancelled) + 1);
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(names) ? names[index] : "unknown";
}

Error::Error(Errc code, std::string detail) : code_(code), detail_(std::move(detail)), what_(nameOf(code)) {
  if (!detail_.empty()) what_ += ": " + detail_;
}

Error asError(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return *error;
  return Error(Errc::internal, exception.what());
}

Errc fromErrno(int error) {
  switch (error) {
    case 0:
      return Errc::ok;
    case ENOENT:
      return Errc::notFound;
    case EEXIST:
      return Errc::exists;
    case ENOTDIR:
      return Errc::notDirectory;
    case EISDIR:
      return Errc::isDirectory;
    case ENOTEMPTY:
      return Errc::notEmpty;
    case EINVAL:
      return Errc::invalid;
    case ENAMETOOLONG:
      return Errc::nameTooLong;
    case EPERM:
      return Errc::notPermitted;
    case EACCES:
      return Errc::accessDenied;
    case ENODATA:
      return Errc::noAttribute;
    case EFBIG:
      return Errc::tooLarge;
    case EOPNOTSUPP:
      return Errc::notSupported;
    case EROFS:
      return Errc::readOnly;
    case ENXIO:
      return Errc::noAttribute;
    case ENOSPC:
      return Errc::noSpace;
    case EDQUOT:
      return Errc::quotaExceeded;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Errc::overloaded;
    case EIO:
    default:
      return Errc::io;
  }
}

}  // namespace vcfs
