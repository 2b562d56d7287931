#include "status/route_status.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utc_text.h"
#include "base/whole_characters.h"
#include "model/name_rules.h"

namespace keelson::status {
namespace {

using compile::RouteCondition;
using nlohmann::json;

constexpr size_t kParentsMax = 32;           // of the CRD: all controllers together
constexpr size_t kMessageBytesMax = 4096;    // the CRD's own limit is 32 KiB
constexpr size_t kFindingsInMessageMax = 5;  // one mistake often makes several

RouteCondition refusal(const model::RefusedVersion& version, bool has_good) {
  RouteCondition condition{false, "UnsupportedValue", ""};
  size_t said = 0;
  for (const model::Finding& finding : version.findings) {
    if (said++ == kFindingsInMessageMax) break;
    if (!condition.message.empty()) condition.message += "; ";
    condition.message += finding.message;
    if (!finding.fix.empty()) condition.message += " (" + finding.fix + ")";
  }
  if (version.findings.size() > kFindingsInMessageMax)
    condition.message +=
        "; and " + std::to_string(version.findings.size() - kFindingsInMessageMax) + " more";
  condition.message +=
      has_good ? ". The last good version keeps serving." : ". The route is not applied.";
  return condition;
}

// ---- of JSON ---------------------------------------------------------------------------------

json member(const json& object, const char* name) {
  return object.is_object() ? object.value(name, json()) : json();
}

std::string text_at(const json& object, const char* name, const std::string& missing = {}) {
  const json value = member(object, name);
  return value.is_string() ? value.get<std::string>() : missing;
}

int64_t number_at(const json& object, const char* name) {
  const json value = member(object, name);
  return value.is_number_integer() ? value.get<int64_t>() : 0;
}

json list_at(const json& object, const char* name) {
  json value = member(object, name);
  return value.is_array() ? value : json::array();
}

bool is_service(const json& reference) {
  return model::is_service_kind(text_at(reference, "group", "gateway.networking.k8s.io"),
                                text_at(reference, "kind", "Gateway"));
}

// ---- entries ---------------------------------------------------------------------------------

// With the time of its last transition, which is that of `before` while the status is the same.
json condition_of(const std::string& type, const RouteCondition& condition, int64_t generation,
                  const json& before, const std::string& now) {
  const std::string status = condition.is_true ? "True" : "False";
  std::string since = now;
  for (const json& each : list_at(before, "conditions"))
    if (text_at(each, "type") == type && text_at(each, "status") == status)
      since = text_at(each, "lastTransitionTime", now);
  return {{"type", type},
          {"status", status},
          {"reason", condition.reason},
          {"message", whole_characters(condition.message, kMessageBytesMax)},
          {"observedGeneration", generation},
          {"lastTransitionTime", since}};
}

const RouteParentStatus* status_for(const RouteStatus& wanted, const json& reference,
                                    const std::string& route_namespace) {
  const auto found = std::ranges::find_if(wanted.parents, [&](const RouteParentStatus& each) {
    return each.parent.ns == text_at(reference, "namespace", route_namespace) &&
           each.parent.name == text_at(reference, "name") &&
           each.parent.port == number_at(reference, "port") &&
           each.parent.section == text_at(reference, "sectionName");
  });
  return found == wanted.parents.end() ? nullptr : &*found;
}

json entry_before(const json& parents, const json& reference) {
  for (const json& entry : parents)
    if (text_at(entry, "controllerName") == kControllerName &&
        member(entry, "parentRef") == reference)
      return entry;
  return {};
}

// Ours for each parentRef of kind Service, with the parentRef as the route has it.
json entries_for(const json& route, const RouteStatus& wanted, const std::string& now) {
  const json before = list_at(member(route, "status"), "parents");
  const std::string ns = text_at(member(route, "metadata"), "namespace");
  json entries = json::array();
  for (const json& reference : list_at(member(route, "spec"), "parentRefs")) {
    if (!is_service(reference) || entry_before(entries, reference).is_object()) continue;
    const json old = entry_before(before, reference);
    const auto condition = [&](const std::string& type, const RouteCondition& each) {
      return condition_of(type, each, wanted.generation, old, now);
    };
    json conditions = json::array();
    if (wanted.refused) {
      conditions.push_back(condition("Accepted", *wanted.refused));
    } else if (const auto* judged = status_for(wanted, reference, ns)) {
      conditions.push_back(condition("Accepted", judged->accepted));
      conditions.push_back(condition("ResolvedRefs", judged->resolved));
    } else {
      continue;
    }
    entries.push_back({{"parentRef", reference},
                       {"controllerName", kControllerName},
                       {"conditions", std::move(conditions)}});
  }
  return entries;
}

}  // namespace

RouteStatuses route_statuses(const model::Snapshot& snapshot, const compile::Plan& plan,
                             const std::vector<model::RefusedVersion>& refused) {
  RouteStatuses statuses;
  for (const auto& [key, route] : snapshot.http_routes)
    statuses[key].generation = route->meta.generation;
  for (const auto& verdicts : plan.route_verdicts)
    for (const compile::RouteVerdict& verdict : *verdicts)
      statuses[verdict.route->meta.key].parents.push_back(
          {verdict.route->parents[verdict.parent], verdict.accepted, verdict.resolved});
  for (const model::RefusedVersion& version : refused) {
    const bool has_good = snapshot.http_routes.contains(version.key);
    statuses[version.key] = {version.generation, {}, refusal(version, has_good)};
  }
  return statuses;
}

Result<StatusEdit> edit_status(const std::string& object, const RouteStatus& wanted, WallTime now) {
  const json route = json::parse(object, nullptr, false);
  const json metadata = member(route, "metadata");
  const std::string version = text_at(metadata, "resourceVersion");
  if (version.empty())
    return fail(Reason::api_answer_malformed, ErrorSource::kKube,
                "an HTTPRoute without metadata.resourceVersion");
  if (number_at(metadata, "generation") != wanted.generation)
    return StatusEdit{StatusEdit::State::kOutdated, {}};
  json parents = json::array(), ours_before = json::array();
  for (const json& entry : list_at(member(route, "status"), "parents"))
    (text_at(entry, "controllerName") == kControllerName ? ours_before : parents).push_back(entry);
  json ours = entries_for(route, wanted, utc_text(now));
  while (!ours.empty() && parents.size() + ours.size() > kParentsMax) ours.erase(ours.size() - 1);
  if (ours == ours_before) return StatusEdit{};
  parents.insert(parents.end(), ours.begin(), ours.end());
  const json patch = {{"metadata", {{"resourceVersion", version}}},
                      {"status", {{"parents", std::move(parents)}}}};
  return StatusEdit{StatusEdit::State::kPatch,
                    patch.dump(-1, ' ', false, json::error_handler_t::replace)};
}

}  // namespace keelson::status
