// How much RPC costs on this machine: null calls at several depths, and bulk writes of several sizes, between two
// processes over loopback. Prints one line per case; figures of one run are comparable with each other only.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "common/rpc/bulk.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/tcp_transport.h"
#include "schema/storage.capnp.h"

using namespace vcfs;
using namespace std::chrono_literals;
using schema::Storage;

namespace {

class Sink final : public Storage::Server {
 public:
  explicit Sink(Runtime& runtime) : runtime_(runtime) {}
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> write(WriteContext context) override { return rpc::serve(runtime_, doWrite(context)); }

 private:
  Task<void> doWrite(WriteContext context) {
    context.getResults().setOffset(context.getParams().getData().size());
    co_return;
  }
  Runtime& runtime_;
};

struct Process {
  asio::io_context io{1};
  rpc::KjLoop kj{io};
  SystemClock clock{io};
  TcpTransport transport{io, clock};
  Runtime runtime{io, clock, transport, std::mt19937_64(1)};
};

double cpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

void serveForever(int readyPipe) {
  Process process;
  rpc::Server server(process.runtime, "127.0.0.1:0",
                     [&](std::shared_ptr<rpc::Connection>) { return kj::heap<Sink>(process.runtime); });
  const std::string address = server.address();
  if (write(readyPipe, address.c_str(), address.size() + 1) < 0) _exit(1);
  process.io.run_for(120s);
  _exit(0);
}

struct Case {
  Runtime& runtime;
  std::shared_ptr<rpc::Connection> connection;
  std::size_t size = 0;  // 0: null calls
  long left = 0;
  int running = 0;
  std::shared_ptr<rpc::Buffer> buffer;

  Task<void> one() {
    auto storage = connection->bootstrap<Storage>();
    while (left-- > 0) {
      if (size == 0) {
        co_await rpc::call(runtime, storage.pingRequest().send(), 10s);
        continue;
      }
      auto request = storage.writeRequest(capnp::MessageSize{32, 0});
      connection->link().hold(buffer->data(), buffer);
      request.adoptData(rpc::reference(Storage::WriteParams::Builder(request), buffer->data(), size));
      co_await rpc::call(runtime, request.send(), 10s);
    }
    --running;
  }
};

Task<void> measure(Process& process, std::string address) {
  auto connection = co_await rpc::Connection::connect(process.runtime, address, 5s);
  for (const auto& [size, depth, calls] : std::vector<std::tuple<std::size_t, int, long>>{{0, 1, 20'000},
                                                                                          {0, 16, 200'000},
                                                                                          {0, 64, 200'000},
                                                                                          {4096, 16, 100'000},
                                                                                          {32768, 16, 60'000},
                                                                                          {131072, 8, 16'000},
                                                                                          {524288, 4, 6'000},
                                                                                          {1048576, 4, 4'000},
                                                                                          {1048576, 8, 4'000}}) {
    Case c{process.runtime, connection, size, calls, depth, rpc::Buffer::allocate(std::max<std::size_t>(size, 4096))};
    std::memset(c.buffer->data(), 1, c.buffer->capacity());
    const auto start = std::chrono::steady_clock::now();
    const double cpu = cpuSeconds();
    for (int i = 0; i < depth; ++i) process.runtime.spawn("one", c.one());
    while (c.running > 0) co_await process.clock.sleep(1ms);
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("size %7zu depth %2d: %8.0f calls/s %7.0f MiB/s, client %.1f us CPU/call\n", size, depth, calls / s,
                calls / s * size / 1048576, (cpuSeconds() - cpu) / calls * 1e6);
    std::fflush(stdout);
  }
  process.io.stop();
}

}  // namespace

int main() {
  int ready[2];
  if (pipe(ready) != 0) return 1;
  const pid_t server = fork();
  if (server == 0) serveForever(ready[1]);
  char address[64] = {};
  if (read(ready[0], address, sizeof(address) - 1) <= 0) return 1;
  {
    Process process;
    process.runtime.spawn("measure", measure(process, address));
    process.io.run();
  }
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
}
