#include "tests/sim/faulty_catalog.h"

#include "common/base/error.h"

namespace vcfs::sim {

void FaultyCatalog::use() const {
  if (faults_->away) throw Error(Errc::unavailable, "the database is away");
}

Task<void> FaultyCatalog::writeBody(Body body, tracker::Durability durability) {
  use();
  const bool repeated = drawn(faults_->repeatOneIn);
  const bool late = drawn(faults_->lateOneIn);
  co_await catalog_.writeBody(body, durability);
  if (repeated) co_await catalog_.writeBody(body, durability);
  if (!late) co_return;
  if (late_) late_();
  throw Error(Errc::unavailable, "the database did not answer in time");
}

Task<void> FaultyCatalog::readBody(Body body) {
  use();
  co_await catalog_.readBody(std::move(body));
}

Task<void> FaultyCatalog::sync() {
  use();
  co_await catalog_.sync();
}

}  // namespace vcfs::sim
