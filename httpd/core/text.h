#pragma once

#include <string>
#include <string_view>
#include <vector>

// Small helpers for header values.
namespace vcfs::httpd {

std::string_view trim(std::string_view text);  // blanks and tabs at both ends
bool equalsIgnoreCase(std::string_view a, std::string_view b);
// Comma-separated items, trimmed, empty ones left out. Does not know quoted strings.
std::vector<std::string_view> splitList(std::string_view text);
std::string escapeHtml(std::string_view text);  // & < > " ' and control characters

}  // namespace vcfs::httpd
