// base64 (RFC 4648 section 4), for text that carries bytes. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson {

std::string base64_encoded(std::string_view bytes);
// Line breaks and blanks are passed over. Nothing: not base64.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace keelson
