#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace vcfs {

// What went wrong, sorted by what the caller should do. The values are those of schema/types.capnp, ErrorCode, which
// explains each; schema/convert.cpp asserts that the two lists agree.
enum class Errc : unsigned char {
  ok = 0,
  // fix the request
  notFound,
  exists,
  notDirectory,
  isDirectory,
  notEmpty,
  invalid,
  nameTooLong,
  notPermitted,
  accessDenied,
  noAttribute,
  tooLarge,
  notSupported,
  tooManyLinks,
  readOnly,
  outOfRange,
  crossDevice,
  textBusy,
  loop,
  wouldBlock,
  deadlock,
  // the resource is short
  noSpace,
  quotaExceeded,
  // ask for the layout again, then repeat
  staleEpoch,
  notPrimary,
  notInSync,
  needLayout,
  // repeat later or elsewhere
  unavailable,
  overloaded,
  timeout,
  // give up
  io,
  corrupted,
  internal,
  cancelled,
};

enum class Remedy { none, fixRequest, freeSpace, refreshLayout, retry, giveUp };

Remedy remedyOf(Errc code);
std::string_view nameOf(Errc code);  // "notFound"

// The one exception type of vcfs. `detail` is for people: it names the thing and what to do about it.
class Error : public std::exception {
 public:
  struct Unasked {};
  explicit Error(Errc code, std::string detail = {});
  Error(Errc code, std::string detail, Unasked) : Error(code, std::move(detail)) { unasked_ = true; }
  Errc code() const { return code_; }
  const std::string& detail() const { return detail_; }
  const char* what() const noexcept override { return what_.c_str(); }
  // It went wrong before anybody was asked (a host's name could not be looked up): no reason to think ill of a peer.
  bool unasked() const { return unasked_; }

 private:
  Errc code_;
  std::string detail_;
  std::string what_;  // "notFound: detail"
  bool unasked_ = false;
};

// What ended a task that others wait for, whatever it was (a message that cannot be decoded, no memory: internal).
Error asError(const std::exception& exception);

// errno of a system call on this machine's disk as an Errc (ENOSPC → noSpace, EIO → io …).
Errc fromErrno(int error);

}  // namespace vcfs
