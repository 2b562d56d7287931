#include "base/content_id.h"

#include <openssl/sha.h>

#include <array>

namespace keelson {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest_of(std::string_view bytes) noexcept {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

}  // namespace

uint64_t content_id(std::string_view canonical) noexcept {
  const Digest digest = digest_of(canonical);
  uint64_t id = 0;
  for (int i = 0; i < 8; i++) id = id << 8 | digest[i];
  return id == 0 ? 1 : id;
}

std::string sha256_hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest_of(bytes)) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

}  // namespace keelson
