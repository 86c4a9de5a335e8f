#include "httpd/core/listing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vcfs::httpd {
namespace {

ListedEntry entry(const std::string& name, FileType type, std::uint64_t size = 0, FileState state = FileState::closed) {
  DirEntry e;
  e.name = name;
  e.entry.attr.inode = 1234;
  e.entry.attr.type = type;
  e.entry.attr.size = size;
  e.entry.attr.mtimeNs = 784'111'777'000'000'000;
  if (type == FileType::regular) e.entry.attr.state = state;
  return listed(e);
}

std::string rowsOf(Listing& listing, const std::vector<ListedEntry>& entries) {
  std::string text;
  for (std::span<const ListedEntry> left(entries); !left.empty();) text += listing.rows(left);
  return text;
}

std::string render(ListingFormat format, std::vector<ListedEntry> entries, const std::string& path = "/anna/") {
  Listing listing(format, path);
  Listing::sort(entries);
  return listing.begin() + rowsOf(listing, entries) + listing.end();
}

TEST(Listing, html_shows_name_size_date_state_and_link) {
  std::string page = render(ListingFormat::html, {entry("a b.mp4", FileType::regular, 1536, FileState::open)});
  for (const char* part : {"href=\"a%20b.mp4\"", ">a b.mp4<", "1.5 KiB", "1994-11-06 08:49:37", ">open<",
                           "a%20b.mp4?live=1", "href=\"../\""}) {
    EXPECT_NE(page.find(part), std::string::npos) << part << "\n" << page;
  }
}

TEST(Listing, the_root_has_no_way_up) {
  EXPECT_EQ(render(ListingFormat::html, {}, "/").find("../"), std::string::npos);
}

TEST(Listing, names_cannot_break_out_of_the_page) {
  std::string page = render(ListingFormat::html, {entry("<script>alert('x')</script>\"&\n", FileType::regular)},
                            "/%3Cscript%3Ealert%281%29/");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("\"&"), std::string::npos);
}

TEST(Listing, directories_come_first_then_by_name) {
  std::string page = render(ListingFormat::html, {entry("b", FileType::regular), entry("z", FileType::directory),
                                                  entry("a", FileType::regular)});
  EXPECT_LT(page.find(">z/<"), page.find(">a<"));
  EXPECT_LT(page.find(">a<"), page.find(">b<"));
}

TEST(Listing, json_is_json_whatever_the_names) {
  std::string text = render(
      ListingFormat::json,
      {entry("q\"\\\n", FileType::regular, 5), entry("d", FileType::directory), entry("\xff\xfe", FileType::regular)});
  nlohmann::json j = nlohmann::json::parse(text);
  EXPECT_EQ(j["path"], "/anna/");
  ASSERT_EQ(j["entries"].size(), 3u);
  EXPECT_EQ(j["entries"][0]["type"], "directory");
  EXPECT_EQ(j["entries"][0]["url"], "/anna/d/");
  EXPECT_EQ(j["entries"][1]["name"], "q\"\\\n");
  EXPECT_EQ(j["entries"][1]["size"], 5);
  EXPECT_EQ(j["entries"][1]["state"], "closed");
  EXPECT_EQ(j["entries"][2]["url"], "/anna/%FF%FE");
}

TEST(Listing, an_empty_directory_is_valid_in_both_forms) {
  EXPECT_TRUE(nlohmann::json::parse(render(ListingFormat::json, {}))["entries"].empty());
  EXPECT_NE(render(ListingFormat::html, {}).find("</html>"), std::string::npos);
}

TEST(Listing, portions_of_a_large_directory_join_to_one_json) {
  Listing listing(ListingFormat::json, "/");
  std::string text = listing.begin();
  text += rowsOf(listing, {entry("a", FileType::regular)});
  text += rowsOf(listing, {});
  text += rowsOf(listing, {entry("b", FileType::regular)});
  text += listing.end();
  EXPECT_EQ(nlohmann::json::parse(text)["entries"].size(), 2u);
}

TEST(Listing, rows_are_rendered_in_slices) {
  std::vector<ListedEntry> entries;
  for (int i = 0; i < 10'000; ++i)
    entries.push_back(entry(std::string(200, 'n') + std::to_string(i), FileType::regular));
  for (ListingFormat format : {ListingFormat::html, ListingFormat::json}) {
    Listing listing(format, "/");
    std::span<const ListedEntry> left(entries);
    while (!left.empty()) {
      const std::size_t before = left.size();
      EXPECT_LE(listing.rows(left).size(), Listing::kSlice + 2048);
      ASSERT_LT(left.size(), before);
    }
  }
}

TEST(Listing, accept_decides_the_form) {
  EXPECT_EQ(preferredListing("application/json"), ListingFormat::json);
  EXPECT_EQ(preferredListing("text/html;q=0.5, application/json"), ListingFormat::json);
  for (const char* accept : {"", "*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                             "text/html, application/json;q=0.9", "application/json;q=0", "application/jsonx"}) {
    EXPECT_EQ(preferredListing(accept), ListingFormat::html) << accept;
  }
}

TEST(Listing, sizes_for_people) {
  EXPECT_EQ(humanSize(0), "0 B");
  EXPECT_EQ(humanSize(1023), "1023 B");
  EXPECT_EQ(humanSize(1536), "1.5 KiB");
  EXPECT_EQ(humanSize(20ull << 30), "20 GiB");
  EXPECT_EQ(humanSize(UINT64_MAX), "16 EiB");
}

}  // namespace
}  // namespace vcfs::httpd
