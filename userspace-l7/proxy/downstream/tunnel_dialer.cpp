#include "proxy/downstream/tunnel_dialer.h"

#include "proxy/upstream/connector.h"

namespace keelson::proxy {
namespace {

Failure unknown(const char* what) {
  return fail(Reason::destination_unknown, ErrorSource::kConfig, what);
}

Failure pod_gone() {
  return fail(Reason::pod_unknown, ErrorSource::kConfig, "the source pod is gone");
}

}  // namespace

ConfigLease TunnelDialer::config_of(uint64_t netns_cookie) const {
  if (services_.config->pod_by_cookie(netns_cookie)) return services_.config;
  const PodsInUse::Departed* departed = services_.pods.departed(netns_cookie);
  return departed != nullptr ? departed->config : nullptr;
}

Result<std::unique_ptr<hbone::Dialer::Attempt>> TunnelDialer::dial(const hbone::PoolKey& key,
                                                                   OnStream on_stream) {
  const ConfigLease config = config_of(key.source_pod);
  if (!config) return pod_gone();
  const auto pod = config->pod_by_cookie(key.source_pod);
  return proxy::dial(services_,
                     {.socket = {pod->uid, key.destination.address.family(), KS_ROLE_DIAL_HBONE},
                      .to = key.destination,
                      .patience = std::chrono::milliseconds(0)},
                     std::move(on_stream));
}

Result<hbone::Dialer::Identity> TunnelDialer::identify(const hbone::PoolKey& key) {
  const ConfigLease config = config_of(key.source_pod);
  if (!config) return pod_gone();
  const auto pod = config->pod_by_cookie(key.source_pod);
  Identity identity;
  identity.context = config->context(key.source_identity);
  if (!identity.context)
    return fail(Reason::identity_pending, ErrorSource::kConfig, pod->ns + "/" + pod->name);
  const config::Identity* theirs = services_.config->identity(key.destination_identity);
  if (theirs == nullptr) return unknown("the destination's identity");
  KS_ASSIGN(tls::SpiffeId expected, tls::SpiffeId::parse("spiffe://" + theirs->name));
  identity.expected.push_back(std::move(expected));
  const Tenant& tenant = services_.scheduler.tenant(pod->ns);
  identity.account = {tenant.id(), tenant.tunnel_budget()};
  services_.stats.handshakes_total.add();
  return identity;
}

}  // namespace keelson::proxy
