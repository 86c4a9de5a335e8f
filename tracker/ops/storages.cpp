#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kFindByName{"SELECT id, draining, group_name FROM storages WHERE name = ? /*lock*/"};
constexpr Statement kNextId{
    "SELECT COALESCE(MAX(v), 0) + 1 FROM (SELECT id AS v FROM storages"
    " UNION ALL SELECT value AS v FROM counters WHERE name = 'storage') used"};
constexpr Statement kNoteHighest{
    "REPLACE INTO counters (name, value) SELECT 'storage', MAX(v) FROM (SELECT id AS v FROM"
    " storages UNION ALL SELECT value AS v FROM counters WHERE name = 'storage') used"};
constexpr Statement kDrain{"UPDATE storages SET draining = ? WHERE id = ?"};
constexpr Statement kAway{"UPDATE storages SET away_since = ? WHERE id = ?"};
constexpr Statement kForget{"DELETE FROM storages WHERE id = ?"};
constexpr Statement kForgetRemovals{"DELETE FROM removals WHERE storage = ?"};
constexpr Statement kAnyReplica{"SELECT inode FROM replicas WHERE storage = ? AND state = 0 ORDER BY inode LIMIT 1"};
constexpr Statement kAnyBehind{"SELECT inode FROM replicas WHERE storage = ? AND state > 0 ORDER BY inode LIMIT 1"};
// Of the oldest of them.
constexpr Statement kGroupInSync{
    "SELECT i.group_name FROM (SELECT inode FROM replicas WHERE storage = ? AND state = 0 ORDER BY inode LIMIT 1) r"
    " JOIN inodes i ON i.inode = r.inode"};
constexpr Statement kGroupBehind{
    "SELECT i.group_name FROM (SELECT inode FROM replicas WHERE storage = ? AND state > 0 ORDER BY inode LIMIT 1) r"
    " JOIN inodes i ON i.inode = r.inode"};
// Registering takes that back.
constexpr Statement kAwaySince{"SELECT away_since FROM storages WHERE id = ? /*lock*/"};
constexpr Statement kInsert{
    "INSERT INTO storages (id, name, group_name, zone, address, data_directory) VALUES (?, ?, ?, ?, ?, ?)"};
constexpr Statement kUpdate{
    "UPDATE storages SET group_name = ?, zone = ?, address = ?, data_directory = ?, away_since = 0 WHERE id = ?"};
constexpr Statement kList{
    "SELECT id, name, group_name, zone, address, data_directory, draining, away_since FROM storages ORDER BY id"};
constexpr Statement kFindGroup{"SELECT copies FROM storage_groups WHERE name = ?"};
constexpr Statement kPutGroup{"REPLACE INTO storage_groups (name, copies) VALUES (?, ?)"};
constexpr Statement kAddGroup{"INSERT INTO storage_groups (name, copies) VALUES (?, ?)"};
constexpr Statement kListGroups{"SELECT name, copies FROM storage_groups ORDER BY name"};
constexpr Statement kFindUser{"SELECT group_name FROM users WHERE name = ?"};
constexpr Statement kOwnGroup{"SELECT type, group_name FROM inodes WHERE inode = ?"};
constexpr Statement kUsersGroup{
    "SELECT u.group_name, g.copies FROM users u LEFT JOIN storage_groups g ON g.name = u.group_name WHERE u.name = ?"};
constexpr Statement kPutUser{"REPLACE INTO users (name, group_name) VALUES (?, ?)"};
constexpr Statement kAddUser{"INSERT INTO users (name, group_name) VALUES (?, ?)"};
constexpr Statement kListUsers{"SELECT name, group_name FROM users ORDER BY name"};
constexpr std::uint32_t kMaxCopies = 8;

// False when another tracker has been quicker: what it wrote is there and can be read.
template <class... Values>
Task<bool> addIfNew(SqlTx& tx, const Statement& insert, Values... values) {
  try {
    co_await tx.exec(insert, values...);
  } catch (const Error& error) {
    if (error.code() != Errc::exists) throw;
    co_return false;
  }
  co_return true;
}

}  // namespace

namespace {

// A new disk has nothing: what the catalog believes to be on it would be read as empty files, and older copies
// elsewhere be made equal to that. Not while the server is being emptied or removed either: it would take over its id
// in the middle of that, and the old disk could come back under it.
Task<void> refuseNewDisk(SqlTx& tx, StorageId id, const std::string& name, bool draining) {
  const Rows inSync = co_await tx.exec(kAnyReplica, id);
  const Rows behind = co_await tx.exec(kAnyBehind, id);
  const bool files = !inSync.empty() || !behind.empty();
  if (!files && !draining) co_return;
  const std::string why = files ? "the catalog has files on " + name : name + " is being emptied";
  throw Error(Errc::invalid, "the disk of " + name + " is new and empty, and " + why +
                                 ": bring its old disk back, or if that is gone for good `vcfs storage remove " + name +
                                 "`; this one is taken by itself then");
}

// A file is placed in the group that it was made in, for good: were its servers in another one, there would be no place
// for a copy that it lacks.
Task<void> refuseMove(SqlTx& tx, StorageId id, const std::string& name, const std::string& group) {
  Rows file = co_await tx.exec(kGroupInSync, id);
  if (file.empty()) file = co_await tx.exec(kGroupBehind, id);
  if (file.empty() || file.text(0, 0) == group) co_return;
  const std::string theirs = file.text(0, 0);
  throw Error(Errc::invalid, name + " has files of group " + theirs + " and was started with group " + group +
                                 ": give it --group " + theirs + ", or empty it with that first (`vcfs storage drain " +
                                 name + " --wait`)");
}

void refuseOther(const std::string& name, StorageId id, StorageId previous) {
  if (previous == 0 || previous == id) return;
  const std::string now = id == 0 ? "is not in the catalog (it was removed)" : "is storage " + std::to_string(id);
  throw Error(Errc::invalid, "the disk of " + name + " was storage " + std::to_string(previous) +
                                 " of this cluster, but " + name + " " + now +
                                 ": give the right --name, or an empty --data for a new server");
}

}  // namespace

Task<StorageId> registerStorage(SqlTx& tx, StorageRow row, std::uint32_t defaultCopies, Disk disk) {
  const Rows known = co_await tx.exec(kFindByName, row.name);
  const auto id = known.empty() ? StorageId{0} : static_cast<StorageId>(known.integer(0, 0));
  refuseOther(row.name, id, disk.previous);
  if (disk.isNew() && id != 0) co_await refuseNewDisk(tx, id, row.name, known.integer(0, 1) != 0);
  if (id != 0 && known.text(0, 2) != row.group) co_await refuseMove(tx, id, row.name, row.group);
  const Rows group = co_await tx.exec(kFindGroup, row.group);
  if (group.empty()) co_await addIfNew(tx, kAddGroup, row.group, defaultCopies);
  if (!known.empty()) {
    row.id = id;
    co_await tx.exec(kUpdate, row.group, row.zone, row.address, row.dataDirectory, row.id);
    co_return row.id;
  }
  const Rows next = co_await tx.exec(kNextId);
  row.id = static_cast<StorageId>(next.integer(0, 0));
  co_await tx.exec(kInsert, row.id, row.name, row.group, row.zone, row.address, row.dataDirectory);
  co_return row.id;
}

Task<std::vector<StorageRow>> listStorages(SqlTx& tx) {
  const Rows rows = co_await tx.exec(kList);
  std::vector<StorageRow> result;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    StorageRow row;
    row.id = static_cast<StorageId>(rows.integer(i, 0));
    row.name = rows.text(i, 1);
    row.group = rows.text(i, 2);
    row.zone = rows.text(i, 3);
    row.address = rows.text(i, 4);
    row.dataDirectory = rows.text(i, 5);
    row.draining = rows.integer(i, 6) != 0;
    row.awaySinceNs = rows.integer(i, 7);
    result.push_back(std::move(row));
  }
  co_return result;
}

Task<bool> setDraining(SqlTx& tx, StorageId storage, bool draining) {
  const Rows updated = co_await tx.exec(kDrain, draining ? 1 : 0, storage);
  co_return updated.changed() > 0;
}

Task<bool> setAwaySince(SqlTx& tx, StorageId storage, std::int64_t since) {
  const Rows updated = co_await tx.exec(kAway, since, storage);
  co_return updated.changed() > 0;
}

Task<Outcome> removeStorage(SqlTx& tx, StorageId storage, Occasion occasion) {
  const Rows away = co_await tx.exec(kAwaySince, storage);
  const Rows replica = co_await tx.exec(kAnyReplica, storage);
  const Rows behind = co_await tx.exec(kAnyBehind, storage);
  if (!replica.empty() || !behind.empty()) {
    throw Error(Errc::notEmpty, "files were placed on the server meanwhile: repeat");
  }
  if (away.empty() || away.integer(0, 0) == 0) throw Error(Errc::unavailable, "the server has just come back");
  co_await tx.exec(kNoteHighest);
  co_await tx.exec(kForgetRemovals, storage);
  co_await tx.exec(kForget, storage);
  Outcome outcome;
  recordRequest(tx, occasion.request, RequestOp::removeStorage, outcome, occasion.now);
  co_return outcome;
}

Task<std::vector<GroupRow>> listGroups(SqlTx& tx) {
  const Rows rows = co_await tx.exec(kListGroups);
  std::vector<GroupRow> result;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    result.push_back(GroupRow{rows.text(i, 0), static_cast<std::uint32_t>(rows.integer(i, 1))});
  }
  co_return result;
}

Task<std::vector<UserRow>> listUsers(SqlTx& tx) {
  const Rows rows = co_await tx.exec(kListUsers);
  std::vector<UserRow> result;
  for (std::size_t i = 0; i < rows.size(); ++i) result.push_back(UserRow{rows.text(i, 0), rows.text(i, 1)});
  co_return result;
}

Task<std::uint32_t> copiesOf(SqlTx& tx, std::string group, std::uint32_t otherwise) {
  const Rows rows = co_await tx.exec(kFindGroup, group);
  co_return rows.empty() ? otherwise : static_cast<std::uint32_t>(rows.integer(0, 0));
}

Task<GroupRow> groupForUser(SqlTx& tx, std::string user, std::shared_ptr<const PlacementView> view) {
  const Rows rows = co_await tx.exec(kUsersGroup, user);
  GroupRow group;
  if (!rows.empty()) {
    group.name = rows.text(0, 0);
    const bool known = !std::holds_alternative<std::monostate>(rows.at(0, 1));
    group.copies = known ? static_cast<std::uint32_t>(rows.integer(0, 1)) : view->defaultCopies;
  } else {
    if (!view->settling.empty()) throw Error(Errc::unavailable, "the storage servers are still reporting in");
    std::map<std::string, std::uint32_t> copies;
    const std::vector<GroupRow> groups = co_await listGroups(tx);
    for (const GroupRow& one : groups) copies[one.name] = one.copies;
    group.name = groupForNewUser(*view, copies);
    if (!anyAlive(*view, group.name)) throw Error(Errc::unavailable, "no storage server is reachable");
    // Two trackers that meet a user at once may see different free space: the first one's choice holds for both.
    const bool chosen = co_await addIfNew(tx, kAddUser, user, group.name);
    if (!chosen) {
      const Rows others = co_await tx.exec(kFindUser, user);
      if (others.empty()) throw Error(Errc::unavailable, "user " + user + " is being made by another tracker");
      group.name = others.text(0, 0);
    }
    group.copies = co_await copiesOf(tx, group.name, view->defaultCopies);
  }
  co_return group;
}

Task<std::string> groupOf(SqlTx& tx, InodeId inode) {
  const Rows own = co_await tx.exec(kOwnGroup, inode);
  const auto type = own.empty() ? FileType::none : static_cast<FileType>(own.integer(0, 0));
  if (type == FileType::regular) co_return own.text(0, 1);  // wherever its user's new files go by now
  if (type != FileType::directory) co_return std::string();
  const auto chain = co_await ancestors(tx, inode);
  if (chain.empty()) co_return std::string();
  const Rows rows = co_await tx.exec(kFindUser, chain.back().name);
  co_return rows.empty() ? std::string() : rows.text(0, 0);
}

Task<Outcome> assignUser(SqlTx& tx, std::string user, std::string group, Occasion occasion) {
  checkName(user);
  const Rows rows = co_await tx.exec(kFindGroup, group);
  if (rows.empty()) throw Error(Errc::notFound, "there is no storage group " + group + "; see `vcfs groups`");
  co_await tx.exec(kPutUser, user, group);
  Outcome outcome;
  recordRequest(tx, occasion.request, RequestOp::assignUser, outcome, occasion.now);
  co_return outcome;
}

Task<Outcome> setGroup(SqlTx& tx, std::string group, std::uint32_t copies, Occasion occasion) {
  checkLabel("group", group);
  if (copies < 1 || copies > kMaxCopies) throw Error(Errc::invalid, "a group has 1 to 8 copies");
  co_await tx.exec(kPutGroup, group, copies);
  Outcome outcome;
  recordRequest(tx, occasion.request, RequestOp::setGroup, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
