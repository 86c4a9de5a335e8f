#pragma once

#include "cli/core/cluster_settings.h"

// Which TCP port each daemon of a one-machine cluster has. Numbers start at 1.
namespace vcfs::cli {

inline constexpr int kMaxTrackers = 10;
inline constexpr int kMaxIdServers = 10;
inline constexpr int kMaxHttpds = 20;
inline constexpr int kMaxStorages = 400;

inline int trackerPort(const ClusterSettings& s, int number) { return s.portBase + number - 1; }
inline int idserverPort(const ClusterSettings& s, int number) { return s.portBase + 10 + number - 1; }
inline int httpdPort(const ClusterSettings& s, int number) { return s.portBase + 80 + number - 1; }
inline int storagePort(const ClusterSettings& s, int number) { return s.portBase + 100 + number - 1; }

// "host:port", an IPv6 host in brackets.
std::string address(const ClusterSettings& s, int port);

}  // namespace vcfs::cli
