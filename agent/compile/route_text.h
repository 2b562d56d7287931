// Routes for people: one row a match, in order of precedence, with its parts as short texts. For
// goldens, `keelsonctl config routes` and `why`. Pure, any thread.
#pragma once

#include <string>
#include <vector>

#include "config/routes.h"
#include "config/runtime_config.h"

namespace keelson::compile {

std::string match_text(const config::RequestMatch& match);  // "prefix /cart GET header x-user=a"
std::string backends_text(const config::RouteRule& rule);   // "shop/v1:80=90, shop/v2:80=10"
std::string filters_text(const config::RouteRule& rule);    // "set x-a, rewrite /new"; may be empty
std::string duration_text(std::chrono::milliseconds time);  // "1500ms", "2s"; 0: "none"

struct RouteRow {
  const config::Service* service = nullptr;
  std::string clients;  // a namespace; "all", or "others" beside those of some namespaces
  const config::RequestMatch* match = nullptr;  // null: no rule, so every request is answered 404
  const config::RouteRule* rule = nullptr;
};
// By Service and port, then clients, then precedence. Refers to `config`.
std::vector<RouteRow> route_rows(const config::RuntimeConfig& config);

}  // namespace keelson::compile
