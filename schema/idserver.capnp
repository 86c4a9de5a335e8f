@0xe8b07d1f2a4c4f03;
# The ID server hands out ranges of unique 64-bit ids (inodes, directory cookies).
#
# A range is on stable storage before it is in an answer, so no id is ever handed out twice, whenever the process or
# its machine dies; ids of a range whose answer was lost are lost, which is harmless. Several ID servers may run on
# one MariaDB catalog.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("vcfs::schema");
using import "types.capnp".Status;

interface IdServer {
  hello @0 (protocol :UInt32) -> (status :Status, cluster :Text);

  ping @1 () -> ();

  lease @2 (count :UInt32) -> (status :Status, first :UInt64, count :UInt32);
  # The ids first … first+count-1 belong to the caller for ever. count: 1 … 1 000 000.
  # Ids start at 1024 and stay below 2^62. Repeating a call after a lost answer yields another range.
  # Errors: invalid (count), noSpace (all ids used), io, unavailable (the store is away).

  status @3 () -> (status :Status, json :Text);
}
