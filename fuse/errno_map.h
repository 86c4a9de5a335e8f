#pragma once

#include "common/base/error.h"

// The only file of vcfs that knows errno: how our errors look to a program on the mount.
namespace vcfs::fuse {

// Positive errno of an Errc; 0 for ok.
int toErrno(Errc code);
// The same for the extended-attribute calls, where "too large" is E2BIG and not EFBIG.
int toXattrErrno(Errc code);

// What the mount itself refuses, by meaning.
// Of fcntl and flock: what keeps a lock from being taken but is no other lock is ENOLCK.
int toLockErrno(Errc code);
int errnoNotOffered();      // EOPNOTSUPP: an operation or attribute namespace that vcfs does not have
int errnoInterrupted();     // EINTR: the caller is being killed
int errnoNameRace();        // ESTALE: look the name up again and repeat (the kernel does it by itself)
int errnoStalled();         // EIO: the operation was not answered within its limit
int errnoBufferTooSmall();  // ERANGE
int errnoNoAttribute();     // ENODATA
int errnoNoControl();       // ENOTTY: no ioctl is offered
int errnoNoSuchPlace();     // ENXIO: SEEK_DATA or SEEK_HOLE beyond the last of its kind

}  // namespace vcfs::fuse
