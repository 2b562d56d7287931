#include "kube/token_claims.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/base64.h"

namespace keelson::kube {
namespace {

using nlohmann::json;

// RFC 7515 section 2: base64url without padding.
std::optional<std::string> base64url_decoded(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.resize((text.size() + 3) / 4 * 4, '=');
  return base64_decoded(text);
}

std::string text_of(const json& object, const char* field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string node_uid(std::string_view token, std::string_view node_name) {
  const size_t begin = token.find('.');
  const size_t end = token.find('.', begin + 1);
  if (begin == std::string_view::npos || end == std::string_view::npos) return "";
  const auto bytes = base64url_decoded(std::string(token.substr(begin + 1, end - begin - 1)));
  if (!bytes) return "";
  const json claims = json::parse(*bytes, nullptr, false);
  const json::json_pointer place("/kubernetes.io/node");
  if (!claims.is_object() || !claims.contains(place) || !claims[place].is_object()) return "";
  const json& node = claims[place];
  return text_of(node, "name") == node_name ? text_of(node, "uid") : "";
}

}  // namespace keelson::kube
