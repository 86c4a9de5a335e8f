#pragma once

#include "common/base/error.h"

namespace vcfs::client {

// What to do when a storage server did not do what was asked.
enum class Verdict {
  fail,          // tell the caller
  relayout,      // ask a tracker (or take the layout that came with the answer), then repeat
  resendLayout,  // repeat with the layout filled in
  lost,          // report the server as failed, then repeat at the one that takes over
  later,         // repeat after a pause
};

// Where an error was seen.
enum class Where {
  transport,  // no answer: the connection broke, could not be made, or the deadline passed
  status,     // the server answered
};

// For calls that only the primary may answer (write, truncate, sync, close, stat …).
Verdict judgePrimary(Errc code, Where where);

// For reads of a sealed file, which any in-sync replica answers. `lost` means: try another replica.
Verdict judgeReplica(Errc code, Where where);

}  // namespace vcfs::client
