#include <nlohmann/json.hpp>

#include "admin/json_text.h"
#include "admin/views.h"
#include "compile/route_text.h"

namespace keelson::admin {
namespace {

using Json = nlohmann::ordered_json;

// "shop/pay-canary#0" -> "shop/pay-canary".
std::string route_of(const config::RouteRule& rule) {
  return rule.name.substr(0, rule.name.find('#'));
}

std::string timeout_text(const config::RouteRule& rule) {
  std::string text;
  if (rule.request_timeout.count() != 0) text = compile::duration_text(rule.request_timeout);
  if (rule.backend_timeout.count() != 0)
    text +=
        (text.empty() ? "" : ", ") + compile::duration_text(rule.backend_timeout) + " each backend";
  return text;
}

Json route_json(const compile::RouteRow& row) {
  Json entry{{"service", row.service->ns + "/" + row.service->name},
             {"port", row.service->port},
             {"clients", row.clients}};
  static const config::RouteRule kNothing;
  const config::RouteRule& rule = row.rule == nullptr ? kNothing : *row.rule;
  Json backends = Json::array();
  for (const auto& backend : rule.backends)
    backends.push_back(
        {{"name", backend.name}, {"weight", backend.weight}, {"valid", backend.is_valid}});
  entry["match"] = row.match == nullptr ? "nothing: 404" : compile::match_text(*row.match);
  entry["rule"] = rule.name;
  entry["route"] = route_of(rule);
  entry["filters"] = compile::filters_text(rule);
  entry["backends"] = std::move(backends);
  entry["request_timeout_ms"] = rule.request_timeout.count();
  entry["backend_timeout_ms"] = rule.backend_timeout.count();
  entry["summary"] = {{"backends", row.rule == nullptr ? "none" : compile::backends_text(rule)},
                      {"timeout", timeout_text(rule)}};
  return entry;
}

}  // namespace

std::string routes_json(const MeshView& view) {
  Json routes = Json::array();
  if (view.plan.proxy != nullptr)
    for (const auto& row : compile::route_rows(*view.plan.proxy)) routes.push_back(route_json(row));
  return json_text(Json{{"generation", view.snapshot.generation}, {"routes", std::move(routes)}});
}

}  // namespace keelson::admin
