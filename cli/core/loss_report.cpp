#include "cli/core/loss_report.h"

#include <spdlog/fmt/fmt.h>

#include "cli/core/text.h"
#include "schema/state_names.h"

namespace vcfs::cli {

namespace {

const char* nameOf(LossFate fate) {
  switch (fate) {
    case LossFate::kept:
      return "kept";
    case LossFate::lost:
      return "lost";
    default:
      return "waiting";
  }
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Of a file that was being written the catalog knows the size of some seconds ago.
std::string sizeText(const LossEntry& entry) {
  return (entry.state == FileState::open ? "at least " : "") + humanBytes(entry.size);
}

std::string fateText(const LossEntry& entry) {
  const std::string unseen = joined(entry.unseen);
  switch (entry.fate) {
    case LossFate::kept: {
      std::string text = fmt::format("{} of {} kept", humanBytes(entry.kept), sizeText(entry));
      if (!entry.source.empty()) text += ", the older copy of " + entry.source;
      if (entry.gaps) text += ", which may have gaps (zeros): it was just being brought up to date";
      return text;
    }
    case LossFate::lost:
      return "lost, " + sizeText(entry);
    default:
      if (unseen.empty()) return "waits: it has just changed, or the server of its best copy is not ready: repeat";
      return fmt::format("waits: {} may have a better copy of it, and cannot be asked", unseen);
  }
}

}  // namespace

bool LossReport::add(LossEntry entry) {
  ++(entry.fate == LossFate::kept ? kept_ : entry.fate == LossFate::lost ? lost_ : waiting_);
  if (entry.fate == LossFate::waits && !entry.unseen.empty()) ++unseen_;
  bytesLost_ += entry.lost();
  if (entries_.size() >= most_) return false;
  entries_.push_back(std::move(entry));
  return true;
}

std::string LossReport::line(const LossEntry& entry) { return printable(entry.path) + ": " + fateText(entry); }

std::string LossReport::text() const {
  std::string text;
  for (const LossEntry& entry : entries_) text += line(entry) + "\n";
  return text + summary();
}

std::string LossReport::summary() const {
  std::string text;
  const std::uint64_t all = kept_ + lost_ + waiting_;
  if (all > entries_.size()) text += fmt::format("… and {} more (--limit)\n", all - entries_.size());
  const std::string away =
      othersAway_ > 0 ? fmt::format(" ({} of them only on servers that are away, too)", othersAway_) : "";
  text += fmt::format("{}{}: {} files have an up-to-date copy elsewhere{}, {} fall back to an older one, {} are lost",
                      dryRun_ ? "would be so: " : "", server_, elsewhere_, away, kept_, lost_);
  if (waiting_ > 0) text += fmt::format(", {} wait", waiting_);
  return text + fmt::format("; {} less", humanBytes(bytesLost_));
}

nlohmann::ordered_json LossReport::json() const {
  nlohmann::ordered_json json{{"storage", server_}, {"dry_run", dryRun_}, {"removed", removed_}};
  json["files"] = {
      {"elsewhere", elsewhere_}, {"others_away", othersAway_}, {"kept", kept_}, {"lost", lost_}, {"waiting", waiting_}};
  json["bytes_lost"] = bytesLost_;
  json["losses"] = nlohmann::ordered_json::array();
  for (const LossEntry& entry : entries_) {
    nlohmann::ordered_json one{{"path", entry.path}, {"id", fmt::format("{:016x}", entry.inode)}};
    one["fate"] = nameOf(entry.fate);
    one["state"] = vcfs::nameOf(entry.state);
    one["size"] = entry.size;
    one["kept"] = entry.kept;
    one["lost"] = entry.lost();
    one["may_have_gaps"] = entry.gaps;
    one["source"] = entry.source;
    one["unseen"] = entry.unseen;
    json["losses"].push_back(std::move(one));
  }
  return json;
}

}  // namespace vcfs::cli
