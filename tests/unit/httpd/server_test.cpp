// The whole HTTP side over a cluster in memory, seen through a socket.
#include <nlohmann/json.hpp>

#include "httpd/core/listing.h"
#include "tests/unit/httpd/http_fixture.h"

namespace vcfs::httpd::test {
namespace {

class ServerTest : public HttpFixture {};

TEST_F(ServerTest, serves_a_file_by_path_and_by_id) {
  std::string content = pattern(3'000'000);
  InodeId inode = file("anna/meeting.mp4", content);
  for (const std::string& target : {std::string("/anna/meeting.mp4"), "/files/" + std::to_string(inode)}) {
    Response r = get(target);
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r["content-type"], "video/mp4");
    EXPECT_EQ(r["x-vcfs-state"], "closed");
    EXPECT_EQ(r["access-control-allow-origin"], "*");
    EXPECT_TRUE(r.complete);
    EXPECT_EQ(r.body == content, true) << target;
  }
}

TEST_F(ServerTest, sizes_around_the_block_size_come_whole) {
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, kBlockSize - 1, kBlockSize, kBlockSize + 1, 3 * kBlockSize}) {
    std::string content = pattern(size, static_cast<unsigned>(size));
    file("a/" + std::to_string(size), content);
    for (int again = 0; again < 2; ++again) {  // from the cluster, then from the cache
      Response r = get("/a/" + std::to_string(size));
      EXPECT_EQ(r.status, 200);
      EXPECT_TRUE(r.body == content) << size;
    }
  }
}

TEST_F(ServerTest, head_tells_what_get_would_without_a_body) {
  file("a/x.mkv", pattern(5000));
  RawClient client = connect();
  Response r = client.request("HEAD", "/a/x.mkv");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r["content-length"], "5000");
  EXPECT_EQ(client.request("GET", "/a/x.mkv").body.size(), 5000u);  // nothing stood in between
}

TEST_F(ServerTest, ranges) {
  std::string content = pattern(2'000'000);
  file("a/x", content);
  Response one = get("/a/x", "Range: bytes=524280-1048600\r\n");
  EXPECT_EQ(one.status, 206);
  EXPECT_EQ(one["content-range"], "bytes 524280-1048600/2000000");
  EXPECT_TRUE(one.body == content.substr(524280, 1048600 - 524280 + 1));
  EXPECT_TRUE(get("/a/x", "Range: bytes=-100\r\n").body == content.substr(2'000'000 - 100));
  EXPECT_TRUE(get("/a/x", "Range: bytes=1999999-\r\n").body == content.substr(1'999'999));
  Response none = get("/a/x", "Range: bytes=2000000-\r\n");
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none["content-range"], "bytes */2000000");
}

TEST_F(ServerTest, several_ranges_come_as_parts) {
  std::string content = pattern(1'500'000);
  file("a/x.ts", content);
  Response r = get("/a/x.ts", "Range: bytes=0-99,600000-1200000,-10\r\n");
  EXPECT_EQ(r.status, 206);
  std::string type = r["content-type"];
  std::string boundary = type.substr(type.find("boundary=") + 9);
  std::string expected;
  for (auto [first, last] : {std::pair{0, 99}, {600000, 1200000}, {1499990, 1499999}}) {
    expected += (expected.empty() ? "--" : "\r\n--") + boundary +
                "\r\nContent-Type: video/mp2t\r\nContent-Range: bytes " + std::to_string(first) + "-" +
                std::to_string(last) + "/1500000\r\n\r\n" +
                content.substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1));
  }
  expected += "\r\n--" + boundary + "--\r\n";
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(r.body == expected);
}

TEST_F(ServerTest, random_ranges_are_exact) {
  std::string content = pattern(1'300'000);
  file("a/x", content);
  std::mt19937_64 random(8);
  RawClient client = connect();
  for (int i = 0; i < 300; ++i) {
    std::size_t first = random() % content.size();
    std::size_t last = first + random() % (content.size() - first);
    Response r =
        client.request("GET", "/a/x", "Range: bytes=" + std::to_string(first) + "-" + std::to_string(last) + "\r\n");
    ASSERT_EQ(r.status, 206);
    ASSERT_TRUE(r.body == content.substr(first, last - first + 1)) << first << "-" << last;
  }
}

TEST_F(ServerTest, conditional_requests) {
  InodeId inode = file("a/x", "hello");
  Response first = get("/a/x");
  std::string etag = first["etag"];
  EXPECT_EQ(etag.front(), '"');
  EXPECT_EQ(get("/a/x", "If-None-Match: " + etag + "\r\n").status, 304);
  EXPECT_EQ(get("/a/x", "If-Modified-Since: " + first["last-modified"] + "\r\n").status, 304);
  EXPECT_EQ(get("/a/x", "If-Match: \"no\"\r\n").status, 412);
  EXPECT_EQ(get("/a/x", "Range: bytes=1-2\r\nIf-Range: " + etag + "\r\n").body, "el");
  onLoop([&] { cluster().replaceContent(inode, "HELLO"); });
  EXPECT_EQ(get("/a/x", "If-None-Match: " + etag + "\r\n").body, "HELLO");
  EXPECT_EQ(get("/a/x", "Range: bytes=1-2\r\nIf-Range: " + etag + "\r\n").body, "HELLO");
}

TEST_F(ServerTest, a_change_pushed_by_the_cluster_shows_at_once) {
  InodeId inode = file("a/x", "old");
  EXPECT_EQ(get("/a/x").body, "old");
  onLoop([&] { cluster().replaceContent(inode, "newer"); });
  EXPECT_EQ(get("/a/x").body, "newer");
  onLoop([&] { cluster().removeName("a/x"); });
  EXPECT_EQ(get("/a/x").status, 404);
  EXPECT_EQ(get("/files/" + std::to_string(inode)).status, 404);
}

TEST_F(ServerTest, hot_files_cost_the_cluster_nothing) {
  file("a/x", pattern(1'000'000));
  get("/a/x");
  int resolves = onLoop([&] { return cluster().resolves; });
  int reads = onLoop([&] { return cluster().reads; });
  RawClient client = connect();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.request("GET", "/a/x").body.size(), 1'000'000u);
  EXPECT_EQ(onLoop([&] { return cluster().resolves; }), resolves);
  EXPECT_EQ(onLoop([&] { return cluster().reads; }), reads);
}

TEST_F(ServerTest, many_clients_that_want_the_same_block_read_it_once) {
  file("a/x", pattern(400'000));
  std::vector<RawClient> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(connect());
  for (RawClient& c : clients) c.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
  for (RawClient& c : clients) EXPECT_EQ(c.read().body.size(), 400'000u);
  EXPECT_LE(onLoop([&] { return cluster().reads; }), 2);
}

TEST_F(ServerTest, what_many_clients_want_and_cannot_be_read_is_told_to_all_at_once) {
  file("a/x", pattern(400'000));
  onLoop([&] {
    cluster().holdReads = true;
    cluster().failReads = Error(Errc::unavailable, "storage away");
  });
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connect());
  for (RawClient& c : clients) c.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server().counters().requests == clients.size(); }));
  onLoop([&] { cluster().releaseReads(); });
  for (RawClient& c : clients) EXPECT_EQ(c.read().status, 503);
  EXPECT_EQ(onLoop([&] { return cluster().reads; }), 1);
  onLoop([&] { cluster().failReads.reset(); });
  EXPECT_EQ(clients[0].request("GET", "/a/x").body.size(), 400'000u) << "a failure is not kept";
}

TEST_F(ServerTest, a_growing_file_is_a_snapshot_with_a_true_length) {
  InodeId inode = file("a/live.ts", "0123456789", FileState::open);
  Response r = get("/a/live.ts");
  EXPECT_EQ(r["content-length"], "10");
  EXPECT_EQ(r["x-vcfs-state"], "open");
  EXPECT_EQ(r.body, "0123456789");
  onLoop([&] { cluster().append(inode, "abc"); });
  Response next = get("/a/live.ts", "Range: bytes=10-\r\n");  // how `wget -c` goes on
  EXPECT_EQ(next.status, 206);
  EXPECT_EQ(next.body, "abc");
  EXPECT_NE(next["etag"], r["etag"]);
}

TEST_F(ServerTest, keep_alive_and_pipelining) {
  for (int i = 0; i < 10; ++i) file("a/" + std::to_string(i), pattern(100'000, static_cast<unsigned>(i)));
  RawClient client = connect();
  std::string all;
  for (int i = 0; i < 10; ++i) all += "GET /a/" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 10; ++i) {
    Response r = client.read();
    ASSERT_EQ(r.status, 200);
    EXPECT_TRUE(r.body == pattern(100'000, static_cast<unsigned>(i))) << i;
  }
  EXPECT_EQ(counters().accepted, 1u);
}

TEST_F(ServerTest, connection_close_and_http_1_0) {
  file("a/x", "hello");
  RawClient client = connect();
  EXPECT_EQ(client.request("GET", "/a/x", "Connection: close\r\n").body, "hello");
  EXPECT_TRUE(client.ended());
  RawClient old = connect();
  old.send("GET /a/x HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read().body, "hello");
  EXPECT_TRUE(old.ended());
  EXPECT_FALSE(old.wasReset());
  RawClient kept = connect();
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /a/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    Response r = kept.read();
    EXPECT_EQ(r["connection"], "keep-alive");
    EXPECT_EQ(r.body, "hello");
  }
}

TEST_F(ServerTest, directories_redirect_and_list) {
  file("anna/b <x>.mp4", "12345");
  onLoop([&] { cluster().makeDirectory("anna/sub"); });
  Response moved = get("/anna?x=1");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved["location"], "/anna/");
  Response page = get("/anna/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page["content-type"], "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("href=\"b%20%3Cx%3E.mp4\""), std::string::npos);
  EXPECT_NE(page.body.find("href=\"sub/\""), std::string::npos);
  nlohmann::json j = nlohmann::json::parse(get("/anna/", "Accept: application/json\r\n").body);
  EXPECT_EQ(j["entries"][1]["name"], "b <x>.mp4");
  EXPECT_EQ(j["entries"][1]["size"], 5);
  EXPECT_NE(get("/").body.find("anna/"), std::string::npos);
  EXPECT_EQ(get("/anna/b%20%3Cx%3E.mp4").body, "12345");
}

TEST_F(ServerTest, a_redirect_never_leads_to_another_host) {
  onLoop([&] { cluster().makeDirectory("evil.example"); });
  EXPECT_EQ(get("//evil.example")["location"], "/evil.example/");
}

TEST_F(ServerTest, a_directory_of_25000_entries_comes_whole) {
  onLoop([&] {
    for (int i = 0; i < 25'000; ++i) cluster().makeFile("big/" + std::to_string(i), "");
  });
  Response r = get("/big/", "Accept: application/json\r\n");
  EXPECT_TRUE(r.complete);
  EXPECT_EQ(nlohmann::json::parse(r.body)["entries"].size(), 25'000u);
  RawClient old = connect();
  old.send("GET /big/ HTTP/1.0\r\nAccept: application/json\r\n\r\n");
  Response until = old.read();
  EXPECT_TRUE(until.complete);
  EXPECT_EQ(nlohmann::json::parse(until.body)["entries"].size(), 25'000u);
}

TEST_F(ServerTest, a_listing_waits_a_second_in_all_for_primaries_that_are_away) {
  const InodeId here = file("anna/here", "1", FileState::open);
  std::set<InodeId> away;
  for (int i = 0; i < 20; ++i) away.insert(file("anna/away" + std::to_string(i), "12", FileState::open));
  onLoop([&] {
    cluster().primariesAway = away;
    cluster().primarySizes[here] = 1000;
  });
  nlohmann::json j = nlohmann::json::parse(get("/anna/", "Accept: application/json\r\n").body);
  ASSERT_EQ(j["entries"].size(), 21u);
  EXPECT_EQ(j["entries"][0]["size"], 2);
  EXPECT_EQ(j["entries"][20]["name"], "here");
  EXPECT_EQ(j["entries"][20]["size"], 1000);
  onLoop([&] { cluster().bringPrimariesBack(); });
}

TEST_F(ServerTest, a_listing_that_is_sent_in_slices_has_the_head_that_is_told_of_it) {
  onLoop([&] {
    for (int i = 0; i < 3'000; ++i) cluster().makeFile("large/" + std::to_string(i), "");
    for (int i = 0; i < 10; ++i) cluster().makeFile("small/" + std::to_string(i), "");
  });
  for (const char* target : {"/large/", "/small/"}) {
    RawClient client = connect();
    Response head = client.request("HEAD", target), page = client.request("GET", target);
    head.headers.erase("date");
    page.headers.erase("date");
    EXPECT_EQ(head.headers, page.headers) << target;
    EXPECT_TRUE(page.complete);
    EXPECT_NE(page.body.find("</html>"), std::string::npos);
  }
  RawClient client = connect();
  client.send("GET /large/ HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.readHead()["transfer-encoding"], "chunked");
  std::string all;
  for (std::string chunk; !(chunk = client.chunk()).empty(); all += chunk) {
    EXPECT_LE(chunk.size(), Listing::kSlice + 8192);
  }
  for (const char* name : {"\"0\"", "\"1500\"", "\"2999\""}) EXPECT_NE(all.find(name), std::string::npos) << name;
}

TEST_F(ServerTest, options_and_other_methods) {
  file("a/x", "hello");
  RawClient client = connect();
  Response options = client.request("OPTIONS", "/a/x");
  EXPECT_EQ(options.status, 204);
  EXPECT_NE(options["access-control-expose-headers"].find("Content-Range"), std::string::npos);
  EXPECT_EQ(client.request("OPTIONS", "*").status, 204);
  for (const char* method : {"POST", "PUT", "DELETE", "PROPFIND"}) {
    Response r = client.request(method, "/a/x", "Content-Length: 0\r\n");
    EXPECT_EQ(r.status, 405) << method;
    EXPECT_EQ(r["allow"], "GET, HEAD, OPTIONS");
  }
  EXPECT_EQ(client.request("GET", "/a/x").body, "hello");
}

TEST_F(ServerTest, what_is_not_there_is_404) {
  file("a/x", "hello");
  for (const char* target : {"/nobody", "/a/y", "/a/x/y", "/a/x/", "/files/999", "/files/abc", "/files/", "/files/1"}) {
    EXPECT_EQ(get(target).status, 404) << target;
  }
}

TEST_F(ServerTest, what_is_lost_is_gone) {
  file("a/x", "hello", FileState::lost);
  for (const char* target : {"/a/x", "/a/x?live=1"}) {
    EXPECT_EQ(get(target).status, 410) << target;
    EXPECT_EQ(get(target, "", "HEAD").status, 410) << target;
  }
  EXPECT_EQ(get("/a/x", "Range: bytes=1-2\r\n").status, 410);
}

TEST_F(ServerTest, errors_of_the_cluster_become_answers) {
  file("a/x", "hello");
  auto failing = [&](Errc code) {
    onLoop([&] { cluster().failNext = Error(code, "secret detail"); });
    return get("/a/x");
  };
  Response away = failing(Errc::unavailable);
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(away["retry-after"], "2");
  EXPECT_EQ(failing(Errc::io).status, 500);
  EXPECT_EQ(failing(Errc::io).body.find("secret"), std::string::npos);
  EXPECT_EQ(failing(Errc::accessDenied).status, 403);
  EXPECT_EQ(failing(Errc::notFound).status, 404);
  onLoop([&] { cluster().failReads = Error(Errc::unavailable, "storage away"); });
  EXPECT_EQ(get("/a/x").status, 503);  // found out before the head was sent
  onLoop([&] { cluster().failReads.reset(); });
  EXPECT_EQ(get("/a/x").body, "hello");
}

TEST_F(ServerTest, a_read_that_fails_in_the_middle_breaks_the_connection_off) {
  file("a/x", pattern(20'000'000));
  RawClient client(server().address(), 4096);
  client.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(client.readHead().status, 200);
  client.exactly(600'000);
  onLoop([&] { cluster().failReads = Error(Errc::io, "gone"); });
  std::size_t rest = 0;
  for (std::string part; !(part = client.some()).empty();) rest += part.size();
  EXPECT_LT(600'000 + rest, 20'000'000u);
  EXPECT_TRUE(client.wasReset());
}

TEST_F(ServerTest, deleted_while_it_is_played_it_plays_to_its_end) {
  std::string content = pattern(8'000'000);
  file("a/x", content);
  RawClient client(server().address(), 4096);
  client.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
  Response head = client.readHead();
  std::string body = client.exactly(100'000);
  onLoop([&] { cluster().removeName("a/x"); });
  body += client.exactly(content.size() - body.size());
  EXPECT_TRUE(body == content);
}

TEST_F(ServerTest, changed_while_it_is_sent_it_breaks_off_and_mixes_nothing) {
  for (std::uint64_t cache : {std::uint64_t{256} << 20, std::uint64_t{0}}) {
    HttpOptions options;
    options.cacheBytes = cache;
    start(options);
    const std::string before = pattern(16'000'000, 1), after = pattern(16'000'000, 2);
    InodeId inode = file("a/x", before);
    RawClient client(server().address(), 4096);
    client.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(client.readHead().status, 200);
    std::string body = client.exactly(100'000);
    onLoop([&] { cluster().replaceContent(inode, after); });
    for (std::string part; !(part = client.some()).empty();) body += part;
    EXPECT_LT(body.size(), before.size());
    EXPECT_TRUE(body == before.substr(0, body.size())) << "not a byte of the other version";
    EXPECT_TRUE(client.wasReset());
    EXPECT_TRUE(get("/a/x").body == after);
  }
}

TEST_F(ServerTest, while_the_trackers_are_away_what_is_being_sent_goes_on) {
  for (bool refused : {true, false}) {  // they say that the database is away, or nothing at all
    start(HttpOptions());
    const std::string content = pattern(16'000'000);
    file("a/x", content);
    RawClient client(server().address(), 4096);
    client.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(client.readHead().status, 200);
    std::string body = client.exactly(100'000);
    const std::uint64_t kept = onLoop([&] {
      if (refused) cluster().failAttrs = Error(Errc::unavailable, "the database is away");
      cluster().holdAttrs = !refused;
      cluster().loseTrack();
      return server().site().blocks.bytes();
    });
    body += client.exactly(8'000'000);
    EXPECT_EQ(onLoop([&] { return server().site().blocks.bytes(); }), kept) << "kept although nobody knows the version";
    onLoop([&] {
      cluster().failAttrs.reset();
      cluster().releaseAttrs();
    });
    body += client.exactly(content.size() - body.size());
    EXPECT_TRUE(body == content);
    EXPECT_GT(onLoop([&] { return server().site().blocks.bytes(); }), kept) << "known again";
  }
}

TEST_F(ServerTest, a_change_that_was_missed_breaks_off_as_soon_as_the_trackers_tell_it) {
  InodeId inode = file("a/x", pattern(64'000'000));
  RawClient client(server().address(), 4096);
  client.send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(client.readHead().status, 200);
  client.exactly(100'000);
  onLoop([&] {
    cluster().holdAttrs = true;
    cluster().loseTrack();
  });
  client.exactly(8'000'000);
  onLoop([&] {
    cluster().changeUntold(inode);
    cluster().releaseAttrs();
  });
  std::size_t rest = 0;
  for (std::string part; !(part = client.some()).empty();) rest += part.size();
  EXPECT_LT(8'100'000 + rest, 64'000'000u);
  EXPECT_TRUE(client.wasReset());
}

TEST_F(ServerTest, health) {
  EXPECT_EQ(nlohmann::json::parse(get("/healthz").body)["state"], "up");
  EXPECT_EQ(get("/healthz?deep=1").status, 200);
  onLoop([&] { cluster().failNext = Error(Errc::unavailable); });
  EXPECT_EQ(get("/healthz?deep=1").status, 503);
}

TEST_F(ServerTest, without_a_cache_files_come_as_well) {
  HttpOptions options;
  options.cacheBytes = 0;
  options.entryAge = std::chrono::milliseconds(0);
  start(options);
  std::string content = pattern(2'000'000);
  file("a/x", content);
  EXPECT_TRUE(get("/a/x").body == content);
  EXPECT_TRUE(get("/a/x", "Range: bytes=999-1500000\r\n").body == content.substr(999, 1500000 - 999 + 1));
}

}  // namespace
}  // namespace vcfs::httpd::test
