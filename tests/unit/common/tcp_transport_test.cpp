// Connecting to hosts that are given by name: every address of theirs is tried, and a look-up that gets no answer keeps
// nobody for longer than he wants to wait.
#include "common/rpc/tcp_transport.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace vcfs {
namespace {

using namespace std::chrono_literals;
using asio::ip::make_address;

// What the system is asked, answered by hand.
struct Asked {
  std::vector<NameLookup::Answer> answers;
  NameLookup::Ask ask() {
    return [this](const std::string&, NameLookup::Answer answer) { answers.push_back(std::move(answer)); };
  }
};

class NameLookupTest : public testing::Test {
 protected:
  // One who looks the name up, and what became of that.
  struct Finder {
    std::optional<NameLookup::Addresses> found;
    std::optional<Error> failure;
  };
  std::shared_ptr<Finder> find(const std::string& host = "tracker1") {
    auto finder = std::make_shared<Finder>();
    auto task = [](NameLookup& lookup, std::string name, std::shared_ptr<Finder> me) -> Task<void> {
      try {
        me->found = co_await lookup.find(name, 500ms);
      } catch (const Error& error) {
        me->failure = error;
      }
    };
    asio::co_spawn(io, task(names, host, finder), asio::detached);
    clock.advance(0ms);
    return finder;
  }
  void answer(std::size_t index, NameLookup::Addresses addresses) {
    asked.answers.at(index)({}, std::move(addresses));
    clock.advance(0ms);
  }

  asio::io_context io{1};
  ManualClock clock{io};
  Asked asked;
  NameLookup names{io, clock, asked.ask()};
  const NameLookup::Addresses one{make_address("10.0.0.1")};
  const NameLookup::Addresses two{make_address("::1"), make_address("10.0.0.2")};
};

TEST_F(NameLookupTest, gives_what_the_system_says) {
  auto finder = find();
  EXPECT_FALSE(finder->found || finder->failure);
  answer(0, two);
  EXPECT_EQ(finder->found, two);
}

TEST_F(NameLookupTest, without_an_answer_ends_at_its_limit_and_nobody_is_to_blame) {
  auto finder = find();
  clock.advance(499ms);
  EXPECT_FALSE(finder->failure);
  clock.advance(1ms);
  ASSERT_TRUE(finder->failure);
  EXPECT_EQ(finder->failure->code(), Errc::timeout);
  EXPECT_TRUE(finder->failure->unasked());
}

TEST_F(NameLookupTest, of_a_name_that_is_none_fails_at_once_and_nobody_is_to_blame) {
  auto finder = find();
  asked.answers.at(0)(asio::error::host_not_found, {});
  clock.advance(0ms);
  ASSERT_TRUE(finder->failure);
  EXPECT_EQ(finder->failure->code(), Errc::unavailable);
  EXPECT_TRUE(finder->failure->unasked());
}

TEST_F(NameLookupTest, is_under_way_once_for_all_who_wait_and_for_who_comes_later) {
  auto first = find();
  clock.advance(300ms);
  auto second = find();
  clock.advance(300ms);
  EXPECT_TRUE(first->failure);
  answer(0, one);
  EXPECT_EQ(second->found, one);
  EXPECT_EQ(asked.answers.size(), 1u);
}

TEST_F(NameLookupTest, of_one_name_does_not_stand_for_another_one) {
  find("tracker1");
  auto other = find("tracker2");
  answer(1, one);
  EXPECT_EQ(other->found, one);
}

TEST_F(NameLookupTest, without_an_answer_gives_those_of_last_time_and_waits_for_it_once) {
  find();
  answer(0, two);
  auto again = find();
  clock.advance(499ms);
  EXPECT_FALSE(again->found);
  clock.advance(1ms);
  EXPECT_EQ(again->found, two);
  EXPECT_EQ(find()->found, two);
  answer(1, one);
  auto later = find();
  answer(2, one);
  EXPECT_EQ(later->found, one);
}

TEST_F(NameLookupTest, that_fails_gives_those_of_last_time) {
  find();
  answer(0, two);
  auto again = find();
  asked.answers.at(1)(asio::error::host_not_found_try_again, {});
  clock.advance(0ms);
  EXPECT_EQ(again->found, two);
}

TEST_F(NameLookupTest, puts_the_address_first_that_did_last_time) {
  find();
  answer(0, two);
  names.reached("tracker1", two[1]);
  auto again = find();
  answer(1, two);
  EXPECT_EQ(again->found, (NameLookup::Addresses{two[1], two[0]}));
}

class TcpTransportTest : public testing::Test {
 protected:
  // Connects to a listener at 127.0.0.1 by `host`; what it was told.
  std::optional<Error> connect(const std::string& host) {
    auto listener = transport.listen("127.0.0.1:0", [](std::unique_ptr<Link>) {});
    const std::string& address = listener->address();
    std::optional<Error> failure;
    bool done = false;
    auto task = [&](std::string to) -> Task<void> {
      try {
        co_await transport.connect(to, 5s);
      } catch (const Error& error) {
        failure = error;
      }
      done = true;
    };
    asio::co_spawn(io, task(host + address.substr(address.rfind(':'))), asio::detached);
    while (!done) io.run_one();
    return failure;
  }

  asio::io_context io{1};
  SystemClock clock{io};
  NameLookup::Addresses found;
  int lookups = 0;
  TcpTransport transport{io, clock, NameLookup(io, clock, [this](const std::string&, const NameLookup::Answer& answer) {
                           ++lookups;
                           answer({}, found);
                         })};
};

TEST_F(TcpTransportTest, every_address_of_a_host_is_tried) {
  found = {make_address("127.0.0.2"), make_address("127.0.0.3"), make_address("127.0.0.1")};
  EXPECT_FALSE(connect("somehost"));
}

TEST_F(TcpTransportTest, a_host_that_takes_no_connection_at_any_of_them_was_asked) {
  found = {make_address("127.0.0.2"), make_address("127.0.0.3")};
  const auto failure = connect("somehost");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code(), Errc::unavailable);
  EXPECT_FALSE(failure->unasked());
}

TEST_F(TcpTransportTest, an_address_in_numbers_is_not_looked_up) {
  EXPECT_FALSE(connect("127.0.0.1"));
  EXPECT_EQ(lookups, 0);
}

}  // namespace
}  // namespace vcfs
