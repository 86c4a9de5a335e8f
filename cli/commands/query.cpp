#include "cli/commands/query.h"

#include "cli/command.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

struct Answer {
  std::string json;
  std::exception_ptr error;
};

Task<void> ask(Runtime& runtime, ClusterOptions options, std::shared_ptr<Answer> answer) {
  try {
    auto cluster = co_await Cluster::connect(runtime, std::move(options));
    answer->json = co_await cluster->statusJson();
    co_await cluster->shutdown();
  } catch (...) {
    answer->error = std::current_exception();
  }
}

}  // namespace

std::string queryStatus(const std::vector<std::string>& trackers, std::chrono::milliseconds limit) {
  auto answer = std::make_shared<Answer>();
  {
    ClusterOptions options;
    options.trackers = trackers;
    options.kind = "cli";
    options.stallLimit = limit;
    Loop loop;
    runToEnd(loop, ask(loop.runtime(), std::move(options), answer));
  }
  if (!answer->json.empty()) return answer->json;
  if (answer->error) std::rethrow_exception(answer->error);
  throw Error(Errc::unavailable, "no answer");
}

}  // namespace vcfs::cli
