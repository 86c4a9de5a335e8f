#pragma once

#include <map>
#include <set>
#include <vector>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::storage {

// Which clients hold which files open for writing here, and when each was last heard of. A client's lease covers
// everything it has open; any sign of life renews all of it.
class LeaseTable {
 public:
  explicit LeaseTable(Duration lease) : lease_(lease) {}

  void open(ClientId client, InodeId inode, TimePoint now);  // also a sign of life
  void close(ClientId client, InodeId inode);
  void closeAll(InodeId inode);  // this server is not the file's primary any more
  void renew(ClientId client, TimePoint now);
  bool holds(ClientId client, InodeId inode) const;
  std::size_t writers(InodeId inode) const;
  std::size_t clients() const { return clients_.size(); }

  struct Lapsed {
    ClientId client = 0;
    InodeId inode = 0;
    bool last = false;  // nobody else has it open
  };
  // Removes what lapsed by `now`, in order of client.
  std::vector<Lapsed> expire(TimePoint now);

 private:
  struct Client {
    TimePoint heard;
    std::set<InodeId> files;
  };
  void remove(ClientId client, InodeId inode);
  Duration lease_;
  std::map<ClientId, Client> clients_;
  std::map<InodeId, std::set<ClientId>> files_;
};

}  // namespace vcfs::storage
