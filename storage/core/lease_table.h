#pragma once

#include <map>
#include <set>
#include <vector>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::storage {

// Which clients hold which files open for writing here, and when each was last heard of. A client's lease covers
// everything it has open; any sign of life renews all of it. A provisional one is renewed by nothing; open() makes it a
// lease like any other.
class LeaseTable {
 public:
  explicit LeaseTable(Duration lease) : lease_(lease) {}

  void open(ClientId client, InodeId inode, TimePoint now);  // also a sign of life
  // Whoever may have it open, as far as is known on taking over. Nothing when the client holds it already.
  void openProvisionally(ClientId client, InodeId inode, TimePoint now);
  void close(ClientId client, InodeId inode);
  void closeAll(InodeId inode);  // this server is not the file's primary any more
  void renew(ClientId client, TimePoint now);
  bool holds(ClientId client, InodeId inode) const;
  std::size_t writers(InodeId inode) const;
  std::size_t clients() const { return clients_.size(); }

  struct Lapsed {
    ClientId client = 0;
    InodeId inode = 0;
    bool last = false;         // nobody else has it open
    bool provisional = false;  // not known to have had it open here
  };
  // Removes what lapsed by `now`, in order of client.
  std::vector<Lapsed> expire(TimePoint now);

 private:
  struct Client {
    TimePoint heard;
    std::set<InodeId> files;
    std::map<InodeId, TimePoint> provisional;  // of these: until when
  };
  void remove(ClientId client, InodeId inode);
  Duration lease_;
  std::map<ClientId, Client> clients_;
  std::map<InodeId, std::set<ClientId>> files_;
};

}  // namespace vcfs::storage
