// percent_encoded: text as a part of a URL (RFC 3986 2.1). Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace keelson {

// Unreserved characters (2.3) stay as they are, and those of `also_plain`.
std::string percent_encoded(std::string_view text, std::string_view also_plain = {});

}  // namespace keelson
