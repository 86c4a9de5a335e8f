#include "httpd/core/url_path.h"

#include <gtest/gtest.h>

#include <random>

namespace vcfs::httpd {
namespace {

std::string pathOf(const std::string& target) {
  std::optional<Target> parsed = parseTarget(target);
  return parsed ? parsed->path() + (parsed->trailingSlash ? "/" : "") : "refused";
}

TEST(UrlPath, decodes_and_normalises) {
  EXPECT_EQ(pathOf("/anna/meeting%20one.mp4"), "anna/meeting one.mp4");
  EXPECT_EQ(pathOf("/"), "/");
  EXPECT_EQ(pathOf("//anna///x"), "anna/x");
  EXPECT_EQ(pathOf("/anna/./x/"), "anna/x/");
  EXPECT_EQ(pathOf("/anna/."), "anna/");
  EXPECT_EQ(pathOf("/%E4%BC%9A%E8%AE%AE"), "会议");
  EXPECT_EQ(pathOf("/a+b"), "a+b");
  EXPECT_EQ(pathOf("/a#fragment"), "a");
  EXPECT_EQ(pathOf("/%ff%01"), "\xff\x01");
  EXPECT_EQ(pathOf("/..."), "...");
}

TEST(UrlPath, knows_the_absolute_form) {
  EXPECT_EQ(pathOf("http://host:80/anna/x"), "anna/x");
  EXPECT_EQ(pathOf("HTTP://host"), "/");
}

TEST(UrlPath, refuses_what_could_lead_elsewhere) {
  for (const char* target : {"/..", "/a/../b", "/a/%2e%2e/b", "/a/.%2E", "/a%2fb", "/a%00b", "/%", "/%4", "/%zz", "a/b",
                             "", "*", "ftp://host/x", "\\..\\x", "/a/%2E."}) {
    EXPECT_EQ(pathOf(target), "refused") << target;
  }
}

TEST(UrlPath, a_url_path_is_safe_and_leads_back) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 50'000; ++round) {
    Target target;
    int depth = static_cast<int>(random() % 4);
    for (int i = 0; i < depth; ++i) {
      std::string name;
      for (int n = 1 + static_cast<int>(random() % 10); n > 0; --n) name += static_cast<char>(1 + random() % 255);
      for (char& c : name) {
        if (c == '/') c = '_';
      }
      if (name == "." || name == "..") name = "x";
      target.components.push_back(name);
    }
    target.trailingSlash = depth == 0 || random() % 2 == 0;
    std::string url = target.urlPath();
    for (char c : url) ASSERT_TRUE(c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '?') << url;
    ASSERT_FALSE(url.size() > 1 && url[1] == '/') << "would lead to another host: " << url;
    std::optional<Target> back = parseTarget(url);
    ASSERT_TRUE(back) << url;
    ASSERT_EQ(back->components, target.components);
    ASSERT_EQ(back->trailingSlash, target.trailingSlash);
  }
}

TEST(UrlPath, random_targets_never_yield_a_dangerous_component) {
  std::mt19937_64 random(3);
  const std::string alphabet = "/.%2eEfF0ab?#:\\";
  for (int round = 0; round < 300'000; ++round) {
    std::string text = "/";
    for (int n = static_cast<int>(random() % 20); n > 0; --n) text += alphabet[random() % alphabet.size()];
    std::optional<Target> target = parseTarget(text);
    if (!target) continue;
    for (const std::string& name : target->components) {
      ASSERT_TRUE(!name.empty() && name != "." && name != "..") << text;
      ASSERT_EQ(name.find_first_of(std::string("/\0", 2)), std::string::npos) << text;
    }
  }
}

TEST(UrlPath, query_values) {
  EXPECT_EQ(parseTarget("/a?live=1&from=10")->query, "live=1&from=10");
  EXPECT_EQ(queryValue("live=1&from=10", "from"), "10");
  EXPECT_EQ(queryValue("live", "live"), "");
  EXPECT_EQ(queryValue("alive=1", "live"), std::nullopt);
  EXPECT_EQ(queryValue("", "live"), std::nullopt);
  EXPECT_EQ(queryValue("&&live=%31", "live"), "1");
}

TEST(UrlPath, file_ids) {
  EXPECT_EQ(parseFileId("1024"), 1024u);
  EXPECT_EQ(parseFileId("0x400"), 1024u);
  EXPECT_EQ(parseFileId("0000000000000400"), 1024u);
  for (const char* text : {"", "0", "-1", "abc", "12x", "0x", "99999999999999999999999", " 1"}) {
    EXPECT_EQ(parseFileId(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace vcfs::httpd
