#include "proxy/serving_config.h"

#include "tls/key_material.h"

namespace keelson::proxy {
namespace {

Result<std::shared_ptr<const tls::TlsContext>> make_context(const config::Identity& identity) {
  KS_ASSIGN(const tls::KeyMaterial material, tls::decode_key_material(*identity.key_material));
  if ("spiffe://" + identity.name != material.id.to_string())
    return fail(Reason::identity_mismatch, ErrorSource::kConfig,
                "the key material is that of " + material.id.to_string());
  return tls::TlsContext::make(material);
}

bool is_same_material(const config::Identity* before, const config::Identity& now) noexcept {
  return before != nullptr && before->key_material != nullptr &&
         *before->key_material == *now.key_material;
}

void add_table(const std::shared_ptr<const config::RouteSet>& set, const ServingConfig* previous,
               ServingConfig& made, std::vector<Error>& findings) {
  if (!set || made.routes.contains(set.get())) return;
  if (previous != nullptr) {
    if (const auto kept = previous->routes.find(set.get()); kept != previous->routes.end()) {
      made.routes.insert(*kept);
      return;
    }
  }
  auto table = RouteTable::build(set);
  if (table)
    made.routes.emplace(set.get(), std::move(*table));
  else
    findings.push_back(std::move(table).error());
}

void add_tables(const ServingConfig* previous, ServingConfig& made, std::vector<Error>& findings) {
  for (const auto& [id, service] : made.runtime->services) {
    if (!service->routes) continue;
    add_table(service->routes->producer, previous, made, findings);
    for (const auto& [ns, set] : service->routes->consumer)
      add_table(set, previous, made, findings);
  }
}

}  // namespace

const config::Identity* ServingConfig::identity(uint64_t id) const noexcept {
  const auto found = runtime->identities.find(id);
  return found == runtime->identities.end() ? nullptr : found->second.get();
}

const config::Workload* ServingConfig::workload(const IpAddress& address) const noexcept {
  const auto found = runtime->workloads.find(address);
  return found == runtime->workloads.end() ? nullptr : found->second.get();
}

std::shared_ptr<const config::LocalPod> ServingConfig::pod(const std::string& uid) const noexcept {
  const auto found = runtime->local_pods.find(uid);
  return found == runtime->local_pods.end() ? nullptr : found->second;
}

std::shared_ptr<const config::LocalPod> ServingConfig::pod_by_cookie(
    uint64_t netns_cookie) const noexcept {
  for (const auto& [uid, pod] : runtime->local_pods)
    if (pod->netns_cookie == netns_cookie) return pod;
  return nullptr;
}

std::shared_ptr<const config::LocalPod> ServingConfig::pod_by_address(
    const IpAddress& address) const noexcept {
  const auto found = pods_by_address.find(address);
  return found == pods_by_address.end() ? nullptr : found->second;
}

const RouteTable* ServingConfig::route_table(const config::RouteSet* set) const noexcept {
  const auto found = routes.find(set);
  return found == routes.end() ? nullptr : found->second.get();
}

std::shared_ptr<const tls::TlsContext> ServingConfig::context(uint64_t id) const noexcept {
  const auto found = contexts.find(id);
  return found == contexts.end() ? nullptr : found->second;
}

ConfigLease make_serving_config(std::shared_ptr<const config::RuntimeConfig> runtime,
                                const ServingConfig* previous, std::vector<Error>& findings) {
  auto made = std::make_shared<ServingConfig>();
  made->runtime = std::move(runtime);
  add_tables(previous, *made, findings);
  for (const auto& [uid, pod] : made->runtime->local_pods)
    for (const IpAddress& address : pod->addresses) made->pods_by_address.emplace(address, pod);
  for (const auto& [id, identity] : made->runtime->identities) {
    if (identity->key_material == nullptr) continue;
    auto last_good = previous != nullptr ? previous->context(id) : nullptr;
    if (last_good && is_same_material(previous->identity(id), *identity)) {
      made->contexts[id] = std::move(last_good);
      continue;
    }
    auto context = make_context(*identity);
    if (context) {
      last_good = std::move(*context);
    } else {
      findings.push_back(context.error());
      findings.back().context = identity->name + ": " + findings.back().context;
    }
    if (last_good) made->contexts[id] = std::move(last_good);
  }
  return made;
}

}  // namespace keelson::proxy
