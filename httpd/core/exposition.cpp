#include "httpd/core/exposition.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace vcfs::httpd {
namespace {

std::string labelText(Labels labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escapeLabel(value));
  }
  return out.empty() ? out : "{" + out + "}";
}

std::string_view nameOf(MetricType type) { return type == MetricType::counter ? "counter" : "gauge"; }

}  // namespace

std::string escapeLabel(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

Exposition::Family& Exposition::familyOf(const Metric& metric) {
  auto found = std::find_if(families_.begin(), families_.end(),
                            [&](const Family& family) { return family.metric.name == metric.name; });
  if (found != families_.end()) return *found;
  return families_.emplace_back(Family{metric, {}, {}});
}

void Exposition::add(const Metric& metric, std::uint64_t value, Labels labels) {
  Family& family = familyOf(metric);
  const auto [text, added] = family.labels.insert(labelText(labels));
  if (added) family.samples += fmt::format("{}{} {}\n", metric.name, *text, value);
}

std::string Exposition::text() const {
  std::string out;
  for (const Family& family : families_) {
    const Metric& metric = family.metric;
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", metric.name, metric.help, metric.name, nameOf(metric.type));
    out += family.samples;
  }
  return out;
}

}  // namespace vcfs::httpd
