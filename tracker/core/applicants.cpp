#include "tracker/core/applicants.h"

namespace vcfs::tracker {

namespace {
constexpr Duration kRemembered = std::chrono::seconds(10);
constexpr std::size_t kMost = 1000;  // names are chosen by who asks
}  // namespace

const Applicants::Applicant* Applicants::find(const std::string& name, TimePoint now) const {
  const auto found = all_.find(name);
  return found == all_.end() || now - found->second.heard > kRemembered ? nullptr : &found->second;
}

void Applicants::put(const std::string& name, Applicant applicant) {
  const TimePoint now = applicant.heard;
  if (all_.size() >= kMost) {
    std::erase_if(all_, [&](const auto& item) { return now - item.second.heard > kRemembered; });
  }
  if (all_.size() < kMost || all_.contains(name)) all_[name] = std::move(applicant);
}

bool Applicants::refused(const std::string& name, std::uint64_t instance, const std::string& reason, TimePoint now) {
  const Applicant* before = find(name, now);
  const bool news = before == nullptr || before->instance != instance || before->reason != reason;
  put(name, Applicant{instance, reason, now});
  return news;
}

void Applicants::admitted(const std::string& name, std::uint64_t instance, TimePoint now) {
  put(name, Applicant{instance, {}, now});
}

std::optional<std::string> Applicants::refusal(const std::string& name, TimePoint now) const {
  const Applicant* applicant = find(name, now);
  if (applicant == nullptr || applicant->reason.empty()) return std::nullopt;
  return applicant->reason;
}

bool Applicants::expectsAnother(const std::string& name, std::uint64_t instance, TimePoint now) const {
  const Applicant* applicant = find(name, now);
  return applicant != nullptr && applicant->reason.empty() && applicant->instance != instance;
}

}  // namespace vcfs::tracker
