// KeyMaterial: what one workload identity needs to speak TLS, and its form in a sealed memfd, which
// hold keeps so that no restart needs the CA. Agent writes, agent and proxy read, hence lib/tls.
// Pure, any thread. Does not make the memfd (lib/link) nor judge the certificates (tls_context.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tls/openssl_handle.h"
#include "tls/spiffe_id.h"

namespace keelson::tls {

struct KeyMaterial {
  SpiffeId id;
  SecretBytes key;                 // PKCS#8 DER
  std::vector<std::string> chain;  // DER, leaf first, without the root
  std::vector<std::string> trust;  // DER roots; several while a root is being replaced
  WallTime not_before;
  WallTime not_after;

  KeyMaterial clone() const;
};

inline constexpr size_t kKeyMaterialBytesMax = 64 * 1024;

// Error: key_material_malformed.
Result<SecretBytes> encode_key_material(const KeyMaterial& material);
Result<KeyMaterial> decode_key_material(std::string_view payload);

}  // namespace keelson::tls
