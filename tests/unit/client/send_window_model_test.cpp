// Random operations against a model: whatever is merged, split, acknowledged out of order and replayed, the file that
// the servers make of the requests is the one that the writer meant. A failing seed is printed and replays exactly.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "client/src/core/send_window.h"

namespace vcfs::client {
namespace {

using Kind = SendWindow::Kind;

// What a primary does: executes each sequence once, in ascending order.
struct ModelServer {
  std::string file;
  SendWindow::Sequence executed = 0;

  void put(std::uint64_t offset, const char* data, std::size_t length) {
    if (file.size() < offset + length) file.resize(offset + length, '\0');
    file.replace(offset, length, data, length);
  }
  void execute(const SendWindow::Item& item) {
    if (item.sequence <= executed) return;
    executed = item.sequence;
    if (item.kind == Kind::truncate) file.resize(item.length, '\0');
    if (item.kind != Kind::write) return;
    put(item.append ? file.size() : item.offset, reinterpret_cast<const char*>(item.data), item.length);
  }
};

class Scenario {
 public:
  explicit Scenario(unsigned seed) : random_(seed), window_(limits(), 1) {}

  void go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) step();
    window_.flush();
    while (!window_.empty()) {
      sendAll();
      ASSERT_FALSE(unanswered_.empty());
      answer();
    }
    EXPECT_EQ(server_.file, meant_);
    EXPECT_EQ(window_.charged(), 0u);
    EXPECT_EQ(window_.inFlight(), 0u);
  }

 private:
  static SendWindow::Limits limits() {
    SendWindow::Limits limits;
    limits.segment = 4096;
    limits.inFlight = 16'000;
    limits.requests = 6;
    limits.maxLag = std::chrono::milliseconds(5);
    return limits;
  }
  std::uint64_t draw(std::uint64_t below) { return random_() % below; }

  void step() {
    now_ = now_ + std::chrono::milliseconds(draw(3));
    switch (draw(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return write(position_, 1 + draw(600), false);
      case 4:
        return write(draw(20'000), 1 + draw(2000), false);
      case 5:
        return write(position_ - std::min<std::uint64_t>(position_, draw(300)), 1 + draw(300), false);
      case 6:
        return writeOwned();
      case 7:
        return draw(4) == 0 ? truncate() : write(0, 1 + draw(500), true);
      case 8:
        return sendAll();
      case 9:
        return answer();
      case 10:
        return draw(6) == 0 ? replay() : answer();
      case 11:
        return draw(5) == 0 ? operation() : window_.flush();
    }
  }

  std::string fresh(std::size_t length) {
    std::string text(length, '\0');
    for (char& c : text) c = static_cast<char>('a' + draw(26));
    return text;
  }
  void mean(std::uint64_t offset, const std::string& text) {
    if (meant_.size() < offset + text.size()) meant_.resize(offset + text.size(), '\0');
    meant_.replace(offset, text.size(), text);
    position_ = offset + text.size();
  }

  void write(std::uint64_t offset, std::size_t length, bool append) {
    const std::string text = fresh(length);
    const auto cost = window_.costOf(offset, length, append, false);
    const auto before = window_.charged();
    window_.write(offset, std::as_bytes(std::span<const char>(text.data(), text.size())), nullptr, append, now_);
    EXPECT_EQ(window_.charged(), before + cost);
    mean(append ? meant_.size() : offset, text);
    if (unanswered_.empty()) {
      EXPECT_EQ(window_.projectedSize(server_.file.size()), meant_.size());
    }
    EXPECT_TRUE(window_.overlaps(append ? 0 : offset, length));
  }
  void writeOwned() {
    auto owner = std::make_shared<std::string>(fresh(1 + draw(4000)));
    const std::uint64_t offset = draw(20'000);
    window_.write(offset, std::as_bytes(std::span<const char>(owner->data(), owner->size())), owner, false, now_);
    mean(offset, *owner);
  }
  void truncate() {
    const std::uint64_t size = draw(20'000);
    window_.truncate(size);
    meant_.resize(size, '\0');
    position_ = size;
  }
  void operation() { draw(2) == 0 ? window_.sync() : window_.close(); }

  void sendAll() {
    while (const SendWindow::Item* item = window_.next(now_)) {
      if (item->barrier()) {
        EXPECT_EQ(window_.inFlight(), 1u) << "alone";
      }
      EXPECT_LE(item->length, item->kind == Kind::write ? 4096u : 1u << 20);
      EXPECT_GT(item->sequence, lastSent_) << "in order";
      lastSent_ = item->sequence;
      server_.execute(*item);
      unanswered_.insert(item->sequence);
    }
  }
  void answer() {
    if (unanswered_.empty()) return;
    auto chosen = unanswered_.begin();
    std::advance(chosen, static_cast<long>(draw(unanswered_.size())));
    EXPECT_TRUE(window_.finish(*chosen));
    unanswered_.erase(chosen);
  }
  void replay() {
    unanswered_.clear();
    lastSent_ = 0;
    window_.rewind();
  }

  std::mt19937_64 random_;
  SendWindow window_;
  ModelServer server_;
  std::string meant_;
  std::uint64_t position_ = 0;
  std::set<SendWindow::Sequence> unanswered_;
  SendWindow::Sequence lastSent_ = 0;
  TimePoint now_{1};
};

TEST(SendWindowModel, random_operations_make_the_file_that_was_meant) {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Scenario run(seed);
    run.go(400);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace vcfs::client
