#include "tests/unit/tracker/mariadb_server.h"

#include <fcntl.h>
#include <mysql.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <vector>

namespace vcfs::tracker::test {

namespace {

constexpr const char* kServer = "/usr/sbin/mariadbd";
constexpr const char* kInstall = "/usr/bin/mariadb-install-db";

pid_t launch(const std::vector<std::string>& arguments, const std::string& log) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // with the test program, also when that crashes
  const int out = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  ::dup2(out, 1);
  ::dup2(out, 2);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

// In memory where there is a filesystem there: making a database syncs some twenty files.
std::filesystem::path placeForData() {
  constexpr const char* kMemory = "/dev/shm";
  return ::access(kMemory, W_OK) == 0 ? std::filesystem::path(kMemory) : std::filesystem::temp_directory_path();
}

bool answers(const std::string& socket) {
  MYSQL* mysql = mysql_init(nullptr);
  const bool ok = mysql_real_connect(mysql, nullptr, "root", nullptr, nullptr, 0, socket.c_str(), 0) != nullptr;
  mysql_close(mysql);
  return ok;
}

}  // namespace

bool MariadbServer::available() {
  for (const char* program : {kServer, kInstall}) {
    if (::access(program, X_OK) == 0) continue;
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string(ci) == "true")
      throw std::runtime_error(std::string("there is no ") + program + ", which CI=true does not forgive");
    return false;
  }
  return true;
}

MariadbServer& MariadbServer::instance() {
  static MariadbServer server;
  return server;
}

MariadbServer::MariadbServer() {
  std::string name = (placeForData() / "vcfs-mariadb-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make the directory " + name);
  directory_ = name;
  const std::string log = directory_ + "/log";
  const std::string data = "--datadir=" + directory_ + "/data";
  // A server that starts removes temporary tables from its temporary directory, whosever they are.
  const std::string temporary = "--tmpdir=" + directory_;
  // Run as root the server refuses to start without being told so.
  std::vector<std::string> install{
      kInstall, "--no-defaults", data, temporary, "--auth-root-authentication-method=normal", "--skip-test-db"};
  if (::geteuid() == 0) install.push_back("--user=root");
  int status = 0;
  ::waitpid(launch(install, log), &status, 0);
  if (status != 0) throw std::runtime_error("mariadb-install-db failed; see " + log);
  std::vector<std::string> serve{kServer,
                                 "--no-defaults",
                                 data,
                                 temporary,
                                 "--skip-networking",
                                 "--socket=" + directory_ + "/socket",
                                 "--innodb-flush-log-at-trx-commit=2",
                                 "--innodb-buffer-pool-size=64M",
                                 "--pid-file=" + directory_ + "/pid"};
  if (::geteuid() == 0) serve.push_back("--user=root");
  pid_ = launch(serve, log);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!answers(directory_ + "/socket")) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("mariadbd does not start; see " + log);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

MariadbServer::~MariadbServer() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string MariadbServer::newDatabase() {
  const std::string database = "vcfs" + std::to_string(++databases_);
  const std::string socket = directory_ + "/socket";
  MYSQL* mysql = mysql_init(nullptr);
  if (mysql_real_connect(mysql, nullptr, "root", nullptr, nullptr, 0, socket.c_str(), 0) == nullptr ||
      mysql_query(mysql, ("CREATE DATABASE " + database).c_str()) != 0) {
    throw std::runtime_error(std::string("cannot make a database: ") + mysql_error(mysql));
  }
  mysql_close(mysql);
  std::string host;
  for (char c : socket) host += c == '/' ? std::string("%2F") : std::string(1, c);
  return "mariadb://root@" + host + "/" + database;
}

}  // namespace vcfs::tracker::test
