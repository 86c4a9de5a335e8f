#include "common/rpc/socket_output.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace vcfs::rpc {
namespace {

using namespace std::chrono_literals;

// The bytes of a message that is sent from where it lies, and who owns them.
struct Large {
  std::shared_ptr<std::vector<capnp::word>> words = std::make_shared<std::vector<capnp::word>>(2048);
  std::weak_ptr<const void> watched = words;
  bool alive() const { return !watched.expired(); }
};

class HeldBytes : public ::testing::Test {
 protected:
  HeldBytes() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0); }
  ~HeldBytes() override {
    for (int end : ends_) ::close(end);
  }
  void hold(Large& message, Duration at) {
    bytes_ = message.words->data();
    output().hold(bytes_, std::move(message.words), TimePoint{} + at);
  }
  // The message whose bytes were held last.
  void send() {
    kj::ArrayPtr<const capnp::word> segment(bytes_, 2048);
    EXPECT_FALSE(output().add(kj::arrayPtr(&segment, 1)));
    while (output().flush() == SocketOutput::Sent::blocked) drain();
    drain();
  }
  void drain() {
    char bytes[65536];
    while (::read(ends_[1], bytes, sizeof bytes) > 0) {
    }
  }
  SocketOutput& output() {
    if (!output_) output_.emplace(ends_[0]);
    return *output_;
  }

 private:
  std::array<int, 2> ends_{};
  std::optional<SocketOutput> output_;
  const capnp::word* bytes_ = nullptr;
};

TEST_F(HeldBytes, live_until_their_message_has_left) {
  Large message;
  hold(message, 0s);
  EXPECT_TRUE(message.alive());
  send();
  EXPECT_FALSE(message.alive());
}

TEST_F(HeldBytes, of_a_message_that_never_comes_go_when_one_of_much_later_has_left) {
  Large unsent, soon, later;
  hold(unsent, 0s);
  hold(soon, 50s);
  send();
  EXPECT_TRUE(unsent.alive());
  hold(later, 61s);
  EXPECT_TRUE(unsent.alive()) << "its message may still wait in front of that one";
  send();
  EXPECT_FALSE(unsent.alive());
}

}  // namespace
}  // namespace vcfs::rpc
