#include "tests/unit/tracker/engines.h"

#include <cstdlib>
#include <filesystem>

#include "tests/unit/tracker/mariadb_server.h"
#include "tracker/catalog/open_catalog.h"

namespace vcfs::tracker::test {

namespace {

std::string temporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "vcfs-tracker-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory in /tmp");
  return name;
}

// Removed when the test program ends.
struct Directories {
  ~Directories() {
    for (const std::string& directory : made) std::filesystem::remove_all(directory);
  }
  std::vector<std::string> made;
};

}  // namespace

bool hasEngine(const std::string& engine) { return engine == "sqlite" || MariadbServer::available(); }

std::unique_ptr<Catalog> makeCatalog(Loop& loop, const std::string& engine) {
  static Directories directories;
  std::string url;
  if (engine == "mariadb") {
    url = MariadbServer::instance().newDatabase();
  } else {
    directories.made.push_back(temporaryDirectory());
    url = "sqlite:" + directories.made.back() + "/catalog.db";
  }
  return loop.run(openCatalog(loop.runtime, url, 4));
}

void OpsTest::SetUp() {
  if (!hasEngine(GetParam())) GTEST_SKIP() << "no mariadbd on this machine";
  loop_ = std::make_unique<Loop>();
  catalog_ = makeCatalog(*loop_, GetParam());
  const std::int64_t now = now_;
  write([now](SqlTx& tx) { return ops::bootstrap(tx, "test", "uuid", now); });
  servers();
}

void OpsTest::TearDown() {
  catalog_.reset();
  loop_.reset();
}

void OpsTest::servers(std::vector<StorageId> dead) {
  auto view = std::make_shared<PlacementView>();
  for (StorageId id = 1; id <= 3; ++id) {
    Server server;
    server.id = id;
    server.group = "g1";
    server.zone = "z" + std::to_string(id);
    server.alive = std::count(dead.begin(), dead.end(), id) == 0;
    server.capacityBytes = server.freeBytes = 1u << 30;
    view->servers.push_back(server);
  }
  view_ = view;
}

ops::Occasion OpsTest::occasion() {
  ops::Occasion o;
  o.now = now_ += 1000;
  o.freshId = nextId_++;
  o.view = view_;
  o.trash.retentionNs = 10'000'000'000;
  return o;
}

ops::Outcome OpsTest::create(InodeId parent, const std::string& name, FileType type, bool exclusive) {
  ops::CreateParams p;
  p.parent = parent;
  p.name = name;
  p.type = type;
  p.mode = 0644;
  p.uid = 1000;
  p.gid = 1000;
  p.exclusive = exclusive;
  if (type == FileType::symlink) p.symlinkTarget = "target";
  return write([p, o = occasion()](SqlTx& tx) { return ops::create(tx, p, o); });
}

ops::Outcome OpsTest::mkdir(InodeId parent, const std::string& name, std::uint32_t mode) {
  ops::CreateParams p;
  p.parent = parent;
  p.name = name;
  p.mode = mode;
  p.uid = 1000;
  p.gid = 1000;
  return write([p, o = occasion()](SqlTx& tx) { return ops::mkdir(tx, p, o); });
}

ops::Outcome OpsTest::unlink(InodeId parent, const std::string& name) {
  return write([parent, name, o = occasion()](SqlTx& tx) { return ops::unlink(tx, parent, name, o); });
}

ops::Outcome OpsTest::rmdir(InodeId parent, const std::string& name) {
  return write([parent, name, o = occasion()](SqlTx& tx) { return ops::rmdir(tx, parent, name, o); });
}

ops::Outcome OpsTest::rename(InodeId parent, const std::string& name, InodeId newParent, const std::string& newName,
                             std::uint32_t flags) {
  ops::RenameParams p;
  p.parent = parent;
  p.name = name;
  p.newParent = newParent;
  p.newName = newName;
  p.flags = flags;
  return write([p, o = occasion()](SqlTx& tx) { return ops::rename(tx, p, o); });
}

ops::Outcome OpsTest::link(InodeId inode, InodeId parent, const std::string& name) {
  return write([inode, parent, name, o = occasion()](SqlTx& tx) { return ops::link(tx, inode, parent, name, o); });
}

Attr OpsTest::attr(InodeId inode) {
  return read([inode](SqlTx& tx) { return ops::getAttr(tx, inode); }).attr;
}

std::optional<Entry> OpsTest::lookup(InodeId parent, const std::string& name) {
  return read([parent, name](SqlTx& tx) { return ops::lookup(tx, parent, name); });
}

std::vector<std::string> OpsTest::names(InodeId directory) {
  const DirPage page = read([directory](SqlTx& tx) { return ops::readDir(tx, directory, 0, 4096, false); });
  std::vector<std::string> names;
  for (const DirEntry& entry : page.entries) names.push_back(entry.name);
  return names;
}

}  // namespace vcfs::tracker::test
