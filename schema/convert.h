#pragma once

#include <string>

#include "common/base/error.h"
#include "schema/storage.capnp.h"
#include "schema/tracker.capnp.h"
#include "schema/types.capnp.h"
#include "vcfs/types.h"

// Between the wire's structs and the C++ values of client/include/vcfs/types.h.
namespace vcfs::schema {

// Throws the Error that `status` carries; does nothing when it says ok.
void check(Status::Reader status);
bool has(Status::Reader status, Errc code);
// Puts an error into an answer (`results.initStatus()`).
void fill(Status::Builder status, const Error& error);
// The same with the current layout, for staleEpoch and notPrimary.
void fill(Status::Builder status, const Error& error, const vcfs::Layout& layout);

vcfs::Attr toAttr(Attr::Reader reader);
void fill(Attr::Builder builder, const vcfs::Attr& attr);
vcfs::Layout toLayout(Layout::Reader reader);
void fill(Layout::Builder builder, const vcfs::Layout& layout);
vcfs::Entry toEntry(Entry::Reader reader);
void fill(Entry::Builder builder, const vcfs::Entry& entry);
vcfs::FileLock toLock(FileLock::Reader reader);
void fill(FileLock::Builder builder, const vcfs::FileLock& lock);
// `everything` does not travel: a change of neither an inode nor a name stands for it.
vcfs::Change toChange(Change::Reader reader);
void fill(Change::Builder builder, const vcfs::Change& change);

std::string toString(capnp::Data::Reader data);
std::string toString(capnp::Text::Reader text);
inline capnp::Data::Reader toData(const std::string& bytes) {
  return capnp::Data::Reader(reinterpret_cast<const capnp::byte*>(bytes.data()), bytes.size());
}

}  // namespace vcfs::schema
