// The real vcfs-idserver under SIGKILL: leases taken over the wire before and after each kill never overlap.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "common/base/daemon.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "schema/convert.h"
#include "schema/idserver.capnp.h"

namespace vcfs::idserver {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class DaemonProcess {
 public:
  DaemonProcess(const std::string& binary, const std::string& data, const std::string& address,
                const std::string& ready) {
    fs::remove(ready);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(binary.c_str(), binary.c_str(), "--listen", address.c_str(), "--data", data.c_str(), "--block", "50",
              "--log-level", "error", "--ready-file", ready.c_str(), nullptr);
      ::_exit(127);
    }
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!fs::exists(ready) && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(fs::exists(ready)) << "the daemon did not become ready";
  }
  ~DaemonProcess() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

struct Rounds {
  Runtime& runtime;
  std::string binary, folder, address;
  std::mt19937_64 random{3};
  std::uint64_t highest = 1023;
  int leases = 0;

  Task<void> run() {
    for (int round = 0; round < 12; ++round) {
      auto daemon = std::make_unique<DaemonProcess>(binary, folder + "/data", address, folder + "/ready");
      std::shared_ptr<rpc::Connection> connection = co_await rpc::Connection::connect(runtime, address, 5s);
      auto client = connection->bootstrap<schema::IdServer>();
      int most = 1 + static_cast<int>(random() % 20);
      for (int i = 0; i < most; ++i) co_await lease(client);
      // One more in flight when the process dies: its answer may come or not.
      auto request = client.leaseRequest();
      request.setCount(40);
      auto promise = request.send();
      daemon->kill();
      try {
        auto response = co_await rpc::call(runtime, kj::mv(promise), 5s);
        note(response.getFirst(), response.getCount());
      } catch (const Error&) {
      }
      connection->close("test");
    }
  }

  Task<void> lease(schema::IdServer::Client& client) {
    auto request = client.leaseRequest();
    request.setCount(1 + static_cast<std::uint32_t>(random() % 30));
    auto response = co_await rpc::call(runtime, request.send(), 5s);
    schema::check(response.getStatus());
    note(response.getFirst(), response.getCount());
  }

  void note(std::uint64_t first, std::uint32_t count) {
    if (count == 0) return;
    EXPECT_GT(first, highest) << "an id came twice";
    highest = first + count - 1;
    ++leases;
  }
};

TEST(DaemonKill, ids_of_the_real_process_never_repeat_after_sigkill) {
  std::string pattern = (fs::temp_directory_path() / "vcfs-idd-XXXXXX").string();
  std::string folder = mkdtemp(pattern.data());
  Daemon daemon;
  std::string binary = (fs::read_symlink("/proc/self/exe").parent_path() / "vcfs-idserver").string();
  std::string address = "127.0.0.1:" + std::to_string(22000 + ::getpid() % 8000);
  Rounds rounds{daemon.runtime(), binary, folder, address};
  auto start = [&rounds]() -> Task<void> {
    co_await rounds.run();
    ::raise(SIGTERM);
  };
  auto stop = []() -> Task<void> { co_return; };
  EXPECT_EQ(daemon.run(start, stop), 0);
  EXPECT_GT(rounds.leases, 12);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace vcfs::idserver
