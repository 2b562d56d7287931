#include "compile/route_text.h"

#include <map>
#include <tuple>

namespace keelson::compile {
namespace {

using config::PathMatch;
using config::RouteSet;
using config::TextMatch;

void append(std::string& list, const std::string& item) {
  if (item.empty()) return;
  list += (list.empty() ? "" : ", ") + item;
}

std::string field_text(const char* kind, const config::FieldMatch& field) {
  return std::string(" ") + kind + " " + field.name +
         (field.kind == TextMatch::kRegex ? "~" : "=") + field.value;
}

std::string modifier_text(const std::string& of, const config::HeaderModifier& modifier) {
  std::string text;
  for (const auto& [name, value] : modifier.set) append(text, of + "set " + name);
  for (const auto& [name, value] : modifier.add) append(text, of + "add " + name);
  for (const auto& name : modifier.remove) append(text, of + "remove " + name);
  return text;
}

std::string path_text(const std::optional<config::PathModifier>& path) {
  if (!path) return {};
  return (path->kind == config::PathModifier::Kind::kReplaceFullPath ? " path " : " prefix ") +
         path->value;
}

std::string redirect_text(const config::Redirect& redirect) {
  std::string text = "redirect " + std::to_string(redirect.status);
  if (!redirect.scheme.empty()) text += " " + redirect.scheme;
  if (!redirect.hostname.empty()) text += " host " + redirect.hostname;
  if (redirect.port != 0) text += " port " + std::to_string(redirect.port);
  return text + path_text(redirect.path);
}

std::string rewrite_text(const config::Rewrite& rewrite) {
  const std::string host = rewrite.hostname.empty() ? "" : " host " + rewrite.hostname;
  return "rewrite" + host + path_text(rewrite.path);
}

void add_rows(std::vector<RouteRow>& rows, const config::Service& service,
              const std::string& clients, const RouteSet& set) {
  if (set.entries.empty()) rows.push_back({&service, clients, nullptr, nullptr});
  for (const auto& entry : set.entries)
    rows.push_back({&service, clients, &entry.match, &set.rules[entry.rule]});
}

}  // namespace

std::string match_text(const config::RequestMatch& match) {
  std::string text = match.path_kind == PathMatch::kExact    ? "exact "
                     : match.path_kind == PathMatch::kPrefix ? "prefix "
                                                             : "regex ";
  text += match.path;
  if (!match.method.empty()) text += " " + match.method;
  for (const auto& field : match.headers) text += field_text("header", field);
  for (const auto& field : match.query) text += field_text("query", field);
  return text;
}

std::string backends_text(const config::RouteRule& rule) {
  if (rule.redirect) return "none";
  std::string text;
  for (const auto& backend : rule.backends)
    append(text, backend.name + "=" + std::to_string(backend.weight) +
                     (backend.is_valid ? "" : " (invalid: 500)"));
  return text.empty() ? "none (500)" : text;
}

std::string filters_text(const config::RouteRule& rule) {
  std::string text = modifier_text("", rule.request_headers);
  append(text, modifier_text("response ", rule.response_headers));
  if (rule.redirect) append(text, redirect_text(*rule.redirect));
  if (rule.rewrite) append(text, rewrite_text(*rule.rewrite));
  for (const auto& backend : rule.backends) {
    append(text, modifier_text(backend.name + " ", backend.request_headers));
    append(text, modifier_text(backend.name + " response ", backend.response_headers));
  }
  return text;
}

std::string duration_text(std::chrono::milliseconds time) {
  if (time.count() == 0) return "none";
  if (time.count() % 1000 == 0) return std::to_string(time.count() / 1000) + "s";
  return std::to_string(time.count()) + "ms";
}

std::vector<RouteRow> route_rows(const config::RuntimeConfig& config) {
  // A Service stands there once for each family.
  std::map<std::tuple<std::string, std::string, uint16_t>, const config::Service*> services;
  for (const auto& [id, service] : config.services)
    if (service->routes != nullptr)
      services.emplace(std::tuple(service->ns, service->name, service->port), service.get());
  std::vector<RouteRow> rows;
  for (const auto& [key, service] : services) {
    const auto& routes = *service->routes;
    for (const auto& [ns, set] : routes.consumer) add_rows(rows, *service, ns, *set);
    if (routes.producer != nullptr)
      add_rows(rows, *service, routes.consumer.empty() ? "all" : "others", *routes.producer);
  }
  return rows;
}

}  // namespace keelson::compile
