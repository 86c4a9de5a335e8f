#include "tracker/core/name_leases.h"

#include <algorithm>

namespace vcfs::tracker {

bool NameLeases::grant(InodeId directory, SessionId session) {
  if (auto makers = makers_.find(directory); makers != makers_.end()) {
    const auto& all = makers->second;
    if (std::any_of(all.begin(), all.end(), [&](SessionId maker) { return maker != session; })) return false;
  }
  auto& held = held_[session];
  if (held.count(directory) > 0) return true;
  if (held.size() >= limits_.perSession || total_ >= limits_.total) return false;
  held.insert(directory);
  holders_[directory].insert(session);
  ++total_;
  return true;
}

void NameLeases::begin(InodeId directory, SessionId session) { makers_[directory].insert(session); }

void NameLeases::end(InodeId directory, SessionId session) {
  const auto makers = makers_.find(directory);
  if (makers == makers_.end()) return;
  if (auto one = makers->second.find(session); one != makers->second.end()) makers->second.erase(one);
  if (makers->second.empty()) makers_.erase(makers);
}

std::vector<NameLeases::SessionId> NameLeases::recall(InodeId directory, SessionId maker) {
  std::vector<SessionId> others;
  const auto holders = holders_.find(directory);
  if (holders == holders_.end()) return others;
  for (SessionId holder : holders->second) {
    if (holder != maker) others.push_back(holder);
  }
  for (SessionId holder : others) {
    holders->second.erase(holder);
    held_[holder].erase(directory);
    --total_;
  }
  if (holders->second.empty()) holders_.erase(holders);
  return others;
}

void NameLeases::drop(SessionId session) {
  const auto held = held_.find(session);
  if (held == held_.end()) return;
  for (InodeId directory : held->second) {
    auto holders = holders_.find(directory);
    holders->second.erase(session);
    if (holders->second.empty()) holders_.erase(holders);
    --total_;
  }
  held_.erase(held);
}

}  // namespace vcfs::tracker
