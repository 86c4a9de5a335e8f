#include "common/runtime/blocking_pool.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/base/log.h"
#include "common/runtime/quiet_thread.h"

namespace vcfs {

namespace {

struct Job {
  std::function<void()> work;
  std::function<void()> done;
  bool quiet = false;
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
  ThreadPool(asio::io_context& io, std::string name) : io_(io), alive_(std::make_shared<bool>(true)), watch_(io) {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }

  ~ThreadPool() override {
    *alive_ = false;
    ++awaited_;  // this waits for all of them
    thisThread_.hurry();
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void submit(std::function<void()> job, std::function<void()> done) override {
    put(Job{std::move(job), std::move(done), false});
  }
  void submitQuiet(std::function<void()> job, std::function<void()> done) override {
    put(Job{std::move(job), std::move(done), true});
    if (!watching_) watch();
  }

  std::size_t queued() const override { return queued_; }
  asio::io_context& loop() override { return io_; }

 private:
  void put(Job job) {
    ++queued_;
    if (!job.quiet) {
      ++awaited_;
      thisThread_.hurry();
    }
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
  }

  // While there is anything to do: no turn in the background is long.
  void watch() {
    watching_ = true;
    watch_.expires_after(QuietThread::kLongestTurn);
    watch_.async_wait([this, alive = alive_](asio::error_code) {
      if (!*alive) return;
      thisThread_.hurryWhenLong();
      watching_ = false;
      if (queued_ > 0) watch();
    });
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      perform(job);
      finish(std::move(job.done));
      lock.lock();
    }
  }

  void perform(Job& job) {
    if (!job.quiet) --awaited_;
    const bool quiet = job.quiet && awaited_ == 0;
    if (quiet) {
      thisThread_.begin();
      if (awaited_ > 0) thisThread_.hurry();  // that came before begin()
    }
    job.work();
    job.work = nullptr;
    if (quiet) thisThread_.end();
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
  asio::steady_timer watch_;     // loop thread only
  bool watching_ = false;        // loop thread only
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::atomic<std::size_t> awaited_ = 0;  // of these, those of submit()
  QuietThread thisThread_;
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
