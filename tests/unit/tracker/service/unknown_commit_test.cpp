// The connection to the database ends around a COMMIT, so that nobody knows whether it was carried out. Whoever repeats
// the request, the catalog by itself or also the client at another tracker, finds it done exactly once.
#include <gtest/gtest.h>

#include "tests/unit/tracker/mariadb_server.h"
#include "tests/unit/tracker/relay.h"
#include "tests/unit/tracker/service/client.h"
#include "tracker/catalog/open_catalog.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

constexpr ClientId kClient = 7;
constexpr Statement kInodes{"SELECT COUNT(*) FROM inodes"};
constexpr Statement kTrash{"SELECT COUNT(*) FROM trash"};

Task<std::int64_t> askNumber(SqlTx& tx, Statement statement) {
  const Rows rows = co_await tx.exec(statement);
  co_return rows.integer(0, 0);
}

enum class Repeater { catalog, client };
using Case = std::tuple<Loss, Repeater>;

std::string nameOfCase(const ::testing::TestParamInfo<Case>& info) {
  static constexpr const char* kLosses[] = {"commit_lost", "commit_late", "answer_lost"};
  const std::string who = std::get<Repeater>(info.param) == Repeater::catalog ? "catalog" : "client_too";
  return std::string(kLosses[static_cast<int>(std::get<Loss>(info.param))]) + "_repeated_by_" + who;
}

// A tracker on a host of its own, two storage servers that know it, and a client.
class Tracker {
 public:
  Tracker(Loop& loop, const std::string& host, const std::string& url)
      : transport_(loop.network, host),
        runtime_{loop.io, loop.clock, transport_, std::mt19937_64(1)},
        catalog_(loop.run(openCatalog(runtime_, url, 4))) {
    TrackerOptions options;
    options.listen = host + ":1";
    options.trackers = {"first:1", "second:1"};
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(runtime_, *catalog_, options);
    loop.run(service_->start());
    for (ClientId id : {11, 12}) {
      const std::string name = "s" + std::to_string(id);
      storages_.push_back(std::make_unique<Client>(loop, name + host, "storage", id, options.listen));
      storages_.back()->registerStorage(name);
    }
    client_ = std::make_unique<Client>(loop, "client-" + host, "mount", kClient, options.listen);
  }

  void stop() {
    client_.reset();
    storages_.clear();
    service_.reset();
  }

  Client& client() { return *client_; }
  Catalog& catalog() { return *catalog_; }

 private:
  MemoryTransport transport_;
  Runtime runtime_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::vector<std::unique_ptr<Client>> storages_;
  std::unique_ptr<Client> client_;
};

}  // namespace

// Two trackers, of which the first reaches the database through the relay.
class UnknownCommitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MariadbServer::available()) GTEST_SKIP() << "no mariadbd on this machine";
    const std::string url = MariadbServer::instance().newDatabase();
    relay_ = Relay::start(loop_.io, url);
    first_ = std::make_unique<Tracker>(loop_, "first", relay_->url());
    second_ = std::make_unique<Tracker>(loop_, "second", url);
  }
  void TearDown() override {
    if (!first_ || !second_) return;  // skipped
    // Connections and coroutines that end look at the clock and let go of the catalogs.
    first_->stop();
    second_->stop();
    turn(100ms);
    first_.reset();
    second_.reset();
  }

  void turn(Duration limit) {
    const auto end = loop_.clock.now() + limit;
    while (loop_.clock.now() < end) {
      loop_.io.restart();
      loop_.io.run_one_for(5ms);
    }
  }
  template <class Request>
  Request stamped(Request request, std::uint64_t sequence) {
    request.getRequest().setClient(kClient);
    request.getRequest().setSequence(sequence);
    return request;
  }
  auto createRequest(Client& client, InodeId parent, const std::string& name) {
    auto request = client.tracker().createRequest();
    request.setParent(parent);
    request.setName(schema::toData(name));
    request.setExclusive(true);
    request.setType(schema::FileType::REGULAR);
    return request;
  }
  std::optional<Entry> lookup(InodeId parent, const std::string& name) {
    auto op = [parent, name](SqlTx& tx) { return ops::lookup(tx, parent, name); };
    return loop_.run(second_->catalog().read(std::move(op)));
  }
  InodeId inodeAt(InodeId parent, const std::string& name) {
    const auto entry = lookup(parent, name);
    return entry ? entry->attr.inode : 0;
  }
  std::uint32_t links(InodeId inode) {
    auto op = [inode](SqlTx& tx) { return ops::getAttr(tx, inode); };
    return loop_.run(second_->catalog().read(std::move(op))).attr.nlink;
  }
  std::int64_t count(Statement statement) {
    auto op = [statement](SqlTx& tx) { return askNumber(tx, statement); };
    return loop_.run(second_->catalog().read(std::move(op)));
  }

  Loop loop_;
  std::shared_ptr<Relay> relay_;
  std::unique_ptr<Tracker> first_;
  std::unique_ptr<Tracker> second_;
};

class EachUnknownCommit : public UnknownCommitTest, public ::testing::WithParamInterface<Case> {
 protected:
  // Sends what `make` makes to the first tracker, whose COMMIT is lost. A client that repeats does not wait for that
  // tracker's answer and asks the second one.
  template <class Make>
  auto change(Make make) {
    const std::uint64_t sequence = ++sequence_;
    const std::size_t lost = relay_->lost().size() + 1;
    relay_->loseCommit(std::get<Loss>(GetParam()));
    Client& client = first_->client();
    auto sent = rpc::call(client.runtime(), stamped(make(client), sequence).send(), 5s);
    if (std::get<Repeater>(GetParam()) == Repeater::catalog) {
      auto answer = loop_.run(std::move(sent));
      schema::check(answer.getStatus());
      EXPECT_EQ(relay_->lost().size(), lost);
      return answer;
    }
    auto answer = repeatElsewhere(make, sequence, lost);
    schema::check(loop_.run(std::move(sent)).getStatus());
    return answer;
  }
  template <class Make>
  auto repeatElsewhere(Make make, std::uint64_t sequence, std::size_t lost) {
    const auto deadline = loop_.clock.now() + 5s;
    while (relay_->lost().size() < lost && loop_.clock.now() < deadline) turn(1ms);
    EXPECT_EQ(relay_->lost().size(), lost);
    Client& client = second_->client();
    return client.call(stamped(make(client), sequence));
  }

  InodeId create(InodeId parent, const std::string& name) {
    const auto answer = change([&](Client& client) { return createRequest(client, parent, name); });
    const Entry made = schema::toEntry(answer.getEntry());
    EXPECT_TRUE(answer.getCreated());
    EXPECT_EQ(made.layout.replicas.size(), 2u);
    EXPECT_EQ(inodeAt(parent, name), made.attr.inode);
    return made.attr.inode;
  }
  InodeId mkdir(InodeId parent, const std::string& name) {
    const auto answer = change([&](Client& client) {
      auto request = client.tracker().mkdirRequest();
      request.setParent(parent);
      request.setName(schema::toData(name));
      return request;
    });
    const InodeId made = schema::toEntry(answer.getEntry()).attr.inode;
    EXPECT_EQ(inodeAt(parent, name), made);
    return made;
  }
  void link(InodeId inode, InodeId parent, const std::string& name) {
    const auto answer = change([&](Client& client) {
      auto request = client.tracker().linkRequest();
      request.setInode(inode);
      request.setNewParent(parent);
      request.setNewName(schema::toData(name));
      return request;
    });
    EXPECT_EQ(schema::toEntry(answer.getEntry()).attr.inode, inode);
    EXPECT_EQ(inodeAt(parent, name), inode);
  }
  // Returns what the new name stood for.
  Entry rename(InodeId parent, const std::string& name, InodeId newParent, const std::string& newName,
               std::uint32_t flags = 0) {
    const InodeId moved = inodeAt(parent, name);
    const auto answer = change([&](Client& client) {
      auto request = client.tracker().renameRequest();
      request.setParent(parent);
      request.setName(schema::toData(name));
      request.setNewParent(newParent);
      request.setNewName(schema::toData(newName));
      request.setFlags(flags);
      return request;
    });
    EXPECT_EQ(schema::toEntry(answer.getEntry()).attr.inode, moved);
    EXPECT_EQ(inodeAt(newParent, newName), moved);
    return answer.hasReplaced() ? schema::toEntry(answer.getReplaced()) : Entry();
  }
  Attr unlink(InodeId parent, const std::string& name) {
    const auto answer = change([&](Client& client) {
      auto request = client.tracker().unlinkRequest();
      request.setParent(parent);
      request.setName(schema::toData(name));
      return request;
    });
    EXPECT_FALSE(lookup(parent, name));
    return schema::toEntry(answer.getEntry()).attr;
  }
  void rmdir(InodeId parent, const std::string& name) {
    change([&](Client& client) {
      auto request = client.tracker().rmdirRequest();
      request.setParent(parent);
      request.setName(schema::toData(name));
      return request;
    });
    EXPECT_FALSE(lookup(parent, name));
  }
  void addXattr(InodeId inode, const std::string& name) {
    change([&](Client& client) {
      auto request = client.tracker().setXattrRequest();
      request.setInode(inode);
      request.setName(schema::toData(name));
      request.setFlags(1);  // XATTR_CREATE
      return request;
    });
  }
  void removeXattr(InodeId inode, const std::string& name) {
    change([&](Client& client) {
      auto request = client.tracker().removeXattrRequest();
      request.setInode(inode);
      request.setName(schema::toData(name));
      return request;
    });
  }

  std::uint64_t sequence_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Cases, EachUnknownCommit,
                         ::testing::Combine(::testing::Values(Loss::commit, Loss::late, Loss::answer),
                                            ::testing::Values(Repeater::catalog, Repeater::client)),
                         nameOfCase);

TEST_P(EachUnknownCommit, is_done_once_and_answered_as_done) {
  const InodeId file = create(kRootInode, "file");
  const InodeId directory = mkdir(kRootInode, "directory");
  EXPECT_EQ(links(kRootInode), 3u);
  link(file, directory, "linked");
  EXPECT_EQ(links(file), 2u);
  rename(kRootInode, "file", directory, "file");
  EXPECT_FALSE(lookup(kRootInode, "file"));

  const InodeId other = create(kRootInode, "other");
  EXPECT_EQ(rename(kRootInode, "other", directory, "linked").attr.inode, file);
  EXPECT_EQ(links(file), 1u);
  rename(directory, "file", directory, "linked", ops::kRenameExchange);
  EXPECT_EQ(inodeAt(directory, "file"), other);
  addXattr(file, "user.a");
  removeXattr(file, "user.a");

  EXPECT_EQ(unlink(directory, "file").nlink, 0u);
  EXPECT_EQ(unlink(directory, "linked").inode, file);
  rmdir(kRootInode, "directory");
  EXPECT_EQ(links(kRootInode), 2u);
  EXPECT_EQ(count(kTrash), 3);
  EXPECT_EQ(count(kInodes), 4);  // the root, and those
}

TEST_F(UnknownCommitTest, of_many_requests_answers_each_for_itself) {
  static constexpr int kRequests = 20;
  first_->client().create("taken");
  Client& client = first_->client();
  relay_->loseCommit(Loss::answer, "x'66696c653130'");  // file10, which the others of its transaction come with
  std::vector<Task<capnp::Response<schema::Tracker::CreateResults>>> sent;
  for (std::uint64_t i = 0; i < kRequests; ++i) {
    const std::string name = i % 5 == 4 ? "taken" : "file" + std::to_string(i);
    sent.push_back(rpc::call(client.runtime(), stamped(createRequest(client, kRootInode, name), 100 + i).send(), 5s));
  }
  for (int i = 0; i < kRequests; ++i) {
    const auto answer = loop_.run(std::move(sent[static_cast<std::size_t>(i)]));
    if (i % 5 == 4) {
      EXPECT_TRUE(schema::has(answer.getStatus(), Errc::exists));
      continue;
    }
    schema::check(answer.getStatus());
    EXPECT_TRUE(answer.getCreated());
    EXPECT_EQ(inodeAt(kRootInode, "file" + std::to_string(i)), answer.getEntry().getAttr().getInode());
  }
  ASSERT_EQ(relay_->lost().size(), 1u);
  const std::string& lost = relay_->lost().front();
  EXPECT_NE(lost.find("INSERT INTO requests"), lost.rfind("INSERT INTO requests"))
      << "a transaction of one request: " << lost;
  EXPECT_EQ(count(kInodes), 2 + kRequests - kRequests / 5);
}

}  // namespace vcfs::tracker::test
