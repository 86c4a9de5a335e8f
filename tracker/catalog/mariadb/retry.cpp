#include "tracker/catalog/mariadb/retry.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>

#include <algorithm>

namespace vcfs::tracker {

Cure cureOf(unsigned number) {
  switch (number) {
    case ER_LOCK_DEADLOCK:  // also Galera's failed certification
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_CHECKREAD:  // the row was changed since this transaction's snapshot
    case ER_ERROR_DURING_COMMIT:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT:
    case ER_NEED_REPREPARE:  // another tracker has changed the schema
    case ER_TABLE_DEF_CHANGED:
      return Cure::repeat;
    case ER_UNKNOWN_COM_ERROR:          // 1047: WSREP has not yet prepared the node for application use
    case ER_OPTION_PREVENTS_STATEMENT:  // 1290: this server is read-only
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_UNKNOWN_HOST:
    case CR_MALFORMED_PACKET:
      return Cure::reconnect;
    default:
      return Cure::none;
  }
}

std::optional<Duration> Patience::pause(TimePoint now) {
  if (now + next_ >= deadline_) return std::nullopt;
  const Duration pause = next_;
  next_ = std::min(next_ * 2, kLongest);
  return pause;
}

std::optional<std::size_t> ServerChoice::next(TimePoint now) const {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::size_t server = (preferred_ + i) % servers_.size();
    if (now >= servers_[server].notBefore) return server;
  }
  return std::nullopt;
}

void ServerChoice::worked(std::size_t server) {
  servers_[server] = Server();
  preferred_ = server;
}

void ServerChoice::failed(std::size_t server, TimePoint now) {
  Server& failed = servers_[server];
  // Every connection to a dead server says so once.
  if (now < failed.notBefore) return;
  failed.rest = failed.rest == Duration::zero() ? kFirstRest : std::min(failed.rest * 2, kLongestRest);
  failed.notBefore = now + failed.rest;
  if (preferred_ == server) preferred_ = (preferred_ + 1) % servers_.size();
}

}  // namespace vcfs::tracker
