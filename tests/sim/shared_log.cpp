#include "tests/sim/shared_log.h"

namespace vcfs::sim {

namespace {

constexpr std::size_t kHeader = 12;  // name, 6 digits of number, 5 digits of length
constexpr std::size_t kLargest = 3000;

// Lines of their client and number, so that a torn or strange record is recognized.
std::string makeRecord(char name, std::uint64_t number, std::size_t length) {
  return fmt::format("{}{:06}{:05}", name, number, length) + std::string(length, name);
}

}  // namespace

Task<void> Appender::run() {
  auto self = shared_from_this();
  try {
    co_await work();
  } catch (const Error& error) {
    complaints.push_back("appending to " + path_ + " failed: " + error.what());
  }
  ended_ = true;
}

Task<void> Appender::work() {
  auto self = shared_from_this();
  OpenMode mode;
  mode.write = mode.append = true;
  auto file = co_await cluster_->openPath(path_, mode, true);
  inode_ = file->inode();
  while (!stopped_) {
    const std::string record = makeRecord(name_, written_, draw(kLargest));
    const std::span<const char> view(record.data(), record.size());
    co_await file->write(0, std::as_bytes(view));
    ++written_;
    const std::size_t next = draw(20);
    if (next == 0) co_await file->sync();
    if (next == 1) co_await file->flush();
    if (next == 2) {
      co_await file->close();
      co_await clock_.sleep(std::chrono::milliseconds(draw(200)));
      file = co_await cluster_->openPath(path_, mode, true);
    }
    co_await clock_.sleep(std::chrono::milliseconds(draw(80)));
  }
  co_await file->close();
}

Task<void> LogReader::run() {
  auto self = shared_from_this();
  while (!stopped_) {
    try {
      co_await observe();
    } catch (const Error& error) {
      if (error.code() != Errc::notFound || !seen_.empty()) {
        complaints.push_back("reading " + path_ + " failed: " + error.what());
        break;
      }
    }
    co_await clock_.sleep(std::chrono::milliseconds(20 + random_() % 150));
  }
  ended_ = true;
}

Task<void> LogReader::observe() {
  auto self = shared_from_this();
  OpenMode mode;
  auto file = co_await cluster_->openPath(path_, mode, false);
  const std::size_t from = seen_.empty() ? 0 : random_() % (seen_.size() + 1);
  std::string text(seen_.size() - from + 20'000, '\0');
  const std::span<char> view(text.data(), text.size());
  text.resize(co_await file->readInto(from, std::as_writable_bytes(view)));
  co_await file->close();
  const std::size_t common = std::min(text.size(), seen_.size() - from);
  if (seen_.compare(from, common, text, 0, common) != 0) complaints.push_back("bytes of " + path_ + " changed");
  if (text.size() < seen_.size() - from) {
    complaints.push_back("bytes of " + path_ + " vanished: " + std::to_string(from + text.size()) + " of " +
                         std::to_string(seen_.size()));
  }
  if (text.find('\0') != std::string::npos) complaints.push_back("a zero in " + path_ + " that nobody wrote");
  if (from + text.size() > seen_.size()) seen_.replace(from, std::string::npos, text);
}

std::string judgeLog(const std::string& text, const std::map<char, std::uint64_t>& written) {
  std::map<char, std::uint64_t> next;
  for (std::size_t at = 0; at < text.size();) {
    if (text.size() - at < kHeader) return "a torn record at " + std::to_string(at);
    const char name = text[at];
    const std::uint64_t number = std::strtoull(text.substr(at + 1, 6).c_str(), nullptr, 10);
    const std::size_t length = std::strtoull(text.substr(at + 7, 5).c_str(), nullptr, 10);
    if (!written.contains(name) || text.compare(at, kHeader + length, makeRecord(name, number, length)) != 0) {
      return "no record at " + std::to_string(at);
    }
    if (number != next[name]) {
      return fmt::format("record {} of {} at {} where {} is due: {}", number, name, at, next[name],
                         number < next[name] ? "it is there twice" : "one is missing");
    }
    ++next[name];
    at += kHeader + length;
  }
  for (const auto& [name, count] : written) {
    if (next[name] != count) return fmt::format("{} of {} records of {}", next[name], count, name);
  }
  return "";
}

}  // namespace vcfs::sim
