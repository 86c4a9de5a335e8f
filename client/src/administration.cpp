// What operators ask of the trackers.
#include "client/src/cluster_impl.h"
#include "client/src/tracker_call.h"

namespace vcfs::client {

Task<std::string> ClusterImpl::statusJson() {
  auto self = shared_from_this();
  auto answer = co_await ask(*core_, &Tracker::statusRequest);
  co_return schema::toString(answer.getJson());
}

Task<std::string> ClusterImpl::fileJson(InodeId inode) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) { request.setInode(inode); };
  auto answer = co_await ask(*core_, &Tracker::fileInfoRequest, fill);
  co_return schema::toString(answer.getJson());
}

Task<std::string> ClusterImpl::groupsJson() {
  auto self = shared_from_this();
  auto answer = co_await ask(*core_, &Tracker::groupsRequest);
  co_return schema::toString(answer.getJson());
}

Task<std::string> ClusterImpl::usersJson() {
  auto self = shared_from_this();
  auto answer = co_await ask(*core_, &Tracker::usersRequest);
  co_return schema::toString(answer.getJson());
}

Task<void> ClusterImpl::assignUser(std::string user, std::string group) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setUser(user);
    request.setGroup(group);
  };
  co_await change(*core_, &Tracker::assignUserRequest, fill);
}

Task<void> ClusterImpl::setGroup(std::string group, std::uint32_t copies) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setGroup(group);
    request.setCopies(copies);
  };
  co_await change(*core_, &Tracker::setGroupRequest, fill);
}

}  // namespace vcfs::client
