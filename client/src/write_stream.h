#pragma once

#include <map>
#include <set>

#include "client/src/core/send_window.h"
#include "client/src/core/size_view.h"
#include "client/src/core/unsynced.h"
#include "client/src/lag_queue.h"
#include "client/src/route.h"

namespace vcfs::client {

// Carries one file's SendWindow to its primary: sends what is due, takes the answers, and when the primary is lost or
// is not the primary any more, has the Route repaired and replays. One per file that is or was open for writing here.
//
// Loop thread only; owned by shared_ptr, its coroutines hold it. write() into a window with room costs no coroutine and
// no timer. Every wait ends: an operation that gets nowhere for stallLimit fails, and with it everything in the window.
class WriteStream final : public LagQueue::Sleeper, public LinkUser, public std::enable_shared_from_this<WriteStream> {
 public:
  using Sequence = SendWindow::Sequence;

  WriteStream(std::shared_ptr<Core> core, std::shared_ptr<Route> route, std::shared_ptr<SizeView> sizes);
  ~WriteStream() override;

  // ---- writing

  // Takes as much of `data` as fits now, without waiting; returns how much.
  std::size_t take(std::uint64_t offset, std::span<const std::byte> data, const std::shared_ptr<const void>& owner,
                   bool append);
  // Until take() may succeed, or a moment has passed.
  Task<void> waitRoom();

  // ---- draining. None of these throws what happened to the bytes: see errorsSince().

  Task<void> drain();  // every byte of now is acknowledged (or failed)
  // Where the primary was lost since bytes were acknowledged that no sync covers: hears from the one there is now
  // whether they are still there. Waits for that one up to stallLimit; throws Error(unavailable) then.
  Task<void> confirm();
  Task<Reply> truncate(std::uint64_t size);  // these throw what went wrong with the operation itself
  Task<Reply> copy(std::uint64_t offset, std::uint64_t length, std::shared_ptr<const SendWindow::Source> source);
  Task<Reply> allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode);
  Task<Reply> sync();
  Task<Reply> close();  // tells the primary that this client has finished

  // ---- errors of bytes, told to each handle once
  std::uint64_t errorCount() const { return errors_; }
  const std::optional<Error>& lastError() const { return lastError_; }

  // ---- acknowledged bytes that may be gone since every server that had them lost power; write() goes on
  std::uint64_t lossCount() const { return losses_; }
  Error lossError() const;

  // While it is held open for writing the primary must know (its lease), also when it is replaced while nothing is
  // written.
  void keepLease(bool keep);
  // Tells the primary now that this client has the file open for writing.
  Task<void> takeLease();
  // The same for as long as it is kept: one that a close overtook would open the file again, and nobody would close it.
  // Throws Error(cancelled) then.
  Task<void> renewLease();

  const SendWindow& window() const { return window_; }
  // Somebody else on this host may have learnt of another primary first: that one has not heard of us.
  bool leaseKnown() const { return leaseEpoch_ != 0 && leaseEpoch_ == route_->epoch(); }
  bool leaseLeft() const { return leaseEpoch_ != 0 && !leaseKnown(); }  // with a former primary
  Sequence lastSequence() const { return window_.last(); }

  void lagPassed(TimePoint until) override;
  void linkLost(const StorageLink& link) override;
  void linkSlow(const StorageLink& link) override;

 private:
  struct Outcome {
    std::optional<Reply> reply;
    unsigned waiters = 0;
  };

  std::size_t room(std::uint64_t offset, std::size_t length, bool append, bool owned) const;
  void charge();
  void pump() { pumpUntil(core_->now()); }
  void pumpUntil(TimePoint now);
  void armLag();
  void send(const SendWindow::Item& item, const std::shared_ptr<StorageLink>& link);
  // For a change that is made now: this host's clock, but later than everything that is known of the file. So no two
  // contents have one mtime, and a change after utimens() counts as later although this host's clock may be behind.
  std::int64_t timeOfChange();
  void fillWriter(schema::Writer::Builder writer, const SendWindow::Item& item) const;
  kj::Promise<Reply> request(const SendWindow::Item& item, StorageLink& link);
  kj::Promise<Reply> writeRequest(const SendWindow::Item& item, StorageLink& link);
  Duration answerLimit(bool syncs) const;
  Task<void> await(Sequence sequence, bool syncs, std::uint64_t generation, Epoch epoch, SizeView::Stamp sent,
                   std::shared_ptr<StorageLink> link, kj::Promise<Reply> promise);
  void answered(Sequence sequence, Epoch epoch, SizeView::Stamp sent, const Reply& reply);
  void applied(const SendWindow::Item& item, Epoch epoch, SizeView::Stamp sent, const Reply& reply);
  void refused(Sequence sequence, const Reply& reply, Epoch epoch, StorageLink& link);
  void failed(Sequence sequence, Reply reply);
  void failAll(const Error& error);
  void recover(bool pause);
  Task<void> recovery(bool pause);
  bool tooSlow(const StorageLink& link) const;
  Task<void> leave(StorageId slow);
  Task<bool> anotherAnswers(StorageId slow);
  std::vector<Replica> othersInSync(StorageId storage) const;
  Task<void> tellOpen(bool whileKept);
  Task<Reply> run(Sequence sequence);
  void watchLink(const std::shared_ptr<StorageLink>& link);
  void note(const Error& error);
  void heard(const FileInfo& info);

  std::shared_ptr<Core> core_;
  std::shared_ptr<Route> route_;
  std::shared_ptr<SizeView> sizes_;
  SendWindow window_;
  Signal progress_;                       // something was acknowledged, failed or freed
  std::map<Sequence, Outcome> outcomes_;  // operations somebody waits for
  std::uint64_t charged_ = 0;             // what the total budget was told
  std::uint64_t generation_ = 0;          // raised by each replay: answers of older ones are not looked at
  TimePoint progressAt_;                  // the last acknowledgement, or when there was first something to send
  bool recovering_ = false;
  unsigned pauses_ = 0;  // repeats without progress
  bool lagArmed_ = false;
  bool keepLease_ = false;
  Epoch leaseEpoch_ = 0;  // whose primary knows that we write; 0: none may
  std::weak_ptr<StorageLink> watched_;
  Epoch refusedAt_ = 0;   // the epoch whose primary's disk said no
  TimePoint leaveAgain_;  // a primary that is too slow is not left before
  int left_ = 0;          // so often one was
  Epoch lostAt_ = 0;      // the epoch whose primary was lost, nothing acknowledged since
  std::uint64_t errors_ = 0;
  bool abandoned_ = false;    // failAll(), and nothing was answered since
  Sequence unawareFrom_ = 0;  // a write that failed, and …
  Sequence unawareTo_ = 0;    // … the newest call that the program had made when that became known
  std::optional<Error> lastError_;
  Unsynced unsynced_;
  std::uint64_t losses_ = 0;
  std::int64_t lastChangeNs_ = 0;
};

}  // namespace vcfs::client
