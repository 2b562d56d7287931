#include "proxy/upstream/target.h"

namespace keelson::proxy {
namespace {

bool is_self(const Target& target) noexcept {
  return target.receiver->netns_cookie == target.source->netns_cookie;
}

}  // namespace

std::string host_of(const config::Service& service) {
  return service.name + "." + service.ns + ".svc";
}

Endpoint Target::visible_client() const noexcept {
  if (client.address.family() == destination.address.family()) return client;
  for (const IpAddress& own : source->addresses)
    if (own.family() == destination.address.family()) return {own, client.port};
  return client;
}

Result<Target> resolve_target(const ServingConfig& config,
                              std::shared_ptr<const config::LocalPod> source,
                              const Endpoint& destination) {
  if (destination.port == KS_HBONE_PORT)
    return fail(Reason::hbone_port_dial, ErrorSource::kConfig, destination.to_string());
  Target target;
  target.source = std::move(source);
  target.destination = destination;
  const config::Workload* workload = config.workload(destination.address);
  if (workload == nullptr || !workload->ready) return target;
  target.workload = workload->name;
  target.destination_identity = workload->identity;
  target.way = Target::Way::kHbone;
  if (workload->node != config.runtime->node_name) return target;

  auto receiver = config.pod_by_address(destination.address);
  if (!receiver || receiver->identity != workload->identity)
    return fail(Reason::pod_record_missing, ErrorSource::kConfig, destination.to_string());
  const bool is_mtls = ((receiver->flags | target.source->flags) & KS_POD_LOCAL_MTLS) != 0;
  if (is_mtls && receiver->netns_cookie != target.source->netns_cookie) return target;
  target.way = Target::Way::kLocal;
  target.receiver = std::move(receiver);
  return target;
}

config::Decision judge(const ServingConfig& config, const Target& target) {
  if (target.way != Target::Way::kLocal || is_self(target)) return {KS_ALLOW, Reason::none, 0};
  const auto receiver = config.pod(target.receiver->uid);
  if (!receiver) return {KS_DENY, Reason::pod_unknown, 0};
  // The kernel would hand it to the plain listener; the socket to the application goes around that.
  if ((receiver->flags & KS_POD_L7) != 0) return {KS_DENY, Reason::l7_unavailable, 0};
  config::PolicyQuestion question;
  question.policy_set = receiver->policy_set;
  question.proven_identity = target.source->identity;  // attested by the kernel
  question.source = target.visible_client().address;
  if (const auto* claimed = config.workload(question.source))
    question.claimed_identity = claimed->identity;
  question.destination_port = target.destination.port;
  return config.runtime->decide(question);
}

}  // namespace keelson::proxy
