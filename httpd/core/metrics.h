#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "httpd/core/counters.h"
#include "httpd/core/exposition.h"

// Everything that GET /metrics can tell, declared once. Each help ends with the unit in brackets.
namespace vcfs::httpd {

inline constexpr std::string_view kOwnPrefix = "vcfs_httpd_";
inline constexpr std::string_view kStoragePrefix = "vcfs_storage_";

// What this server tells of itself; the same stands in /healthz under ownKey().
struct OwnMetric {
  Metric metric;
  std::uint64_t (*value)(const Figures&);
};

inline constexpr std::array kOwnMetrics = {
    OwnMetric{{"vcfs_httpd_connections", MetricType::gauge, "Connections of clients that are open now [connections]"},
              [](const Figures& f) { return f.counters.connections; }},
    OwnMetric{{"vcfs_httpd_accepted_total", MetricType::counter, "Connections accepted since the start [connections]"},
              [](const Figures& f) { return f.counters.accepted; }},
    OwnMetric{{"vcfs_httpd_refused_total", MetricType::counter,
               "Connections answered 503 because there were max-connections of them [connections]"},
              [](const Figures& f) { return f.counters.refused; }},
    OwnMetric{{"vcfs_httpd_requests_total", MetricType::counter, "Requests answered since the start [requests]"},
              [](const Figures& f) { return f.counters.requests; }},
    OwnMetric{{"vcfs_httpd_sent_bytes_total", MetricType::counter, "Sent to clients, heads and bodies [bytes]"},
              [](const Figures& f) { return f.counters.sentBytes; }},
    OwnMetric{{"vcfs_httpd_live_streams", MetricType::gauge, "Clients that follow a recording now, ?live=1 [streams]"},
              [](const Figures& f) { return f.counters.liveStreams; }},
    OwnMetric{{"vcfs_httpd_dropped_slow_total", MetricType::counter,
               "Connections dropped because the client took nothing for send-timeout [connections]"},
              [](const Figures& f) { return f.counters.droppedSlow; }},
    OwnMetric{{"vcfs_httpd_cache_bytes", MetricType::gauge, "Sealed files' blocks in memory [bytes]"},
              [](const Figures& f) { return f.cacheBytes; }},
    OwnMetric{{"vcfs_httpd_cache_hits_total", MetricType::counter, "Blocks found in the cache [blocks]"},
              [](const Figures& f) { return f.cacheHits; }},
    OwnMetric{{"vcfs_httpd_cache_misses_total", MetricType::counter, "Blocks read from the cluster [blocks]"},
              [](const Figures& f) { return f.cacheMisses; }},
};
inline constexpr Metric kOwnInfo = {"vcfs_httpd_info", MetricType::gauge, "This server; its version is a label [1]"};

// ---- what the cluster's status says
inline constexpr Metric kReachable = {"vcfs_cluster_reachable", MetricType::gauge,
                                      "Whether a tracker told the cluster's state in time [1 or 0]"};
inline constexpr Metric kClusterInfo = {"vcfs_cluster_info", MetricType::gauge,
                                        "The cluster; its name, kind of catalog and tracker's version are labels [1]"};
inline constexpr Metric kUp = {"vcfs_up", MetricType::gauge,
                               "Whether the trackers hear of the process; HTTP servers and mounts that they do not "
                               "hear of are not listed [1 or 0]"};
inline constexpr Metric kCoordinator = {"vcfs_tracker_coordinator", MetricType::gauge,
                                        "Whether this tracker holds the lease for the work in the background [1 or 0]"};
inline constexpr Metric kFiles = {"vcfs_files", MetricType::gauge,
                                  "Files that are being written (live), or have fewer reachable in-sync replicas than "
                                  "copies (degraded) [files]"};
inline constexpr Metric kFilesToGo = {"vcfs_files_bytes_to_go", MetricType::gauge,
                                      "Size of the copies that degraded files lack [bytes]"};
inline constexpr Metric kInodes = {"vcfs_inodes", MetricType::gauge, "Files, directories and links, about [inodes]"};

// Of each storage server, with its name and group as labels. The status has the same under storageKey().
inline constexpr std::array kStorageMetrics = {
    Metric{"vcfs_storage_capacity_bytes", MetricType::gauge, "Size of the disk [bytes]"},
    Metric{"vcfs_storage_free_bytes", MetricType::gauge, "Room for files on the disk [bytes]"},
    Metric{"vcfs_storage_bytes_to_go", MetricType::gauge, "Still to be copied to it from other servers [bytes]"},
    Metric{"vcfs_storage_live_files", MetricType::gauge, "Files being written whose primary it is [files]"},
    Metric{"vcfs_storage_load_bytes_per_second", MetricType::gauge,
           "Written to it in the last second [bytes per second]"},
    Metric{"vcfs_storage_draining", MetricType::gauge, "Whether it is being emptied [1 or 0]"},
    Metric{"vcfs_storage_drained", MetricType::gauge, "Whether it is empty and may be stopped [1 or 0]"},
    Metric{"vcfs_storage_away_seconds", MetricType::gauge, "How long it was not heard of; 0: it is there [seconds]"},
    Metric{"vcfs_storage_files_left", MetricType::gauge, "Of a server that leaves: replicas still on it [files]"},
    Metric{"vcfs_storage_bytes_left", MetricType::gauge, "Of a server that leaves: up-to-date replicas on it [bytes]"},
    Metric{"vcfs_storage_only_here", MetricType::gauge,
           "Of a server that leaves: files of which no other server has an up-to-date replica [files]"},
    Metric{"vcfs_storage_to_delete", MetricType::gauge,
           "Of a server that leaves: replicas that it has still to delete [files]"},
};

// "sent_bytes" of vcfs_httpd_sent_bytes_total.
std::string_view ownKey(const Metric& metric);
// "free_bytes" of vcfs_storage_free_bytes.
std::string_view storageKey(const Metric& metric);
std::vector<Metric> allMetrics();

// ---- the texts of which an answer is made
std::string ownText(const Figures& figures, std::string_view version);
// `status`: the JSON of a tracker. What it does not have is left out: the tracker may be of another version. Throws
// Error(internal) when it is none.
std::string clusterText(std::string_view status);
std::string unreachableText();

}  // namespace vcfs::httpd
