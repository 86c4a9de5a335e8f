#include "cli/core/status_merge.h"

#include <nlohmann/json.hpp>

#include "cli/core/text.h"

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* listOf(Role role) {
  switch (role) {
    case Role::idserver:
      return "idservers";
    case Role::tracker:
      return "trackers";
    case Role::storage:
      return "storages";
    case Role::httpd:
      return "httpds";
    case Role::mount:
      return "mounts";
  }
  return "";
}

std::string field(const Json& object, const char* key) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

std::string bytesField(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number() ? humanBytes(it->get<std::uint64_t>()) : "";
}

bool describes(const Json& item, const ProcessSpec& spec, const LocalMount& mount) {
  if (spec.role == Role::storage) return field(item, "name") == spec.storage;
  if (spec.role == Role::mount) {
    return field(item, "path") == mount.path && (!item.contains("host") || field(item, "host") == mount.host);
  }
  return field(item, "address") == spec.address;
}

Json newItem(const ProcessSpec& spec, const LocalMount& mount) {
  Json item;
  if (spec.role == Role::storage) {
    item["name"] = spec.storage;
    item["group"] = spec.group;
  }
  item["address"] = spec.role == Role::mount ? "local" : spec.address;
  if (spec.role == Role::mount) {
    item["path"] = mount.path;
    item["host"] = mount.host;
  }
  if (spec.role == Role::storage) item["data"] = spec.data;
  return item;
}

// Sessions of the same mount point that a tracker has not given up yet leave one item.
void keepOne(Json& list, const ProcessSpec& spec, const LocalMount& mount) {
  bool seen = false;
  Json kept = Json::array();
  for (auto& item : list) {
    if (describes(item, spec, mount)) {
      if (seen) continue;
      seen = true;
    }
    kept.push_back(std::move(item));
  }
  list = std::move(kept);
}

void mergeOne(Json& list, const ProcessSpec& spec, const LocalState& state, const LocalMount& mount,
              bool trackerAnswered) {
  if (spec.role == Role::mount) keepOne(list, spec, mount);
  auto it = std::find_if(list.begin(), list.end(), [&](const Json& item) { return describes(item, spec, mount); });
  bool known = it != list.end();
  if (!known) {
    list.push_back(newItem(spec, mount));
    it = list.end() - 1;
  }
  bool alive = state.pid != 0 && (spec.role != Role::mount || state.mounted);
  if (!alive) {
    (*it)["state"] = "down";
  } else if (!known || !it->contains("state")) {
    // A tracker that lives but answered nobody is as good as down.
    (*it)["state"] = trackerAnswered ? "starting" : spec.role == Role::tracker ? "down" : "unknown";
  }
  if (state.pid != 0) (*it)["pid"] = state.pid;
}

std::string storageState(const Json& storage) {
  return field(storage, "state") + (storage.contains("refused") ? ", refused" : "") +
         (storage.value("draining", false) ? ", draining" : "");
}

void section(std::string& text, const Json& status, const char* list, std::vector<std::string> heading,
             std::vector<bool> right, const std::function<std::vector<std::string>(const Json&)>& row) {
  auto it = status.find(list);
  if (it == status.end() || !it->is_array() || it->empty()) return;
  Table table(std::move(heading), std::move(right));
  for (const auto& item : *it) table.add(row(item));
  text += (text.empty() ? "" : "\n") + table.text();
}

}  // namespace

void mergeLocal(Json& status, const std::vector<ProcessSpec>& plan, const std::map<std::string, LocalState>& states,
                const LocalMount& mount, bool trackerAnswered) {
  for (const char* list : {"trackers", "idservers", "storages", "httpds", "mounts"}) {
    if (!status.contains(list) || !status[list].is_array()) status[list] = Json::array();
  }
  for (const auto& spec : plan) {
    auto state = states.find(spec.name);
    mergeOne(status[listOf(spec.role)], spec, state == states.end() ? LocalState{} : state->second, mount,
             trackerAnswered);
  }
}

std::string refusals(const Json& storages) {
  std::string text;
  for (const auto& storage : storages) {
    const std::string reason = field(storage, "refused");
    if (!reason.empty()) text += (text.empty() ? "" : "\n") + field(storage, "name") + " is refused: " + reason;
  }
  return text;
}

std::string statusText(const Json& status) {
  std::string text;
  section(text, status, "trackers", {"TRACKER", "STATE", "PID"}, {false, false, true}, [](const Json& i) {
    return std::vector{field(i, "address"), field(i, "state"), field(i, "pid")};
  });
  section(text, status, "idservers", {"ID SERVER", "STATE", "PID"}, {false, false, true}, [](const Json& i) {
    return std::vector{field(i, "address"), field(i, "state"), field(i, "pid")};
  });
  section(text, status, "storages", {"STORAGE", "GROUP", "ADDRESS", "STATE", "PID", "FREE", "CAPACITY", "DATA"},
          {false, false, false, false, true, true, true, false}, [](const Json& i) {
            return std::vector{field(i, "name"),
                               field(i, "group"),
                               field(i, "address"),
                               storageState(i),
                               field(i, "pid"),
                               bytesField(i, "free_bytes"),
                               bytesField(i, "capacity_bytes"),
                               field(i, "data")};
          });
  const std::string refused = refusals(status.value("storages", Json::array()));
  if (!refused.empty()) text += refused + "\n";
  section(text, status, "httpds", {"HTTP SERVER", "STATE", "PID"}, {false, false, true}, [](const Json& i) {
    return std::vector{field(i, "address"), field(i, "state"), field(i, "pid")};
  });
  section(text, status, "mounts", {"MOUNT", "ON", "STATE", "PID"}, {false, false, false, true}, [](const Json& i) {
    return std::vector{field(i, "path"), i.contains("host") ? field(i, "host") : field(i, "address"), field(i, "state"),
                       field(i, "pid")};
  });
  if (auto files = status.find("files"); files != status.end() && files->is_object()) {
    text += "\nfiles: " + field(*files, "live") + " being written, " + field(*files, "degraded") + " degraded";
    const auto toGo = files->value("bytes_to_go", std::uint64_t{0});
    text += (toGo > 0 ? ", " + humanBytes(toGo) + " to be copied" : "") + "\n";
  }
  return text;
}

}  // namespace vcfs::cli
