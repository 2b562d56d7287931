#include <algorithm>
#include <array>
#include <set>

#include "model/decode_http.h"
#include "model/name_rules.h"

namespace keelson::model {
namespace {

using config::HeaderModifier;
using config::PathModifier;
using document::Value;

constexpr size_t kFiltersMax = 16;
constexpr size_t kModifiedHeadersMax = 16;
constexpr size_t kHeaderValueMax = 4096;
constexpr size_t kPathLengthMax = 1024;

// Each type's own field; empty: the type exists and is not implemented.
struct FilterType {
  std::string_view type, field;
  bool on_backend;
};
constexpr auto kFilterTypes = std::to_array<FilterType>({
    {"RequestHeaderModifier", "requestHeaderModifier", true},
    {"ResponseHeaderModifier", "responseHeaderModifier", true},
    {"RequestRedirect", "requestRedirect", false},
    {"URLRewrite", "urlRewrite", false},
    {"RequestMirror", "", false},
    {"CORS", "", false},
    {"ExtensionRef", "", false},
    {"ExternalAuth", "", false},
});

// Fields that say how the message is framed and what concerns one hop: the proxy's own (RFC 9110
// section 7.6.1), and the host, which URLRewrite changes.
constexpr auto kOwnHeaders = std::to_array<std::string_view>(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"});

void check_modified_name(FieldReader& owner, const std::string& path, uint32_t line,
                         const std::string& name, std::set<std::string>& seen) {
  if (std::ranges::find(kOwnHeaders, name) != kOwnHeaders.end())
    owner.context().refuse(Reason::bad_value, line, path + " '" + name + "' cannot be modified",
                           name == "host" ? "use a URLRewrite filter with hostname"
                                          : "remove it: it frames the message");
  else if (!seen.insert(name).second)
    owner.context().refuse(Reason::bad_value, line, path + " '" + name + "' is named twice",
                           "name each header once in a filter");
}

void decode_values(FieldReader& owner, std::string_view field,
                   std::vector<std::pair<std::string, std::string>>& to,
                   std::set<std::string>& seen) {
  const auto* items = decode_list(owner, field, kModifiedHeadersMax);
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader entry(owner.context(), (*items)[i], owner.item_path(field, i));
    const auto name = decode_field_name(entry, "name");
    const auto value = decode_text(entry, "value", kHeaderValueMax);
    entry.refuse_unknown();
    if (!name || !value) continue;
    to.emplace_back(lower_case(*name), *value);
    check_modified_name(owner, entry.path_of("name"), entry.line(), to.back().first, seen);
  }
}

HeaderModifier decode_modifier(FieldReader& reader) {
  HeaderModifier modifier;
  std::set<std::string> seen;
  decode_values(reader, "set", modifier.set, seen);
  decode_values(reader, "add", modifier.add, seen);
  const auto* names = decode_list(reader, "remove", kModifiedHeadersMax);
  for (size_t i = 0; names != nullptr && i < names->size(); ++i) {
    const std::string path = reader.item_path("remove", i);
    const auto name = string_item(reader.context(), (*names)[i], path);
    if (!name) continue;
    modifier.remove.push_back(lower_case(*name));
    check_modified_name(reader, path, (*names)[i].line(), modifier.remove.back(), seen);
  }
  reader.refuse_unknown();
  return modifier;
}

// The new path stands in a request line or Location as it is.
bool is_path_text(std::string_view text, bool may_be_empty) {
  if (text.empty()) return may_be_empty;
  return text.starts_with('/') && text.size() <= kPathLengthMax &&
         std::ranges::all_of(text,
                             [](char c) { return c > ' ' && c < 0x7f && c != '?' && c != '#'; });
}

std::optional<PathModifier> decode_path_modifier(FieldReader& owner) {
  auto reader = owner.mapping("path");
  if (!reader) return std::nullopt;
  PathModifier modifier;
  const auto type = reader->string("type");
  const bool is_full = type == "ReplaceFullPath";
  if (!is_full && type != "ReplacePrefixMatch") {
    reader->refuse(type ? Reason::bad_value : Reason::missing_field, reader->line(), "type",
                   type ? "'" + *type + "' is not a path modifier" : "is missing",
                   "use ReplaceFullPath or ReplacePrefixMatch");
    return std::nullopt;
  }
  modifier.kind =
      is_full ? PathModifier::Kind::kReplaceFullPath : PathModifier::Kind::kReplacePrefixMatch;
  const std::string_view field = is_full ? "replaceFullPath" : "replacePrefixMatch";
  const auto value = reader->string(field);
  reader->refuse_unknown();
  if (!value)
    reader->refuse(Reason::missing_field, reader->line(), field, "is missing",
                   "add it: type says " + *type);
  else if (!is_path_text(*value, !is_full))
    reader->refuse(Reason::bad_value, reader->find(field)->line(), field,
                   "'" + *value + "' is not a path",
                   "start it with '/', without spaces, '?' and '#', at most 1024 bytes");
  modifier.value = value.value_or("/");
  return modifier;
}

// Gateway API PreciseHostname: no wildcard, and no address.
std::string decode_hostname(FieldReader& reader) {
  const auto name = reader.string("hostname");
  if (!name) return {};
  if (!is_dns_subdomain(*name) || IpAddress::parse(*name))
    reader.refuse(Reason::bad_value, reader.find("hostname")->line(), "hostname",
                  "'" + *name + "' is not a host name",
                  "use a name in lower case, like shop.example");
  return *name;
}

config::Redirect decode_redirect(FieldReader& reader) {
  config::Redirect redirect;
  redirect.scheme = reader.string("scheme").value_or("");
  if (!redirect.scheme.empty() && redirect.scheme != "http" && redirect.scheme != "https")
    reader.refuse(Reason::bad_value, reader.find("scheme")->line(), "scheme",
                  "'" + redirect.scheme + "' is not a scheme", "use http or https");
  redirect.hostname = decode_hostname(reader);
  redirect.path = decode_path_modifier(reader);
  redirect.port = reader.port("port").value_or(0);
  const int64_t status = reader.integer("statusCode").value_or(302);
  constexpr auto kStatuses = std::to_array<int64_t>({301, 302, 303, 307, 308});
  if (std::ranges::find(kStatuses, status) == kStatuses.end())
    reader.refuse(Reason::bad_value, reader.find("statusCode")->line(), "statusCode",
                  std::to_string(status) + " is not a redirect", "use 301, 302, 303, 307 or 308");
  else
    redirect.status = static_cast<uint16_t>(status);
  reader.refuse_unknown();
  return redirect;
}

config::Rewrite decode_rewrite(FieldReader& reader) {
  config::Rewrite rewrite;
  rewrite.hostname = decode_hostname(reader);
  rewrite.path = decode_path_modifier(reader);
  reader.refuse_unknown();
  return rewrite;
}

// The row of the filter's type, if it can serve at this place.
const FilterType* decode_type(FieldReader& reader, FilterPlace place) {
  const auto type = reader.string("type");
  const auto* row =
      type ? std::ranges::find(kFilterTypes, *type, &FilterType::type) : kFilterTypes.end();
  const uint32_t line = type ? reader.find("type")->line() : reader.line();
  if (row == kFilterTypes.end()) {
    reader.refuse(type ? Reason::bad_value : Reason::missing_field, line, "type",
                  type ? "'" + *type + "' is not a filter" : "is missing",
                  "use RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect or "
                  "URLRewrite");
    return nullptr;
  }
  if (row->field.empty() || (place == FilterPlace::kBackend && !row->on_backend)) {
    reader.refuse(Reason::unsupported_field, line, "type",
                  *type + " is not implemented" + (row->field.empty() ? "" : " on a backendRef"),
                  row->field.empty() ? "remove the filter" : "move the filter to the rule");
    return nullptr;
  }
  return row;
}

void decode_filter(FieldReader& reader, FilterPlace place, HttpFilters& filters,
                   std::set<std::string_view>& seen) {
  const FilterType* row = decode_type(reader, place);
  if (row == nullptr) return;
  if (!seen.insert(row->type).second)
    reader.refuse(Reason::bad_value, reader.line(), "type",
                  std::string(row->type) + " stands here twice", "merge the two filters");
  auto body = reader.mapping(row->field);
  reader.refuse_unknown();  // also the field of another type
  if (!body) {
    reader.refuse(Reason::missing_field, reader.line(), row->field, "is missing",
                  "add it: type says " + std::string(row->type));
    return;
  }
  if (row->type == "RequestHeaderModifier") filters.request_headers = decode_modifier(*body);
  if (row->type == "ResponseHeaderModifier") filters.response_headers = decode_modifier(*body);
  if (row->type == "RequestRedirect") filters.redirect = decode_redirect(*body);
  if (row->type == "URLRewrite") filters.rewrite = decode_rewrite(*body);
}

}  // namespace

HttpFilters decode_filters(FieldReader& owner, FilterPlace place) {
  HttpFilters filters;
  std::set<std::string_view> seen;
  const auto* items = decode_list(owner, "filters", kFiltersMax);
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader reader(owner.context(), (*items)[i], owner.item_path("filters", i));
    decode_filter(reader, place, filters, seen);
  }
  return filters;
}

}  // namespace keelson::model
