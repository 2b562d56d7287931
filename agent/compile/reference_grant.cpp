#include "compile/reference_grant.h"

#include <algorithm>

namespace keelson::compile {
namespace {

bool permits(const model::ReferenceGrant& grant, const std::string& route_namespace,
             const std::string& service) {
  return std::ranges::find(grant.route_namespaces, route_namespace) !=
             grant.route_namespaces.end() &&
         std::ranges::any_of(grant.services, [&](const std::string& name) {
           return name.empty() || name == service;
         });
}

}  // namespace

std::shared_ptr<const model::ReferenceGrant> find_grant(const model::Snapshot& snapshot,
                                                        const std::string& route_namespace,
                                                        const std::string& service_namespace,
                                                        const std::string& service) {
  const auto& all = snapshot.reference_grants;
  for (auto at = all.lower_bound({model::Kind::kReferenceGrant, service_namespace, ""});
       at != all.end() && at->first.ns == service_namespace; ++at)
    if (permits(*at->second, route_namespace, service)) return at->second;
  return nullptr;
}

}  // namespace keelson::compile
