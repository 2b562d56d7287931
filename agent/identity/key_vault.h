// KeyVault: where sealed key material survives this process: keelson-hold's store. A seam: tests
// use a map. Agent loop only; each call waits for hold's answer.
#pragma once

#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "link/hold_client.h"

namespace keelson::identity {

class KeyVault {
 public:
  virtual ~KeyVault() = default;
  virtual Result<void> put(std::string_view store_key, const Fd& sealed) = 0;
  virtual Result<void> drop(std::string_view store_key) = 0;  // one that is not there is no error
  virtual Result<Fd> get(std::string_view store_key) = 0;     // Error: not_found, or of hold
  // Grows when the vault may be empty again (hold restarted).
  virtual uint64_t connections() const noexcept = 0;
};

class HoldVault final : public KeyVault {
 public:
  // `hold` outlives the vault.
  explicit HoldVault(link::HoldClient& hold) noexcept : hold_(hold) {}
  Result<void> put(std::string_view store_key, const Fd& sealed) override {
    return hold_.put(store_key, sealed.get());
  }
  Result<void> drop(std::string_view store_key) override {
    auto dropped = hold_.drop(store_key);
    if (!dropped && dropped.error().reason == Reason::not_found) return {};
    return dropped;
  }
  Result<Fd> get(std::string_view store_key) override { return hold_.get(store_key); }
  uint64_t connections() const noexcept override { return hold_.connections(); }

 private:
  link::HoldClient& hold_;
};

}  // namespace keelson::identity
