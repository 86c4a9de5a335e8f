#pragma once

#include <memory>
#include <random>

#include "tracker/catalog/catalog.h"

namespace vcfs::sim {

// What a database behind a network does to its trackers.
struct CatalogFaults {
  bool away = false;         // nothing is answered, nothing is done
  unsigned repeatOneIn = 0;  // writes of which the answer to COMMIT is lost: the engine runs the body again; 0: none
  unsigned lateOneIn = 0;    // writes that are committed after their caller was told `unavailable`; 0: none
};

// One tracker's way to the catalog that all of them share.
class FaultyCatalog final : public tracker::Catalog {
 public:
  FaultyCatalog(tracker::Catalog& catalog, std::shared_ptr<const CatalogFaults> faults, std::uint64_t seed)
      : catalog_(catalog), faults_(std::move(faults)), random_(seed) {}
  Task<void> writeBody(Body body, tracker::Durability durability) override;
  Task<void> readBody(Body body) override;
  Task<void> sync() override;
  std::string engine() const override { return catalog_.engine(); }
  bool shared() const override { return catalog_.shared(); }
  void onLateCommit(std::function<void()> late) override { late_ = std::move(late); }

 private:
  void use() const;
  bool drawn(unsigned oneIn) { return oneIn != 0 && random_() % oneIn == 0; }

  tracker::Catalog& catalog_;
  std::shared_ptr<const CatalogFaults> faults_;
  std::mt19937_64 random_;
  std::function<void()> late_;
};

}  // namespace vcfs::sim
