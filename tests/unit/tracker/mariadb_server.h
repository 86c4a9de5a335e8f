#pragma once

#include <sys/types.h>

#include <string>

namespace vcfs::tracker::test {

// A mariadbd of this test program's own: data in a temporary directory, a socket there and no port. Started when the
// first test asks for it, stopped when the program ends.
class MariadbServer {
 public:
  // False: this machine has none, the test is to be skipped. With CI=true it throws then, which fails the test.
  static bool available();
  static MariadbServer& instance();
  ~MariadbServer();
  std::string newDatabase();  // as a URL for openCatalog

 private:
  MariadbServer();
  std::string directory_;
  pid_t pid_ = 0;
  int databases_ = 0;
};

}  // namespace vcfs::tracker::test
