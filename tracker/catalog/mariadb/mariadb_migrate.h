#pragma once

#include <mysql.h>

namespace vcfs::tracker {

// Brings the schema up to date; trackers that start at once take turns (GET_LOCK). Blocks: for pool threads. A step
// that was interrupted is finished: what it had made already is left as it is. Throws Error.
void migrateMariadb(MYSQL* mysql);

// Whether the server makes each commit stable by itself (innodb_flush_log_at_trx_commit = 1).
bool commitsAreStable(MYSQL* mysql);

}  // namespace vcfs::tracker
