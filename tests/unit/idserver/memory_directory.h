#pragma once

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "idserver/store/directory.h"

namespace vcfs::idserver {

// A directory in memory that can be pulled the plug at any step.
//
// Fault model. Content that was not syncFile()d after its last write survives as any prefix, or as garbage of the same
// length. Names made or renamed since the last sync() survive up to any point, in their order (a journal). A crash
// strikes before or after the effect of the step it is set to.
struct Crash {};  // thrown through everything: the process is gone

class Disk {
 public:
  struct Content {
    std::string now;
    std::string durable;
    bool synced = true;
  };
  using Names = std::map<std::string, std::shared_ptr<Content>>;

  void crashAfterSteps(int steps, bool before) {
    stepsLeft_ = steps;
    before_ = before;
  }
  bool armed() const { return stepsLeft_ >= 0; }

  // What a machine finds after the power came back; `powerCut` false: only the process died, nothing is lost.
  void restart(std::mt19937_64& random, bool powerCut) {
    stepsLeft_ = -1;
    if (powerCut) {
      std::size_t kept = journal_.empty() ? 0 : random() % (journal_.size() + 1);
      names_ = kept == 0 ? durable_ : journal_[kept - 1];
      for (auto& [name, content] : names_) content->now = survivor(*content, random);
    }
    durable_ = names_;
    journal_.clear();
    for (auto& [name, content] : names_) {
      content->durable = content->now;
      content->synced = true;
    }
  }

  Names& names() { return names_; }

  template <class Effect>
  void step(Effect effect) {
    bool strikes = stepsLeft_ == 0;
    if (stepsLeft_ >= 0) --stepsLeft_;
    if (strikes && before_) throw Crash{};
    effect();
    if (strikes) throw Crash{};
  }
  void noteNames() { journal_.push_back(names_); }
  void syncNames() {
    durable_ = names_;
    journal_.clear();
  }

 private:
  static std::string survivor(const Content& content, std::mt19937_64& random) {
    if (content.synced) return content.now;
    switch (random() % 4) {
      case 0:
        return content.now;
      case 1:
        return content.now.substr(0, random() % (content.now.size() + 1));
      case 2:
        return std::string(content.now.size(), '\0');
      default: {
        std::string garbage = content.now;
        for (char& c : garbage) c = static_cast<char>(random());
        return garbage;
      }
    }
  }

  Names names_, durable_;
  std::vector<Names> journal_;
  int stepsLeft_ = -1;
  bool before_ = false;
};

class MemoryDirectory final : public Directory {
 public:
  explicit MemoryDirectory(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
  std::string path(const std::string& name) const override { return "/memory/" + name; }
  std::optional<std::string> read(const std::string& name) override {
    auto found = disk_->names().find(name);
    if (found == disk_->names().end()) return std::nullopt;
    return found->second->now;
  }
  void write(const std::string& name, const std::string& content) override {
    disk_->step([&] {
      auto& slot = disk_->names()[name];
      slot = std::make_shared<Disk::Content>();
      slot->now = content;
      slot->synced = false;
      disk_->noteNames();
    });
  }
  void syncFile(const std::string& name) override {
    disk_->step([&] {
      Disk::Content& content = *disk_->names().at(name);
      content.durable = content.now;
      content.synced = true;
    });
  }
  void rename(const std::string& from, const std::string& to) override {
    disk_->step([&] {
      disk_->names()[to] = disk_->names().at(from);
      disk_->names().erase(from);
      disk_->noteNames();
    });
  }
  void sync() override {
    disk_->step([&] { disk_->syncNames(); });
  }

 private:
  std::shared_ptr<Disk> disk_;
};

}  // namespace vcfs::idserver
