#include "fuse/errno_map.h"

#include <cerrno>

namespace vcfs::fuse {

int toErrno(Errc code) {
  switch (code) {
    case Errc::ok:
      return 0;
    case Errc::notFound:
      return ENOENT;
    case Errc::exists:
      return EEXIST;
    case Errc::notDirectory:
      return ENOTDIR;
    case Errc::isDirectory:
      return EISDIR;
    case Errc::notEmpty:
      return ENOTEMPTY;
    case Errc::invalid:
      return EINVAL;
    case Errc::nameTooLong:
      return ENAMETOOLONG;
    case Errc::notPermitted:
      return EPERM;
    case Errc::accessDenied:
      return EACCES;
    case Errc::noAttribute:
      return ENODATA;
    case Errc::tooLarge:
      return EFBIG;
    case Errc::notSupported:
      return EOPNOTSUPP;
    case Errc::tooManyLinks:
      return EMLINK;
    case Errc::readOnly:
      return EROFS;
    case Errc::outOfRange:
      return ERANGE;
    case Errc::crossDevice:
      return EXDEV;
    case Errc::textBusy:
      return ETXTBSY;
    case Errc::loop:
      return ELOOP;
    case Errc::wouldBlock:
      return EAGAIN;
    case Errc::deadlock:
      return EDEADLK;
    case Errc::noSpace:
      return ENOSPC;
    case Errc::quotaExceeded:
      return EDQUOT;
    case Errc::cancelled:
      return EINTR;
    // The client library has repeated what can be repeated for as long as stall_limit allows; what still comes out as
    // one of these is beyond the program's reach.
    case Errc::staleEpoch:
    case Errc::notPrimary:
    case Errc::notInSync:
    case Errc::needLayout:
    case Errc::unavailable:
    case Errc::overloaded:
    case Errc::timeout:
    case Errc::io:
    case Errc::corrupted:
    case Errc::internal:
      return EIO;
  }
  return EIO;
}

int toXattrErrno(Errc code) { return code == Errc::tooLarge ? E2BIG : toErrno(code); }

int toLockErrno(Errc code) {
  const int number = toErrno(code);
  return number == EIO || number == ENOSPC ? ENOLCK : number;
}

int errnoNotOffered() { return EOPNOTSUPP; }
int errnoInterrupted() { return EINTR; }
int errnoNameRace() { return ESTALE; }
int errnoStalled() { return EIO; }
int errnoBufferTooSmall() { return ERANGE; }
int errnoNoAttribute() { return ENODATA; }
int errnoNoControl() { return ENOTTY; }
int errnoNoSuchPlace() { return ENXIO; }

}  // namespace vcfs::fuse
