#include "schema/convert.h"

namespace vcfs {

const Replica* Layout::primary() const {
  for (const Replica& replica : replicas) {
    if (replica.state == ReplicaState::inSync) return &replica;
  }
  return nullptr;
}

}  // namespace vcfs

namespace vcfs::schema {

static_assert(static_cast<int>(Errc::notFound) == static_cast<int>(ErrorCode::NOT_FOUND));
static_assert(static_cast<int>(Errc::deadlock) == static_cast<int>(ErrorCode::DEADLOCK));
static_assert(static_cast<int>(Errc::noSpace) == static_cast<int>(ErrorCode::NO_SPACE));
static_assert(static_cast<int>(Errc::staleEpoch) == static_cast<int>(ErrorCode::STALE_EPOCH));
static_assert(static_cast<int>(Errc::needLayout) == static_cast<int>(ErrorCode::NEED_LAYOUT));
static_assert(static_cast<int>(Errc::unavailable) == static_cast<int>(ErrorCode::UNAVAILABLE));
static_assert(static_cast<int>(Errc::io) == static_cast<int>(ErrorCode::IO));
static_assert(static_cast<int>(Errc::cancelled) == static_cast<int>(ErrorCode::CANCELLED));

namespace {

// A value outside the enumeration comes from a newer or hostile peer.
template <class Enum>
Enum bounded(std::uint16_t value, Enum last, Enum otherwise) {
  return value <= static_cast<std::uint16_t>(last) ? static_cast<Enum>(value) : otherwise;
}

}  // namespace

void check(Status::Reader status) {
  const auto code = bounded(static_cast<std::uint16_t>(status.getCode()), Errc::cancelled, Errc::internal);
  if (code != Errc::ok) throw Error(code, toString(status.getDetail()));
}

bool has(Status::Reader status, Errc code) {
  return static_cast<std::uint16_t>(status.getCode()) == static_cast<std::uint16_t>(code);
}

void fill(Status::Builder status, const Error& error) {
  status.setCode(static_cast<ErrorCode>(error.code()));
  if (!error.detail().empty()) status.setDetail(error.detail());
}

void fill(Status::Builder status, const Error& error, const vcfs::Layout& layout) {
  fill(status, error);
  fill(status.initLayout(), layout);
}

vcfs::Attr toAttr(Attr::Reader reader) {
  vcfs::Attr attr;
  attr.inode = reader.getInode();
  attr.type = bounded(static_cast<std::uint16_t>(reader.getType()), vcfs::FileType::charDevice, vcfs::FileType::none);
  attr.mode = reader.getMode();
  attr.nlink = reader.getNlink();
  attr.uid = reader.getUid();
  attr.gid = reader.getGid();
  attr.size = reader.getSize();
  attr.blocks = reader.getBlocks();
  attr.atimeNs = reader.getAtimeNs();
  attr.mtimeNs = reader.getMtimeNs();
  attr.ctimeNs = reader.getCtimeNs();
  attr.rdev = reader.getRdev();
  attr.state = bounded(static_cast<std::uint16_t>(reader.getState()), vcfs::FileState::lost, vcfs::FileState::none);
  attr.epoch = reader.getEpoch();
  attr.changeId = reader.getChangeId();
  attr.acl = reader.getAcl();
  return attr;
}

void fill(Attr::Builder builder, const vcfs::Attr& attr) {
  builder.setInode(attr.inode);
  builder.setType(static_cast<FileType>(attr.type));
  builder.setMode(attr.mode);
  builder.setNlink(attr.nlink);
  builder.setUid(attr.uid);
  builder.setGid(attr.gid);
  builder.setSize(attr.size);
  builder.setBlocks(attr.blocks);
  builder.setAtimeNs(attr.atimeNs);
  builder.setMtimeNs(attr.mtimeNs);
  builder.setCtimeNs(attr.ctimeNs);
  builder.setRdev(attr.rdev);
  builder.setState(static_cast<FileState>(attr.state));
  builder.setEpoch(attr.epoch);
  builder.setChangeId(attr.changeId);
  builder.setAcl(attr.acl);
}

vcfs::Layout toLayout(Layout::Reader reader) {
  vcfs::Layout layout;
  layout.inode = reader.getInode();
  layout.epoch = reader.getEpoch();
  auto replicas = reader.getReplicas();
  layout.replicas.reserve(replicas.size());
  for (auto r : replicas) {
    vcfs::Replica replica;
    replica.storage = r.getStorage();
    replica.state =
        bounded(static_cast<std::uint16_t>(r.getState()), vcfs::ReplicaState::stale, vcfs::ReplicaState::stale);
    replica.address = toString(r.getAddress());
    layout.replicas.push_back(std::move(replica));
  }
  layout.user = toString(reader.getUser());
  layout.name = toString(reader.getName());
  return layout;
}

void fill(Layout::Builder builder, const vcfs::Layout& layout) {
  builder.setInode(layout.inode);
  builder.setEpoch(layout.epoch);
  auto replicas = builder.initReplicas(static_cast<unsigned>(layout.replicas.size()));
  for (unsigned i = 0; i < replicas.size(); ++i) {
    replicas[i].setStorage(layout.replicas[i].storage);
    replicas[i].setState(static_cast<ReplicaState>(layout.replicas[i].state));
    replicas[i].setAddress(layout.replicas[i].address);
  }
  builder.setUser(layout.user);
  builder.setName(toData(layout.name));
}

vcfs::Entry toEntry(Entry::Reader reader) {
  vcfs::Entry entry;
  entry.attr = toAttr(reader.getAttr());
  if (reader.hasLayout()) entry.layout = toLayout(reader.getLayout());
  return entry;
}

void fill(Entry::Builder builder, const vcfs::Entry& entry) {
  fill(builder.initAttr(), entry.attr);
  if (entry.layout.inode != 0) fill(builder.initLayout(), entry.layout);
}

vcfs::FileLock toLock(FileLock::Reader reader) {
  vcfs::FileLock lock;
  lock.kind = bounded(static_cast<std::uint16_t>(reader.getKind()), vcfs::LockKind::range, vcfs::LockKind::flock);
  lock.type = bounded(static_cast<std::uint16_t>(reader.getType()), vcfs::LockType::exclusive, vcfs::LockType::none);
  lock.start = reader.getStart();
  lock.end = reader.getEnd();
  lock.client = reader.getClient();
  lock.owner = reader.getOwner();
  lock.pid = reader.getPid();
  return lock;
}

void fill(FileLock::Builder builder, const vcfs::FileLock& lock) {
  builder.setKind(static_cast<LockKind>(lock.kind));
  builder.setType(static_cast<LockType>(lock.type));
  builder.setStart(lock.start);
  builder.setEnd(lock.end);
  builder.setClient(lock.client);
  builder.setOwner(lock.owner);
  builder.setPid(lock.pid);
}

vcfs::Change toChange(Change::Reader reader) {
  vcfs::Change change;
  change.inode = reader.getInode();
  change.parent = reader.getParent();
  change.name = toString(reader.getName());
  change.unlinked = reader.getUnlinked();
  change.data = reader.getData();
  change.locks = reader.getLocks();
  change.times = reader.getTimes();
  change.layout = reader.getLayout();
  return change;
}

void fill(Change::Builder builder, const vcfs::Change& change) {
  builder.setInode(change.inode);
  builder.setParent(change.parent);
  if (!change.name.empty()) builder.setName(toData(change.name));
  builder.setUnlinked(change.unlinked);
  builder.setData(change.data);
  builder.setLocks(change.locks);
  builder.setTimes(change.times);
  builder.setLayout(change.layout);
}

std::string toString(capnp::Data::Reader data) {
  return std::string(reinterpret_cast<const char*>(data.begin()), data.size());
}

std::string toString(capnp::Text::Reader text) { return std::string(text.begin(), text.size()); }

}  // namespace vcfs::schema
