#include "common/base/error.h"
#include "schema/convert.h"
#include "tracker/service/coordinator.h"
#include "tracker/service/handlers.h"
#include "tracker/service/status_report.h"

// Administration.
namespace vcfs::tracker {

Task<void> Handlers::status(StatusContext context) {
  // Another tracker asks for what only this one knows; a person wants all of it.
  const std::string json = co_await statusJson(core_, session_->kind != "tracker");
  context.getResults().setJson(json);
}

Task<void> Handlers::fileInfo(FileInfoContext context) {
  const InodeId inode = context.getParams().getInode();
  const std::string json = co_await fileJson(core_, inode);
  context.getResults().setJson(json);
}

Task<void> Handlers::groups(GroupsContext context) {
  const std::string json = co_await groupsJson(core_);
  context.getResults().setJson(json);
}

Task<void> Handlers::users(UsersContext context) {
  const std::string json = co_await usersJson(core_);
  context.getResults().setJson(json);
}

Task<void> Handlers::assignUser(AssignUserContext context) {
  auto p = context.getParams();
  const std::string user = schema::toString(p.getUser());
  const std::string group = schema::toString(p.getGroup());
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [user, group, occasion](SqlTx& tx) { return ops::assignUser(tx, user, group, occasion); };
  co_await mutate(occasion.request, ops::RequestOp::assignUser, std::move(op));
}

Task<void> Handlers::setGroup(SetGroupContext context) {
  auto p = context.getParams();
  const std::string group = schema::toString(p.getGroup());
  const std::uint32_t copies = p.getCopies();
  const ops::Occasion occasion = core_->occasion(toRequest(p.getRequest()));
  auto op = [group, copies, occasion](SqlTx& tx) { return ops::setGroup(tx, group, copies, occasion); };
  co_await mutate(occasion.request, ops::RequestOp::setGroup, std::move(op));
}

}  // namespace vcfs::tracker
