#include "tracker/core/name_leases.h"

#include <algorithm>

namespace vcfs::tracker {

bool NameLeases::othersMake(InodeId directory, SessionId session) const {
  const auto makers = makers_.find(directory);
  if (makers == makers_.end()) return false;
  const auto& all = makers->second;
  return std::any_of(all.begin(), all.end(), [&](SessionId maker) { return maker != session; });
}

bool NameLeases::full(SessionId session) const {
  const auto held = held_.find(session);
  return total_ >= limits_.total || (held != held_.end() && held->second.size() >= limits_.perSession);
}

bool NameLeases::grant(InodeId directory, SessionId session) {
  if (othersMake(directory, session)) return false;
  if (auto held = held_.find(session); held != held_.end()) {
    if (auto lease = held->second.find(directory); lease != held->second.end()) {
      lease->second = ++grants_;
      return true;
    }
  }
  if (full(session)) return false;
  held_[session][directory] = ++grants_;
  holders_[directory].insert(session);
  ++total_;
  return true;
}

std::optional<NameLeases::Grant> NameLeases::toGiveBack(InodeId wanted, SessionId session) const {
  const auto held = held_.find(session);
  if (othersMake(wanted, session) || !full(session) || held == held_.end() || held->second.empty()) return std::nullopt;
  const auto older = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto oldest = std::min_element(held->second.begin(), held->second.end(), older);
  return Grant{oldest->first, oldest->second};
}

void NameLeases::givenBack(SessionId session, Grant grant) {
  const auto held = held_.find(session);
  if (held == held_.end()) return;
  const auto lease = held->second.find(grant.directory);
  if (lease == held->second.end() || lease->second != grant.number) return;
  held->second.erase(lease);
  erase(grant.directory, session);
}

void NameLeases::erase(InodeId directory, SessionId session) {
  const auto holders = holders_.find(directory);
  holders->second.erase(session);
  if (holders->second.empty()) holders_.erase(holders);
  --total_;
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
  for (const auto& [directory, number] : held->second) erase(directory, session);
  held_.erase(held);
}

}  // namespace vcfs::tracker
