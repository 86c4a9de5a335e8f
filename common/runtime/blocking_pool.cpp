#include "common/runtime/blocking_pool.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/base/log.h"

namespace vcfs {

namespace {

struct Job {
  std::function<void()> work;
  std::function<void()> done;
};

// One that throws is a bug; those behind it are not to wait for ever because of it.
void deliverOne(const std::function<void()>& done) {
  if (!done) return;
  try {
    done();
  } catch (const std::exception& error) {
    log::error("pool.done.failed", {{"reason", error.what()}});
  }
}

class ThreadPool final : public BlockingPool {
 public:
  ThreadPool(asio::io_context& io, std::string name) : io_(io), alive_(std::make_shared<bool>(true)) {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }

  ~ThreadPool() override {
    *alive_ = false;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void submit(std::function<void()> job, std::function<void()> done) override {
    ++queued_;
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(Job{std::move(job), std::move(done)});
    }
    wake_.notify_one();
  }

  std::size_t queued() const override { return queued_; }
  asio::io_context& loop() override { return io_; }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job.work();
      job.work = nullptr;
      finish(std::move(job.done));
      lock.lock();
    }
  }

  // Jobs that end while the loop is busy are handed over together: one post for all of them.
  void finish(std::function<void()> done) {
    bool first = false;
    {
      std::lock_guard lock(doneMutex_);
      first = done_.empty();
      done_.push_back(std::move(done));
    }
    if (first)
      asio::post(io_, [this, alive = alive_] {
        if (*alive) deliver();
      });
  }

  void deliver() {
    std::vector<std::function<void()>> done;
    {
      std::lock_guard lock(doneMutex_);
      done.swap(done_);
    }
    queued_ -= done.size();
    for (const auto& one : done) deliverOne(one);
  }

  asio::io_context& io_;
  std::shared_ptr<bool> alive_;  // loop thread only
  std::size_t queued_ = 0;       // loop thread only
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::mutex doneMutex_;
  std::vector<std::function<void()>> done_;
  std::thread thread_;
};

class InlinePool final : public BlockingPool {
 public:
  explicit InlinePool(asio::io_context& io) : io_(io) {}
  void submit(std::function<void()> job, std::function<void()> done) override {
    job();
    asio::post(io_, [done = std::move(done)] { deliverOne(done); });
  }
  std::size_t queued() const override { return 0; }
  asio::io_context& loop() override { return io_; }

 private:
  asio::io_context& io_;
};

}  // namespace

std::unique_ptr<BlockingPool> makeThreadPool(asio::io_context& io, std::string name) {
  return std::make_unique<ThreadPool>(io, std::move(name));
}

std::unique_ptr<BlockingPool> makeInlinePool(asio::io_context& io) { return std::make_unique<InlinePool>(io); }

}  // namespace vcfs
