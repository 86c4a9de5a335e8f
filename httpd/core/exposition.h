#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

// Prometheus' text format 0.0.4: one `name{label="value",…} number` per line, below its # HELP and # TYPE.
namespace vcfs::httpd {

inline constexpr std::string_view kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

enum class MetricType { counter, gauge };

struct Metric {
  std::string_view name;
  MetricType type = MetricType::gauge;
  std::string_view help;  // one line, without backslashes
};

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Collects samples in any order and writes them as the format wants them: those of a metric together, in the order in
// which the metrics came first, none twice. A reader throws a whole scrape away for a repeated sample, so of two with
// the same labels the first counts. Metrics without a sample are left out.
class Exposition {
 public:
  void add(const Metric& metric, std::uint64_t value, Labels labels = {});
  std::string text() const;

 private:
  struct Family {
    Metric metric;
    std::string samples;
    std::unordered_set<std::string> labels;  // of the samples
  };
  Family& familyOf(const Metric& metric);

  std::vector<Family> families_;
};

// With what the format asks for: backslash, quote and newline are written \\, \" and \n.
std::string escapeLabel(std::string_view value);

}  // namespace vcfs::httpd
