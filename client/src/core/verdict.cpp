#include "client/src/core/verdict.h"

namespace vcfs::client {

Verdict judgePrimary(Errc code, Where where) {
  switch (code) {
    case Errc::staleEpoch:
    case Errc::notPrimary:
    case Errc::notInSync:
      return Verdict::relayout;
    case Errc::needLayout:
      return Verdict::resendLayout;
    case Errc::overloaded:
      return Verdict::later;
    case Errc::unavailable:
    case Errc::timeout:
      return where == Where::transport ? Verdict::lost : Verdict::later;
    case Errc::cancelled:
      return where == Where::transport ? Verdict::fail : Verdict::later;
    // The server's disk is read-only or broken: another replica may well have a good one. A full one is not among
    // these: a primary says noSpace only when every in-sync replica is full.
    case Errc::io:
    case Errc::corrupted:
    case Errc::readOnly:
      return Verdict::lost;
    default:
      return Verdict::fail;
  }
}

Verdict judgeReplica(Errc code, Where where) {
  switch (code) {
    case Errc::noSpace:
    case Errc::readOnly:
      return Verdict::fail;
    case Errc::notFound:
      return Verdict::relayout;  // the replica has moved, or the file is gone: a tracker knows
    default:
      return judgePrimary(code, where);
  }
}

}  // namespace vcfs::client
