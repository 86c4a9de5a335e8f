#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/settings.h"

namespace vcfs::storage {

// What a storage server can be told. main.cpp declares each with bounds and meaning; DESIGN.md explains the choice of
// the defaults.
struct Options {
  using Millis = std::chrono::milliseconds;

  std::string name;
  std::string group = "default";
  std::string zone;
  std::string listen;
  std::string advertise;  // what others use to reach this server; empty: where it listens
  std::string dataDirectory;
  std::vector<std::string> trackers;

  Millis lease{10'000};                                   // a writer not heard of for so long is gone
  Millis reportInterval{2'000};                           // sizes of open files are told to a tracker this often
  Duration reportGather = std::chrono::milliseconds(20);  // closings wait this long for others to be told with them
  Millis heartbeatInterval{1'000};
  Millis pingInterval{250};    // to other storages
  Millis pingLimit{1'000};     // no answer: the peer is lost
  Millis replicaLimit{2'000};  // no answer to forwarded data: the peer is lost
  Millis connectLimit{1'000};
  Millis trackerLimit{2'000};  // for one call of a tracker
  // For an fsync on another replica. Less than the two thirds of their stall limit (20 s) for which clients wait for
  // the whole: the primary, whose own disk may be well, has to have dropped the other one and told a tracker by then.
  Millis replicaSyncLimit{18'000};
  Millis syncLimit{30'000};      // for what catching up waits for: a sync, sums, a piece; never less than the other
  Millis handOverLimit{500};     // for what is under way when the file gets another primary
  Millis handOverPause{2'000};   // afterwards without a new layout: the file is given up here
  Millis staleInterval{10'000};  // how often trackers are asked what is to be caught up

  std::uint64_t inlineWriteBytes = 64u << 10;  // writes up to this size go to the page cache on the loop; 0: never
  Millis slowWrite{5};                         // after an inline write took longer, the pool is used for a second
  std::int64_t catchUpFiles = 2;               // caught up at the same time
  std::int64_t catchUpBytesPerSecond = 0;      // 0: as fast as live traffic leaves room
  std::int64_t cachedFiles = 20'000;           // idle sealed files whose state is kept in memory
  SettingValues settings;                      // as status tells them
};

}  // namespace vcfs::storage
