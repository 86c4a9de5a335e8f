#include "httpd/core/request_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace vcfs::httpd {
namespace {

// Feeds `text` in pieces of `step` bytes; returns what was left over behind the first complete request.
std::string feed(RequestParser& parser, const std::string& text, std::size_t step) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t n = std::min(step, text.size() - at);
    std::size_t used = parser.feed(std::string_view(text).substr(at, n));
    if (parser.error() != 0) return {};
    at += used;
    if (parser.complete()) return text.substr(at);
  }
  return {};
}

int errorOf(const std::string& text) {
  RequestParser parser{HeadLimits()};
  feed(parser, text, 4096);
  return parser.error();
}

TEST(RequestParser, reads_a_request_however_it_is_cut) {
  const std::string text = "GET /a?b=1 HTTP/1.1\r\nHost: h\r\nRANGE:  bytes=0-1 \r\nAccept: a\r\nAccept: b\r\n\r\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser{HeadLimits()};
    feed(parser, text, step);
    ASSERT_TRUE(parser.complete()) << step;
    EXPECT_EQ(parser.request().method, Method::get);
    EXPECT_EQ(parser.request().target, "/a?b=1");
    EXPECT_EQ(parser.request().header(Header::range), "bytes=0-1");
    EXPECT_EQ(parser.request().header(Header::accept), "a, b");
    EXPECT_TRUE(parser.request().keepAlive);
  }
}

TEST(RequestParser, a_request_that_holds_its_body_back_is_complete_and_the_last_one) {
  for (const char* body : {"Content-Length: 5", "Transfer-Encoding: chunked"}) {
    RequestParser parser{HeadLimits()};
    feed(parser, std::string("PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n") + body + "\r\n\r\n", 5);
    EXPECT_EQ(parser.error(), 0);
    EXPECT_TRUE(parser.complete()) << body;
    EXPECT_TRUE(parser.request().holdsBody);
    EXPECT_FALSE(parser.request().keepAlive);
  }
}

TEST(RequestParser, without_a_body_or_in_http_1_0_nothing_is_held_back) {
  RequestParser bodiless{HeadLimits()};
  feed(bodiless, "GET /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", 4096);
  EXPECT_TRUE(bodiless.complete());
  EXPECT_FALSE(bodiless.request().holdsBody);
  EXPECT_TRUE(bodiless.request().keepAlive);
  RequestParser old{HeadLimits()};
  feed(old, "POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 4096);
  EXPECT_FALSE(old.complete()) << "RFC 9110, 10.1.1: there it means nothing";
}

TEST(RequestParser, stops_behind_the_first_of_several_requests) {
  RequestParser parser{HeadLimits()};
  std::string rest = feed(parser, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", 4096);
  EXPECT_EQ(parser.request().target, "/1");
  parser.next();
  EXPECT_FALSE(parser.started());
  feed(parser, rest, 7);
  EXPECT_TRUE(parser.complete());
  EXPECT_EQ(parser.request().target, "/2");
}

TEST(RequestParser, skips_bodies_with_a_length_and_in_chunks) {
  for (const char* body :
       {"Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
    RequestParser parser{HeadLimits()};
    std::string rest = feed(parser, std::string("POST /x HTTP/1.1\r\nHost: h\r\n") + body + "NEXT", 3);
    EXPECT_TRUE(parser.complete());
    EXPECT_TRUE(parser.request().hasBody);
    EXPECT_EQ(rest.substr(0, 4), "NEXT");
  }
}

TEST(RequestParser, knows_when_a_connection_stays) {
  auto keeps = [](const std::string& text) {
    RequestParser parser{HeadLimits()};
    feed(parser, text, 4096);
    return parser.request().keepAlive;
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(RequestParser, an_upgrade_is_declined_by_going_on) {
  RequestParser parser{HeadLimits()};
  feed(parser, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 4096);
  EXPECT_TRUE(parser.complete());
  EXPECT_EQ(parser.error(), 0);
}

TEST(RequestParser, refuses_with_the_right_status) {
  EXPECT_EQ(errorOf("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(errorOf("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(errorOf("\x16\x03\x01\x02\x00\x01\x00"), 400);  // TLS
  EXPECT_EQ(errorOf("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(errorOf("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(errorOf("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
  EXPECT_EQ(errorOf("GET / HTTP/1.1\r\nX: " + std::string(17000, 'a') + "\r\n\r\n"), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 101; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(errorOf(many + "\r\n"), 431);
  EXPECT_EQ(errorOf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"), 413);
  EXPECT_EQ(
      errorOf("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" + std::string(70000, 'x')),
      413);
  EXPECT_EQ(errorOf("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(errorOf(std::string("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n", 31)), 400);
}

TEST(RequestParser, random_bytes_end_in_a_request_or_an_error_and_never_hold_much) {
  std::mt19937_64 random(4);
  const std::string alphabet = "GET /HTP1.\r\n: abRange\t\x01\xff";
  for (int round = 0; round < 20'000; ++round) {
    RequestParser parser{HeadLimits()};
    std::string text = random() % 2 == 0 ? "GET / HTTP/1.1\r\n" : "";
    for (int n = static_cast<int>(random() % 200); n > 0; --n) text += alphabet[random() % alphabet.size()];
    feed(parser, text, 1 + random() % 50);
    EXPECT_FALSE(parser.complete() && parser.error() != 0);
  }
}

}  // namespace
}  // namespace vcfs::httpd
