#include "config/route_wire.h"

namespace keelson::config {
namespace {

using WireMatch = wire::Routes::Match;

// ---- to the wire -------------------------------------------------------------------------------

void write(const FieldMatch& from, wire::Routes::FieldMatch& to) {
  to.set_is_regex(from.kind == TextMatch::kRegex);
  to.set_name(from.name);
  to.set_value(from.value);
}

WireMatch::Path path_kind_of(PathMatch kind) {
  switch (kind) {
    case PathMatch::kExact:
      return WireMatch::EXACT;
    case PathMatch::kRegex:
      return WireMatch::REGEX;
    case PathMatch::kPrefix:
      break;
  }
  return WireMatch::PREFIX;
}

void write(const RequestMatch& from, WireMatch& to) {
  to.set_path_kind(path_kind_of(from.path_kind));
  to.set_path(from.path);
  to.set_method(from.method);
  for (const FieldMatch& field : from.headers) write(field, *to.add_headers());
  for (const FieldMatch& field : from.query) write(field, *to.add_query());
}

void write(const HeaderModifier& from, wire::Routes::HeaderModifier& to) {
  for (const auto& [name, value] : from.set) {
    wire::Routes::Header& header = *to.add_set();
    header.set_name(name);
    header.set_value(value);
  }
  for (const auto& [name, value] : from.add) {
    wire::Routes::Header& header = *to.add_add();
    header.set_name(name);
    header.set_value(value);
  }
  for (const std::string& name : from.remove) to.add_remove(name);
}

void write(const PathModifier& from, wire::Routes::PathModifier& to) {
  to.set_replaces_prefix(from.kind == PathModifier::Kind::kReplacePrefixMatch);
  to.set_value(from.value);
}

void write(const Redirect& from, wire::Routes::Redirect& to) {
  to.set_scheme(from.scheme);
  to.set_hostname(from.hostname);
  if (from.path) write(*from.path, *to.mutable_path());
  to.set_port(from.port);
  to.set_status(from.status);
}

void write(const Rewrite& from, wire::Routes::Rewrite& to) {
  to.set_hostname(from.hostname);
  if (from.path) write(*from.path, *to.mutable_path());
}

void write(const RouteBackend& from, wire::Routes::Backend& to) {
  to.set_weight(from.weight);
  for (const uint64_t id : from.service) to.add_service(id);
  to.set_name(from.name);
  to.set_is_valid(from.is_valid);
  write(from.request_headers, *to.mutable_request_headers());
  write(from.response_headers, *to.mutable_response_headers());
}

void write(const RouteRule& from, wire::Routes::Rule& to) {
  to.set_name(from.name);
  write(from.request_headers, *to.mutable_request_headers());
  write(from.response_headers, *to.mutable_response_headers());
  if (from.redirect) write(*from.redirect, *to.mutable_redirect());
  if (from.rewrite) write(*from.rewrite, *to.mutable_rewrite());
  for (const RouteBackend& backend : from.backends) write(backend, *to.add_backends());
  to.set_request_timeout_ms(static_cast<uint64_t>(from.request_timeout.count()));
  to.set_backend_timeout_ms(static_cast<uint64_t>(from.backend_timeout.count()));
}

void write(const RouteSet& from, wire::Routes::Set& to) {
  for (const RouteRule& rule : from.rules) write(rule, *to.add_rules());
  for (const RouteEntry& entry : from.entries) {
    wire::Routes::Entry& added = *to.add_entries();
    write(entry.match, *added.mutable_match());
    added.set_rule(entry.rule);
  }
}

// ---- from the wire -----------------------------------------------------------------------------

Failure malformed(std::string what) {
  return fail(Reason::message_malformed, ErrorSource::kInternal, std::move(what));
}

FieldMatch read(const wire::Routes::FieldMatch& from) {
  return {from.is_regex() ? TextMatch::kRegex : TextMatch::kExact, from.name(), from.value()};
}

Result<RequestMatch> read(const WireMatch& from) {
  RequestMatch match;
  switch (from.path_kind()) {
    case WireMatch::PREFIX:
      match.path_kind = PathMatch::kPrefix;
      break;
    case WireMatch::EXACT:
      match.path_kind = PathMatch::kExact;
      break;
    case WireMatch::REGEX:
      match.path_kind = PathMatch::kRegex;
      break;
    default:
      return malformed("a path match that this version does not know");
  }
  match.path = from.path();
  match.method = from.method();
  for (const auto& field : from.headers()) match.headers.push_back(read(field));
  for (const auto& field : from.query()) match.query.push_back(read(field));
  return match;
}

HeaderModifier read(const wire::Routes::HeaderModifier& from) {
  HeaderModifier modifier;
  for (const auto& header : from.set()) modifier.set.emplace_back(header.name(), header.value());
  for (const auto& header : from.add()) modifier.add.emplace_back(header.name(), header.value());
  modifier.remove.assign(from.remove().begin(), from.remove().end());
  return modifier;
}

PathModifier read(const wire::Routes::PathModifier& from) {
  return {from.replaces_prefix() ? PathModifier::Kind::kReplacePrefixMatch
                                 : PathModifier::Kind::kReplaceFullPath,
          from.value()};
}

Redirect read(const wire::Routes::Redirect& from) {
  Redirect redirect;
  redirect.scheme = from.scheme();
  redirect.hostname = from.hostname();
  if (from.has_path()) redirect.path = read(from.path());
  redirect.port = static_cast<uint16_t>(from.port());
  redirect.status = static_cast<uint16_t>(from.status());
  return redirect;
}

Rewrite read(const wire::Routes::Rewrite& from) {
  Rewrite rewrite;
  rewrite.hostname = from.hostname();
  if (from.has_path()) rewrite.path = read(from.path());
  return rewrite;
}

Result<RouteBackend> read(const wire::Routes::Backend& from) {
  RouteBackend backend;
  if (from.service_size() > static_cast<int>(backend.service.size()))
    return malformed("backend " + from.name() + " has too many service ids");
  backend.weight = from.weight();
  std::copy(from.service().begin(), from.service().end(), backend.service.begin());
  backend.name = from.name();
  backend.is_valid = from.is_valid();
  backend.request_headers = read(from.request_headers());
  backend.response_headers = read(from.response_headers());
  return backend;
}

Result<RouteRule> read(const wire::Routes::Rule& from) {
  RouteRule rule;
  rule.name = from.name();
  rule.request_headers = read(from.request_headers());
  rule.response_headers = read(from.response_headers());
  if (from.has_redirect()) rule.redirect = read(from.redirect());
  if (from.has_rewrite()) rule.rewrite = read(from.rewrite());
  for (const auto& backend : from.backends()) {
    KS_ASSIGN(RouteBackend added, read(backend));
    rule.backends.push_back(std::move(added));
  }
  rule.request_timeout = std::chrono::milliseconds(from.request_timeout_ms());
  rule.backend_timeout = std::chrono::milliseconds(from.backend_timeout_ms());
  return rule;
}

Result<std::shared_ptr<const RouteSet>> read(const wire::Routes::Set& from) {
  auto set = std::make_shared<RouteSet>();
  for (const auto& rule : from.rules()) {
    KS_ASSIGN(RouteRule added, read(rule));
    set->rules.push_back(std::move(added));
  }
  for (const auto& entry : from.entries()) {
    if (entry.rule() >= set->rules.size()) return malformed("a match without its rule");
    KS_ASSIGN(RequestMatch match, read(entry.match()));
    set->entries.push_back({std::move(match), entry.rule()});
  }
  return std::shared_ptr<const RouteSet>(std::move(set));
}

}  // namespace

void write_routes(const ServiceRoutes& from, wire::Routes& to) {
  if (from.producer != nullptr) write(*from.producer, *to.mutable_producer());
  for (const auto& [ns, set] : from.consumer) {
    wire::Routes::Consumer& consumer = *to.add_consumers();
    consumer.set_namespace_(ns);
    write(*set, *consumer.mutable_set());
  }
}

Result<ServiceRoutes> read_routes(const wire::Routes& from) {
  ServiceRoutes routes;
  if (from.has_producer()) {
    KS_ASSIGN(routes.producer, read(from.producer()));
  }
  for (const auto& consumer : from.consumers()) {
    KS_ASSIGN(routes.consumer[consumer.namespace_()], read(consumer.set()));
  }
  return routes;
}

}  // namespace keelson::config
