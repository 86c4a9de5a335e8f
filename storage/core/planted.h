#pragma once

// Bugs that a test plants to see that the simulation finds them (tests/sim/planted_test.cpp, which compiles the few
// files concerned with VCFS_PLANT_BUGS). Everywhere else planted() is a constant and nothing of it is in the program.
namespace vcfs::storage {

enum class Bug {
  none,
  skipEpochCheck,     // what a primary of an epoch that is over sends is executed
  publishEarly,       // writes are acknowledged and published before the other replicas have them
  forgetPowerLoss,    // nobody is told that bytes may be gone since the machine lost power
  dropReplayedWrite,  // what a client sends again after a failover is answered and not executed
};

#ifdef VCFS_PLANT_BUGS
inline Bug plantedBug = Bug::none;
inline bool planted(Bug bug) { return plantedBug == bug; }
#else
constexpr bool planted(Bug) { return false; }
#endif

}  // namespace vcfs::storage
