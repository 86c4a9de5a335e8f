#include "tracker/core/applicants.h"

namespace vcfs::tracker {

namespace {
constexpr Duration kRemembered = std::chrono::seconds(10);
constexpr std::size_t kMost = 1000;  // names are chosen by who asks
}  // namespace

const Applicants::Applicant* Applicants::find(const ByName& applicants, const std::string& name, TimePoint now) {
  const auto found = applicants.find(name);
  return found == applicants.end() || now - found->second.heard > kRemembered ? nullptr : &found->second;
}

void Applicants::put(ByName& applicants, const std::string& name, Applicant applicant) {
  const TimePoint now = applicant.heard;
  if (applicants.size() >= kMost) {
    std::erase_if(applicants, [&](const auto& item) { return now - item.second.heard > kRemembered; });
  }
  if (applicants.size() < kMost || applicants.contains(name)) applicants[name] = std::move(applicant);
}

bool Applicants::refused(const std::string& name, std::uint64_t instance, const std::string& reason, TimePoint now) {
  const Applicant* before = find(refused_, name, now);
  const bool news = before == nullptr || before->instance != instance || before->reason != reason;
  put(refused_, name, Applicant{instance, reason, now});
  return news;
}

void Applicants::admitted(const std::string& name, std::uint64_t instance, TimePoint now) {
  put(admitted_, name, Applicant{instance, {}, now});
}

void Applicants::arrived(const std::string& name) {
  refused_.erase(name);
  admitted_.erase(name);
}

std::optional<std::string> Applicants::refusal(const std::string& name, TimePoint now) const {
  const Applicant* applicant = find(refused_, name, now);
  if (applicant == nullptr) return std::nullopt;
  return applicant->reason;
}

bool Applicants::expectsAnother(const std::string& name, std::uint64_t instance, TimePoint now) const {
  const Applicant* applicant = find(admitted_, name, now);
  return applicant != nullptr && applicant->instance != instance;
}

}  // namespace vcfs::tracker
