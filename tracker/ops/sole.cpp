#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kFind{"SELECT holder, term FROM leases WHERE role = 'sole'"};
constexpr Statement kRenew{"UPDATE leases SET term = term + 1 WHERE role = 'sole' AND holder = ?"};
constexpr Statement kTake{
    "UPDATE leases SET holder = ?, term = term + 1 WHERE role = 'sole' AND holder = ? AND term = ?"};
constexpr Statement kMake{"INSERT INTO leases (role, holder, candidate, term, expires) VALUES ('sole', ?, '', 1, 0)"};
constexpr Statement kRevoke{"UPDATE leases SET holder = '', term = term + 1 WHERE role = 'sole' AND holder = ?"};
constexpr Statement kForget{"DELETE FROM leases WHERE role = 'sole' AND holder = '' AND term = ?"};

}  // namespace

Task<std::optional<SoleRow>> findSole(SqlTx& tx) {
  const Rows rows = co_await tx.exec(kFind);
  if (rows.empty()) co_return std::nullopt;
  co_return SoleRow{rows.text(0, 0), rows.integer(0, 1)};
}

Task<bool> renewSole(SqlTx& tx, std::string holder) {
  const Rows updated = co_await tx.exec(kRenew, holder);
  co_return updated.changed() == 1;
}

Task<bool> takeSole(SqlTx& tx, std::string holder, std::optional<SoleRow> present) {
  if (present) {
    const Rows updated = co_await tx.exec(kTake, holder, present->holder, present->term);
    co_return updated.changed() == 1;
  }
  co_await tx.exec(kMake, holder);
  co_return true;
}

Task<bool> revokeSole(SqlTx& tx, SoleRow other) {
  const Rows updated = co_await tx.exec(kRevoke, other.holder);
  co_return updated.changed() == 1;
}

Task<bool> forgetSole(SqlTx& tx, std::int64_t term) {
  const Rows deleted = co_await tx.exec(kForget, term);
  co_return deleted.changed() == 1;
}

}  // namespace vcfs::tracker::ops
