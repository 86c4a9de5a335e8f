#pragma once

#include <string_view>

namespace vcfs::httpd {

// The media type by a file name's last extension, in any case; "application/octet-stream" for the rest.
std::string_view mimeType(std::string_view fileName);

}  // namespace vcfs::httpd
