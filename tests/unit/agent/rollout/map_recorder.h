// MapRecorder: a MapWriter over plain rows, which calls back after every write and can be told to
// fail the n-th one; ProxyStub: a Publisher that the test acknowledges by hand.
#pragma once

#include <functional>
#include <optional>

#include "rollout/map_writer.h"
#include "rollout/publisher.h"

namespace keelson::rollout {

class MapRecorder final : public MapWriter {
 public:
  compile::Rows rows;
  size_t writes = 0;
  std::optional<size_t> fail_at;  // fails the write with this number, once
  std::function<void(const compile::RowKey&)> after_write;

  Result<void> put(compile::MapId map, std::string_view key, std::string_view value) override {
    KS_TRY(count());
    const compile::RowKey row{map, key};
    rows[row] = value;
    if (after_write) after_write(row);
    return {};
  }
  Result<void> erase(compile::MapId map, std::string_view key) override {
    KS_TRY(count());
    const compile::RowKey row{map, key};
    rows.erase(row);
    if (after_write) after_write(row);
    return {};
  }
  Result<compile::Rows> read_all() override { return rows; }

 private:
  Result<void> count() {
    if (fail_at == writes) {
      fail_at.reset();
      return fail(Reason::map_write_failed, ErrorSource::kKernel, "told to fail");
    }
    writes++;
    return {};
  }
};

class ProxyStub final : public Publisher {
 public:
  bool connected = true;
  std::vector<uint64_t> published;
  bool publish(uint64_t generation) override {
    if (connected) published.push_back(generation);
    return connected;
  }
};

}  // namespace keelson::rollout
