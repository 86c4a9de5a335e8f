#include "httpd/core/mime.h"

#include <gtest/gtest.h>

namespace vcfs::httpd {
namespace {

TEST(Mime, media_types_that_players_need) {
  EXPECT_EQ(mimeType("a.mp4"), "video/mp4");
  EXPECT_EQ(mimeType("a.m4s"), "video/mp4");
  EXPECT_EQ(mimeType("live.m3u8"), "application/vnd.apple.mpegurl");
  EXPECT_EQ(mimeType("0.ts"), "video/mp2t");
  EXPECT_EQ(mimeType("a.webm"), "video/webm");
  EXPECT_EQ(mimeType("a.mkv"), "video/x-matroska");
  EXPECT_EQ(mimeType("a.wav"), "audio/wav");
  EXPECT_EQ(mimeType("a.opus"), "audio/ogg");
  EXPECT_EQ(mimeType("A.MP3"), "audio/mpeg");
  EXPECT_EQ(mimeType("x.tar.zip"), "application/zip");
}

TEST(Mime, the_rest_is_bytes) {
  for (const char* name : {"", "noextension", ".", "a.", "mp4", "a.unknown", "a.verylongextension"}) {
    EXPECT_EQ(mimeType(name), "application/octet-stream") << name;
  }
}

}  // namespace
}  // namespace vcfs::httpd
