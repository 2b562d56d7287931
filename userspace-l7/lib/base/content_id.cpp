#include "base/content_id.h"

#include <openssl/sha.h>

#include <array>

namespace keelson {

uint64_t content_id(std::string_view canonical) noexcept {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(canonical.data()), canonical.size(), digest.data());
  uint64_t id = 0;
  for (int i = 0; i < 8; i++) id = id << 8 | digest[i];
  return id == 0 ? 1 : id;
}

}  // namespace keelson
