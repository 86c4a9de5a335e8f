#include "fuse/kernel_view.h"

#include "fuse/convert.h"

namespace vcfs::fuse {

namespace {

constexpr Duration kKernelPatience = std::chrono::milliseconds(500);
constexpr std::chrono::milliseconds kBelievedUnsure{10'000};
constexpr Duration kLookAgain = std::chrono::milliseconds(1);
constexpr std::size_t kMostLooking = 1024;  // opens that look at their file again
constexpr Duration kLooking = std::chrono::seconds(1);

}  // namespace

KernelView::KernelView(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings,
                       std::shared_ptr<Known> known, KernelCache& kernel)
    : runtime_(runtime),
      cluster_(std::move(cluster)),
      known_(std::move(known)),
      kernel_(&kernel),
      root_(settings.root),
      attrCache_(settings.attrCache) {}

// Long only where no change can be missed: several trackers may have lost sight of each other, and a kernel that cannot
// be told to forget everything may have been without a tracker.
std::chrono::milliseconds KernelView::believed(std::chrono::milliseconds setting) const {
  const bool sure = kernel_ != nullptr && kernel_->dropsEverything() && cluster_->changesAreTold();
  return sure ? setting : std::min(setting, kBelievedUnsure);
}

double KernelView::attributesLast(const Entry& entry, std::uint64_t since) {
  auto inode = known_->inodes.find(entry.attr.inode);
  const bool changed = known_->changes.changedSince(entry.attr.inode, since);
  if (inode) {
    // An answer that crosses the order to forget is thrown away by the kernel.
    inode->kernelEnd = changed ? std::nullopt : std::optional(entry.attr.size);
    inode->changedElsewhere = changed;
  }
  if (entry.attr.state == FileState::open || changed) return 0;
  if (inode) {
    inode->believed = true;
    inode->told = pageVersionOf(entry.attr);
  }
  return toSeconds(believed(attrCache_));
}

void KernelView::dropAttributes(InodeId id) {
  if (kernel_ != nullptr) kernel_->dropAttributes(nodeOf(id));
}

void KernelView::dropPages(InodeId id) {
  if (kernel_ != nullptr) kernel_->dropPages(nodeOf(id));
}

void KernelView::forgetAttributes(InodeId id) {
  if (kernel_ == nullptr) return;
  if (questions_.underWay(id)) {
    changedWhileAsked_.insert(id);
    return;
  }
  kernel_->dropAttributes(nodeOf(id), questions_.pending(id, runtime_.clock.now()));
}

void KernelView::forgetPages(InodeId id) {
  if (kernel_ == nullptr) return;
  const bool asking = questions_.underWay(id);
  const Duration after = asking ? Questions::kTakenUp : questions_.pending(id, runtime_.clock.now());
  kernel_->dropPages(nodeOf(id), after);
}

void KernelView::forgetName(InodeId directory, const std::string& name) {
  if (kernel_ != nullptr) kernel_->dropName(nodeOf(directory), name);
}

void KernelView::forgetEverything() {
  if (kernel_ == nullptr) return;
  kernel_->dropEverything();
  known_->inodes.forEach([this](const Inode& inode) {
    // What is reached without a name: open files, working directories.
    const bool directory = inode.entry.attr.type == FileType::directory;
    if (inode.handles > 0 || directory) kernel_->dropAttributes(nodeOf(inode.id));
  });
}

void KernelView::forgetOlder(const Entry& entry) {
  auto inode = known_->inodes.find(entry.attr.inode);
  if (kernel_ == nullptr || !inode || !inode->believed) return;
  if (entry.attr.state != FileState::open && inode->told == pageVersionOf(entry.attr)) return;
  inode->believed = false;
  kernel_->dropAttributes(nodeOf(inode->id));
}

Task<void> KernelView::forgotten(InodeId id) {
  const auto node = nodeOf(id);
  if (kernel_ == nullptr || !kernel_->forgetting(node)) co_return;
  kernel_->forgetNow(node);  // who opens it has taken up what it asked for
  const TimePoint until = runtime_.clock.now() + kKernelPatience;
  while (kernel_ != nullptr && kernel_->forgetting(node) && runtime_.clock.now() < until) {
    co_await runtime_.clock.sleep(kLookAgain);
  }
}

Task<bool> KernelView::knowsEnd(Entry entry, std::int64_t opener) {
  auto self = shared_from_this();
  const InodeId id = entry.attr.inode;
  if (lookedAgain_.erase({id, opener}) != 0) {
    endQuestion(id);
    co_return true;
  }
  auto inode = known_->inodes.find(id);
  if (entry.attr.type != FileType::regular || !inode || opener == 0 || kernel_ == nullptr) co_return true;
  const bool grows = entry.attr.state == FileState::open;
  if (!grows && !inode->changedElsewhere && cluster_->changesAreTold()) co_return true;
  if (grows) co_await cluster_->refresh(entry);
  if (inode->kernelEnd == entry.attr.size || !looksAgain(id, opener)) co_return true;
  co_await forgotten(id);
  co_return false;
}

bool KernelView::looksAgain(InodeId id, std::int64_t opener) {
  if (opener == 0 || kernel_ == nullptr || lookedAgain_.size() >= kMostLooking) return false;
  if (!lookedAgain_.emplace(std::pair(id, opener), ++looks_).second) return false;
  // It would throw the answer away if it were told to forget what it knows while it looks.
  questions_.asked(id);
  runtime_.spawn("fuse.look_again", giveUpLooking(id, opener, looks_));
  return true;
}

// Who was to look again was killed, perhaps. One who came back may be looking for the next time by now.
Task<void> KernelView::giveUpLooking(InodeId id, std::int64_t opener, std::uint64_t look) {
  auto self = shared_from_this();
  co_await runtime_.clock.sleep(kLooking);
  auto at = lookedAgain_.find({id, opener});
  if (at == lookedAgain_.end() || at->second != look) co_return;
  lookedAgain_.erase(at);
  endQuestion(id);
}

void KernelView::endQuestion(InodeId id) {
  questions_.answered(id, runtime_.clock.now());
  if (!questions_.underWay(id) && changedWhileAsked_.erase(id) != 0) dropAttributes(id);
}

KernelView::Asking::Asking(std::shared_ptr<KernelView> view, InodeId id)
    : view_(std::move(view)),
      id_(id),
      kept_(view_->kernel_ != nullptr && view_->kernel_->keepAttributes(view_->nodeOf(id))) {
  view_->questions_.asked(id_);
}

KernelView::Asking::~Asking() {
  view_->questions_.answered(id_, view_->runtime_.clock.now());
  // There was no answer: what the kernel knows is as old as it was.
  const bool changed = view_->changedWhileAsked_.contains(id_);
  if (unanswered_ && (kept_ || changed)) view_->dropAttributes(id_);
  if (!view_->questions_.underWay(id_)) view_->changedWhileAsked_.erase(id_);
}

}  // namespace vcfs::fuse
