// Extended attributes: kept by the trackers.
#include "client/src/cluster_impl.h"
#include "client/src/tracker_call.h"

namespace vcfs::client {

Task<std::optional<std::string>> ClusterImpl::getXattr(InodeId inode, std::string name) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setInode(inode);
    request.setName(schema::toData(name));
  };
  std::optional<std::string> value;
  try {
    auto answer = co_await ask(*core_, &Tracker::getXattrRequest, fill);
    value = schema::toString(answer.getValue());
  } catch (const Error& error) {
    if (error.code() != Errc::noAttribute) throw;
  }
  co_return value;
}

Task<std::vector<std::string>> ClusterImpl::listXattr(InodeId inode) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) { request.setInode(inode); };
  auto answer = co_await ask(*core_, &Tracker::listXattrRequest, fill);
  std::vector<std::string> names;
  for (auto name : answer.getNames()) names.push_back(schema::toString(name));
  co_return names;
}

Task<void> ClusterImpl::setXattr(InodeId inode, std::string name, std::string value, std::uint32_t flags,
                                 std::optional<std::uint32_t> mode) {
  auto self = shared_from_this();
  constexpr std::uint32_t kSetMode = 0x80000000;
  auto fill = [&](auto& request) {
    request.setInode(inode);
    request.setName(schema::toData(name));
    request.setValue(schema::toData(value));
    request.setFlags(flags);
    if (mode) request.setMode(*mode | kSetMode);
  };
  co_await change(*core_, &Tracker::setXattrRequest, fill);
  names_->changed(inode);
}

Task<void> ClusterImpl::removeXattr(InodeId inode, std::string name) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setInode(inode);
    request.setName(schema::toData(name));
  };
  co_await change(*core_, &Tracker::removeXattrRequest, fill);
  names_->changed(inode);
}

}  // namespace vcfs::client
