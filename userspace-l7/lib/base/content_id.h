// content_id: the 64-bit ids of identities, services, policies and policy sets: the first 64 bits
// of SHA-256 of the canonical name or content. No allocator, nothing to persist; 0 is never
// returned. Two names with one id are a compile error of the configuration (Reason::id_collision).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson {

uint64_t content_id(std::string_view canonical) noexcept;
// The whole digest, in lower case.
std::string sha256_hex(std::string_view bytes);

}  // namespace keelson
