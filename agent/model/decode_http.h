// The parts of the HTTPRoute decoder: matches and filters. Each reads a field of its owner (a rule
// or a backendRef), checks it as the Gateway API's CRD does and returns the normal form that the
// proxy works on (config/routes.h). Private to agent/model.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/routes.h"
#include "model/field_reader.h"

namespace keelson::model {

// `matches` of a rule. Missing or empty: one that matches every request.
std::vector<config::RequestMatch> decode_matches(FieldReader& rule);

struct HttpFilters {
  config::HeaderModifier request_headers, response_headers;
  std::optional<config::Redirect> redirect;
  std::optional<config::Rewrite> rewrite;
};
enum class FilterPlace : uint8_t { kRule, kBackend };
// `filters` of a rule or backendRef; on a backend only header modifiers.
HttpFilters decode_filters(FieldReader& owner, FilterPlace place);

// A required string of 1 to `length_max` bytes without CR, LF and NUL.
std::optional<std::string> decode_text(FieldReader& owner, std::string_view field,
                                       size_t length_max);
// A required HTTP field name (RFC 9110 section 5.6.2 token), at most 256.
std::optional<std::string> decode_field_name(FieldReader& owner, std::string_view field);
std::string lower_case(std::string_view text);
bool is_safe_text(std::string_view text) noexcept;  // no CR, LF, NUL

// Refuses null items, and a list of more than `count_max`. Absent, null and too long give nothing.
const std::vector<document::Value>* decode_list(FieldReader& owner, std::string_view field,
                                                size_t count_max);

}  // namespace keelson::model
