#pragma once

#include <map>
#include <unordered_set>
#include <utility>

#include "fuse/kernel_cache.h"
#include "fuse/known.h"
#include "fuse/policy/questions.h"

namespace vcfs::fuse {

// What the kernel is told to believe and for how long, and what it is told to forget (DESIGN.md, "What the kernel may
// believe"). Takes the store's inode numbers: node numbers are the kernel's (1: the mount's root). Loop thread only.
class KernelView : public std::enable_shared_from_this<KernelView> {
 public:
  // `kernel` outlives the object's last use of it: detach() ends that, and nothing is told from then on.
  KernelView(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings,
             std::shared_ptr<Known> known, KernelCache& kernel);
  void detach() { kernel_ = nullptr; }
  bool attached() const { return kernel_ != nullptr; }

  InodeId inodeOf(std::uint64_t node) const { return node == kRootNode ? root_ : node; }
  std::uint64_t nodeOf(InodeId inode) const { return inode == root_ ? kRootNode : inode; }
  bool mapsDirect() const { return kernel_ != nullptr && kernel_->mapsDirect(); }

  // How long the kernel may believe what the setting says for when no change can be missed.
  std::chrono::milliseconds believed(std::chrono::milliseconds setting) const;
  // For how many seconds these attributes, which the kernel is being told, count; notes that it believes them.
  double attributesLast(const Entry& entry, std::uint64_t since);

  // Now, whatever the kernel is asking for.
  void dropAttributes(InodeId id);
  void dropPages(InodeId id);
  // Somebody else changed it. Not while the kernel is asking: it gets an answer that it does not believe for long.
  void forgetAttributes(InodeId id);
  void forgetPages(InodeId id);
  void forgetName(InodeId directory, const std::string& name);
  void forgetEverything();
  // What the kernel believes of it, when it is not this. Where changes are not told in time, who opens a file may learn
  // of one before the kernel does.
  void forgetOlder(const Entry& entry);
  // What others changed is told to the kernel on another thread. Who opens the file is to see it: attributes that the
  // kernel should have forgotten by now would cut what is read. Waits half a second at most.
  Task<void> forgotten(InodeId id);
  // Whether the kernel takes the file to end where it does, as far as this mount can tell. Reads ask; a mapping goes by
  // the end that the kernel knows, and an open(2) of a name that it knows asks for nothing. Who is answered ESTALE then
  // looks the name up and opens it again, in the same system call: false at most once for each such call of a thread.
  Task<bool> knowsEnd(Entry entry, std::int64_t opener);
  // This thread is being answered ESTALE and opens the file again: knowsEnd() is true then, since the kernel does so
  // once. False where that cannot be told from another open(2).
  bool looksAgain(InodeId id, std::int64_t opener);

  // The kernel is asking for an inode's attributes: it hears nothing else about them until it has its answer.
  class Asking {
   public:
    Asking(std::shared_ptr<KernelView> view, InodeId id);
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    ~Asking();
    void answered() { unanswered_ = false; }

   private:
    const std::shared_ptr<KernelView> view_;
    const InodeId id_;
    bool unanswered_ = true;
    const bool kept_;  // an order to forget what the answer makes new was taken back
  };

 private:
  Task<void> giveUpLooking(InodeId id, std::int64_t opener, std::uint64_t look);
  void endQuestion(InodeId id);

  static constexpr std::uint64_t kRootNode = 1;

  Runtime& runtime_;
  const std::shared_ptr<Cluster> cluster_;
  const std::shared_ptr<Known> known_;
  KernelCache* kernel_;
  Questions questions_;                            // GETATTRs
  std::unordered_set<InodeId> changedWhileAsked_;  // of these: the answer is believed for no time, if there is one
  std::map<std::pair<InodeId, std::int64_t>, std::uint64_t> lookedAgain_;  // who was told to, and which look it is
  std::uint64_t looks_ = 0;
  const InodeId root_;
  const std::chrono::milliseconds attrCache_;
};

}  // namespace vcfs::fuse
