#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/runtime/clock.h"

namespace vcfs::tracker {

// Storage servers that ask to be registered here and do not take part: refused ones, so that an administrator who looks
// at the cluster is told why, and new ones whose disk is still to take its identity. They ask again every second, and
// are forgotten when they do so no more. By name; no I/O, the time comes in with each call.
class Applicants {
 public:
  // True when that is news: another process, or for another reason.
  bool refused(const std::string& name, std::uint64_t instance, const std::string& reason, TimePoint now);
  // A new disk was given its id and has to come back with it.
  void admitted(const std::string& name, std::uint64_t instance, TimePoint now);
  // It takes part.
  void arrived(const std::string& name);

  // Why the process of that name is refused, if one is.
  std::optional<std::string> refusal(const std::string& name, TimePoint now) const;
  // Another new disk of that name is about to arrive.
  bool expectsAnother(const std::string& name, std::uint64_t instance, TimePoint now) const;

 private:
  struct Applicant {
    std::uint64_t instance = 0;
    std::string reason;  // of refused ones
    TimePoint heard;
  };
  using ByName = std::map<std::string, Applicant>;
  static const Applicant* find(const ByName& applicants, const std::string& name, TimePoint now);
  static void put(ByName& applicants, const std::string& name, Applicant applicant);

  ByName refused_;
  ByName admitted_;
};

}  // namespace vcfs::tracker
