// HTTPRoute with Service parents (Gateway API v1, "GAMMA"). What only concerns Gateways is said to
// be ignored; what would change how requests are routed and is not implemented refuses the object.
#include <algorithm>
#include <set>
#include <tuple>

#include "model/decode_http.h"
#include "model/decode_kinds.h"
#include "model/name_rules.h"

namespace keelson::model {
namespace {

using config::PathMatch;
using config::PathModifier;
using document::Value;
using std::chrono::milliseconds;

constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
constexpr size_t kParentsMax = 32;
constexpr size_t kRulesMax = 16;
constexpr size_t kBackendsMax = 16;
constexpr size_t kMatchesOfRouteMax = 128;
constexpr int64_t kWeightMax = 1'000'000;

// GEP-2257: one to four of a number of one to five digits and h, m, s or ms.
std::optional<milliseconds> parse_duration(std::string_view text) {
  milliseconds total{0};
  int units = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits < 1 || digits > 5 || ++units > 4) return std::nullopt;
    const int64_t number = std::stoll(std::string(text.substr(0, digits)));
    text.remove_prefix(digits);
    const auto take = [&text](std::string_view unit) {
      const bool found = text.starts_with(unit);
      if (found) text.remove_prefix(unit.size());
      return found;
    };
    if (take("ms"))
      total += milliseconds(number);
    else if (take("h"))
      total += std::chrono::hours(number);
    else if (take("m"))
      total += std::chrono::minutes(number);
    else if (take("s"))
      total += std::chrono::seconds(number);
    else
      return std::nullopt;
  }
  return units == 0 ? std::nullopt : std::optional(total);
}

milliseconds decode_duration(FieldReader& owner, std::string_view field) {
  const auto text = owner.string(field);
  if (!text) return milliseconds(0);
  if (const auto duration = parse_duration(*text)) return *duration;
  owner.refuse(Reason::bad_value, owner.find(field)->line(), field,
               "'" + *text + "' is not a duration",
               "write whole numbers with h, m, s or ms, like 1m30s or 500ms");
  return milliseconds(0);
}

void decode_timeouts(FieldReader& rule, HttpRouteRule& to) {
  auto reader = rule.mapping("timeouts");
  if (!reader) return;
  to.request_timeout = decode_duration(*reader, "request");
  to.backend_timeout = decode_duration(*reader, "backendRequest");
  reader->refuse_unknown();
  if (to.request_timeout.count() != 0 && to.backend_timeout > to.request_timeout)
    reader->refuse(Reason::bad_value, reader->line(), "backendRequest",
                   "is longer than the whole request may take", "shorten it, or lengthen request");
}

std::string decode_namespace_of(FieldReader& reader, const ObjectMeta& meta) {
  const std::string ns = reader.string("namespace").value_or(meta.key.ns);
  if (!is_dns_label(ns))
    reader.refuse(Reason::bad_value, reader.line(), "namespace",
                  "'" + ns + "' is not a valid namespace",
                  "use lower-case letters, digits and '-', at most 63");
  return ns;
}

std::string decode_object_name(FieldReader& reader) {
  const auto name = decode_text(reader, "name", 253);
  if (name && !is_dns_subdomain(*name))
    reader.refuse(Reason::bad_value, reader.find("name")->line(), "name",
                  "'" + *name + "' is not a valid name",
                  "use lower-case letters, digits, '-' and '.'");
  return name.value_or("");
}

// False: no Service, so the parent is somebody else's.
bool is_service_parent(FieldReader& reader) {
  const std::string group = reader.string("group").value_or(std::string(kGatewayGroup));
  const std::string kind = reader.string("kind").value_or("Gateway");
  if (is_service_kind(group, kind)) return true;
  if (kind == "Service")
    reader.context().warn(Reason::bad_value, reader.line(),
                          reader.path() + " is ignored: a Service has no group '" + group + "'",
                          "write group: \"\"");
  else
    reader.context().inform(Reason::unsupported_kind, reader.line(),
                            reader.path() + " is ignored: " + kind + " is not a Service", "");
  return false;
}

std::vector<RouteParent> decode_parents(FieldReader& spec, const ObjectMeta& meta) {
  std::vector<RouteParent> parents;
  std::set<std::tuple<std::string, std::string, uint16_t, std::string>> seen;
  const auto* items = decode_list(spec, "parentRefs", kParentsMax);
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader reader(spec.context(), (*items)[i], spec.item_path("parentRefs", i));
    if (!is_service_parent(reader)) continue;
    RouteParent parent;
    parent.ns = decode_namespace_of(reader, meta);
    parent.name = decode_object_name(reader);
    parent.port = reader.port("port").value_or(0);
    parent.section = reader.string("sectionName").value_or("");
    parent.line = reader.line();
    reader.refuse_unknown();
    if (!seen.emplace(parent.ns, parent.name, parent.port, parent.section).second)
      spec.context().refuse(Reason::bad_value, reader.line(), reader.path() + " stands here twice",
                            "remove it, or give each its port or sectionName");
    parents.push_back(std::move(parent));
  }
  if (items == nullptr || items->empty())
    spec.context().warn(Reason::missing_field, spec.line(),
                        "spec.parentRefs is empty: the route concerns nobody",
                        "add a parent: {group: \"\", kind: Service, name: NAME}");
  return parents;
}

RouteBackendRef decode_backend(FieldReader& reader, const ObjectMeta& meta) {
  RouteBackendRef backend;
  const std::string group = reader.string("group").value_or("");
  const std::string kind = reader.string("kind").value_or("Service");
  const bool is_service = is_service_kind(group, kind);
  if (!is_service) backend.kind = group.empty() ? kind : group + "/" + kind;
  backend.ns = decode_namespace_of(reader, meta);
  backend.name = decode_object_name(reader);
  backend.line = reader.line();
  backend.port = reader.port("port").value_or(0);
  if (is_service && !reader.has("port"))
    reader.refuse(Reason::missing_field, reader.line(), "port", "is missing",
                  "add the Service's port");
  const int64_t weight = reader.integer("weight").value_or(1);
  if (weight < 0 || weight > kWeightMax)
    reader.refuse(Reason::bad_value, reader.find("weight")->line(), "weight",
                  std::to_string(weight) + " is out of range", "use 0 to 1000000");
  else
    backend.weight = static_cast<uint32_t>(weight);
  HttpFilters filters = decode_filters(reader, FilterPlace::kBackend);
  backend.request_headers = std::move(filters.request_headers);
  backend.response_headers = std::move(filters.response_headers);
  reader.refuse_unknown();
  return backend;
}

void check_redirect(FieldReader& reader, const HttpRouteRule& rule) {
  if (rule.redirect && rule.rewrite)
    reader.refuse(Reason::bad_value, reader.line(), "filters",
                  "have both RequestRedirect and URLRewrite", "remove one of the two");
  if (rule.redirect && !rule.backends.empty())
    reader.refuse(Reason::bad_value, reader.line(), "backendRefs",
                  "cannot stand beside a RequestRedirect", "remove the backends or the redirect");
  const auto replaces_prefix = [](const auto& filter) {
    return filter && filter->path && filter->path->kind == PathModifier::Kind::kReplacePrefixMatch;
  };
  const bool one_prefix =
      rule.matches.size() == 1 && rule.matches.front().path_kind == PathMatch::kPrefix;
  if (!one_prefix && (replaces_prefix(rule.redirect) || replaces_prefix(rule.rewrite)))
    reader.refuse(Reason::bad_value, reader.line(), "filters",
                  "replace the matched prefix, and there is not exactly one PathPrefix match",
                  "give the rule one match with a PathPrefix, or use ReplaceFullPath");
}

HttpRouteRule decode_rule(FieldReader& reader, const ObjectMeta& meta) {
  HttpRouteRule rule;
  rule.name = reader.string("name").value_or("");
  if (!rule.name.empty() && !is_dns_subdomain(rule.name))
    reader.refuse(Reason::bad_value, reader.find("name")->line(), "name",
                  "'" + rule.name + "' is not a valid name",
                  "use lower-case letters, digits, '-' and '.'");
  rule.matches = decode_matches(reader);
  HttpFilters filters = decode_filters(reader, FilterPlace::kRule);
  rule.request_headers = std::move(filters.request_headers);
  rule.response_headers = std::move(filters.response_headers);
  rule.redirect = std::move(filters.redirect);
  rule.rewrite = std::move(filters.rewrite);
  const auto* backends = decode_list(reader, "backendRefs", kBackendsMax);
  for (size_t i = 0; backends != nullptr && i < backends->size(); ++i) {
    FieldReader entry(reader.context(), (*backends)[i], reader.item_path("backendRefs", i));
    rule.backends.push_back(decode_backend(entry, meta));
  }
  decode_timeouts(reader, rule);
  reader.refuse_unsupported({"retry", "sessionPersistence"}, "remove it");
  reader.refuse_unknown();
  check_redirect(reader, rule);
  return rule;
}

void decode_rules(FieldReader& spec, HttpRoute& route) {
  const auto* items = decode_list(spec, "rules", kRulesMax);
  size_t matches = 0;
  std::set<std::string> names;
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader reader(spec.context(), (*items)[i], spec.item_path("rules", i));
    HttpRouteRule rule = decode_rule(reader, route.meta);
    matches += rule.matches.size();
    if (!rule.name.empty() && !names.insert(rule.name).second)
      reader.refuse(Reason::bad_value, reader.line(), "name", "'" + rule.name + "' is used twice",
                    "give each rule its own name");
    route.rules.push_back(std::move(rule));
  }
  if (matches > kMatchesOfRouteMax)
    spec.refuse(Reason::bad_value, spec.line(), "rules",
                "have " + std::to_string(matches) + " matches", "use at most 128 in all");
  // The CRD's default: one rule for every request, without a backend. An empty list has no rule.
  if (const Value* rules = spec.find("rules"); rules == nullptr || rules->is_null())
    route.rules.push_back({"", {config::RequestMatch{}}, {}, {}, {}, {}, {}, {}, {}});
}

}  // namespace

Shared<HttpRoute> decode_http_route(FieldReader& root, ObjectMeta meta) {
  auto route = std::make_shared<HttpRoute>();
  route->meta = std::move(meta);
  root.find("status");
  auto spec = root.mapping("spec");
  root.refuse_unknown();
  if (!spec) {
    if (!root.context().bad)
      root.context().refuse(Reason::missing_field, root.line(), "spec is missing", "add it");
    return route;
  }
  route->parents = decode_parents(*spec, route->meta);
  // Gateways only: what the rules may say is their implementation's business.
  if (route->parents.empty()) return route;
  if (const Value* hostnames = spec->find("hostnames");
      hostnames != nullptr && !hostnames->items().empty())
    spec->context().warn(Reason::unsupported_field, hostnames->line(),
                         "spec.hostnames is ignored on a route of a Service",
                         "match the Host header instead");
  spec->refuse_unsupported({"useDefaultGateways"}, "remove it");
  decode_rules(*spec, *route);
  spec->refuse_unknown();
  return route;
}

}  // namespace keelson::model
