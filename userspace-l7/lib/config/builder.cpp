#include "config/builder.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "config/route_wire.h"
#include "keelson.pb.h"

namespace keelson::config {
namespace {

Failure malformed(std::string what) {
  return fail(Reason::message_malformed, ErrorSource::kInternal, std::move(what));
}

Result<IpAddress> address_of(const std::string& bytes) {
  ks_addr raw;
  if (bytes.size() != sizeof raw) return malformed("an address that is not 16 bytes");
  std::memcpy(&raw, bytes.data(), sizeof raw);
  return IpAddress(raw);
}

Result<std::shared_ptr<const LocalPod>> local_pod_of(const wire::Resource& resource) {
  const wire::LocalPod& from = resource.local_pod();
  auto pod = std::make_shared<LocalPod>();
  pod->uid = resource.name();
  pod->ns = from.namespace_();
  pod->name = from.pod_name();
  pod->netns_cookie = from.netns_cookie();
  pod->slot = from.slot();
  pod->identity = from.identity();
  pod->flags = from.flags();
  for (const std::string& bytes : from.addresses()) {
    KS_ASSIGN(const IpAddress address, address_of(bytes));
    pod->addresses.push_back(address);
  }
  // More sets than places must not become fewer checks.
  if (from.policy_sets_size() > static_cast<int>(pod->policy_set.size()))
    return malformed(resource.name() + " has too many policy sets");
  std::copy(from.policy_sets().begin(), from.policy_sets().end(), pod->policy_set.begin());
  return std::shared_ptr<const LocalPod>(std::move(pod));
}

Result<std::shared_ptr<const PolicySet>> policy_set_of(const wire::Resource& resource) {
  const wire::PolicySet& from = resource.policy_set();
  auto set = std::make_shared<PolicySet>();
  set->identity_class_default = from.identity_class_default();
  for (const auto& row : from.identities()) set->identities[row.identity()] = row.class_();
  for (const auto& row : from.ports()) set->ports[static_cast<uint16_t>(row.port())] = row.class_();
  for (const auto& row : from.addresses()) {
    KS_ASSIGN(const IpAddress address, address_of(row.address()));
    if (row.prefix_bits() > 128) return malformed("a prefix longer than an address");
    set->addresses.emplace_back(IpPrefix{address, static_cast<uint8_t>(row.prefix_bits())},
                                row.class_());
  }
  std::stable_sort(set->addresses.begin(), set->addresses.end(), [](const auto& a, const auto& b) {
    return a.first.length_bits > b.first.length_bits;
  });
  for (const auto& row : from.rows()) {
    ks_policy verdict{};
    verdict.policy = row.policy();
    verdict.verdict = row.allow() ? KS_ALLOW : KS_DENY;
    verdict.deny_matched = row.deny_matched() ? 1 : 0;
    set->rows[{row.identity_class(), row.address_class(), row.port_class()}] = verdict;
  }
  for (const auto& row : from.policy_names()) set->policy_names[row.policy()] = row.name();
  return std::shared_ptr<const PolicySet>(std::move(set));
}

Result<void> add_workload(const wire::Resource& resource, RuntimeConfig& config) {
  const wire::Workload& from = resource.workload();
  const auto workload = std::make_shared<const Workload>(
      Workload{resource.name(), from.identity(), from.node(), from.ready()});
  for (const std::string& bytes : from.addresses()) {
    KS_ASSIGN(const IpAddress address, address_of(bytes));
    config.workloads[address] = workload;
  }
  return {};
}

Result<void> add_endpoints(const wire::Endpoints& from, RuntimeConfig& config) {
  auto set = std::make_shared<EndpointSet>();
  set->service = from.service_name();
  for (const auto& endpoint : from.endpoints()) {
    KS_ASSIGN(const IpAddress address, address_of(endpoint.address()));
    set->endpoints.push_back({address, static_cast<uint16_t>(endpoint.port())});
  }
  config.endpoints[from.service()] = std::move(set);
  return {};
}

// Services by their resources' names; routes come by that name.
using ServicesByName = std::map<std::string, std::shared_ptr<Service>>;

Result<void> add_service(const wire::Resource& resource, ServicesByName& by_name,
                         RuntimeConfig& config) {
  const wire::Service& from = resource.service();
  std::shared_ptr<Service>& service = by_name[resource.name()];
  if (service == nullptr) {
    service = std::make_shared<Service>();
    service->ns = from.namespace_();
    service->name = from.service_name();
    service->port = static_cast<uint16_t>(from.port());
    if (from.ids_size() > static_cast<int>(service->ids.size()))
      return malformed(resource.name() + " has too many ids");
    std::copy(from.ids().begin(), from.ids().end(), service->ids.begin());
  }
  config.services[from.id()] = service;
  return {};
}

Result<void> add_routes(const wire::Resource& resource, const ServicesByName& by_name) {
  const auto service = by_name.find(resource.name());
  if (service == by_name.end()) return malformed("routes of an unknown Service " + resource.name());
  KS_ASSIGN(ServiceRoutes routes, read_routes(resource.routes()));
  service->second->routes = std::make_shared<const ServiceRoutes>(std::move(routes));
  return {};
}

}  // namespace

struct Builder::Draft {
  RuntimeConfig config;
  ServicesByName services;
  bool has_node = false;
  std::optional<Error> error;  // the first; the change set is refused at its Commit
};

// Descriptors of one packet, handed out in order.
struct Builder::Reader {
  std::vector<Fd> fds;
  size_t next = 0;

  Result<std::vector<Fd>> take(size_t count) {
    if (count > fds.size() - next) return malformed("fewer descriptors than announced");
    std::vector<Fd> taken;
    for (size_t i = 0; i < count; i++) taken.push_back(std::move(fds[next++]));
    return taken;
  }
};

Builder::Builder(SealedReader read_sealed) : read_sealed_(std::move(read_sealed)) {}
Builder::~Builder() = default;

void Builder::on_connected() {
  draft_.reset();
}

namespace {

Result<void> add_identity(const wire::Resource& resource, const std::vector<Fd>& fds,
                          const Builder::SealedReader& read_sealed, RuntimeConfig& config) {
  auto identity = std::make_shared<Identity>();
  identity->name = resource.name();
  if (resource.identity().has_key()) {
    if (fds.size() != 1) return malformed(resource.name() + " comes without its key");
    KS_ASSIGN(std::string material, read_sealed(fds.front()));
    identity->key_material = std::make_shared<const std::string>(std::move(material));
  }
  config.identities[resource.identity().id()] = std::move(identity);
  return {};
}

Result<void> add_resource(const wire::Resource& resource, std::vector<Fd>& fds,
                          const Builder::SealedReader& read_sealed, ServicesByName& services,
                          RuntimeConfig& config, std::optional<ProxyMaps>& maps) {
  switch (resource.body_case()) {
    case wire::Resource::kNode:
      if (fds.size() != 2) return malformed("the node comes without its two maps");
      config.node_name = resource.node().node_name();
      config.trust_domain = resource.node().trust_domain();
      maps = ProxyMaps{std::move(fds[0]), std::move(fds[1])};
      return {};
    case wire::Resource::kLocalPod: {
      KS_ASSIGN(config.local_pods[resource.name()], local_pod_of(resource));
      return {};
    }
    case wire::Resource::kWorkload:
      return add_workload(resource, config);
    case wire::Resource::kService:
      return add_service(resource, services, config);
    case wire::Resource::kRoutes:
      return add_routes(resource, services);
    case wire::Resource::kEndpoints:
      return add_endpoints(resource.endpoints(), config);
    case wire::Resource::kPolicySet: {
      KS_ASSIGN(config.policy_sets[resource.policy_set().id()], policy_set_of(resource));
      return {};
    }
    case wire::Resource::kIdentity:
      return add_identity(resource, fds, read_sealed, config);
    case wire::Resource::BODY_NOT_SET:
      break;
  }
  // A newer agent's kind: half-understood configuration must not serve.
  return malformed("resource '" + resource.name() + "' of a kind this version does not know");
}

}  // namespace

Result<PacketOutcome> Builder::on_packet(std::string_view bytes, std::vector<Fd> fds) {
  wire::Packet packet;
  if (!packet.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return malformed("packet of the agent");
  Reader reader{std::move(fds)};
  PacketOutcome outcome;
  for (const wire::Entry& entry : packet.entries()) {
    KS_ASSIGN(std::vector<Fd> own_fds, reader.take(entry.fd_count()));
    switch (entry.body_case()) {
      case wire::Entry::kBegin:
        draft_ = std::make_unique<Draft>();
        draft_->config.generation = entry.begin().generation();
        if (!entry.begin().full())
          draft_->error = Error{Reason::message_malformed, ErrorSource::kInternal, false, 0,
                                "a partial change set, which this version does not apply"};
        break;
      case wire::Entry::kUpsert: {
        if (!draft_) return malformed("a resource outside a change set");
        auto added = add_resource(entry.upsert(), own_fds, read_sealed_, draft_->services,
                                  draft_->config, outcome.maps);
        if (!added && !draft_->error) draft_->error = std::move(added).error();
        draft_->has_node |= entry.upsert().has_node();
        break;
      }
      case wire::Entry::kCommit: {
        if (!draft_ || draft_->config.generation != entry.commit().generation())
          return malformed("a commit without its change set");
        const auto draft = std::move(draft_);
        if (!draft->error && !draft->has_node)
          draft->error = Error{Reason::message_malformed, ErrorSource::kInternal, false, 0,
                               "a change set without its node"};
        outcome.refused = draft->error;
        outcome.refused_generation = draft->error ? draft->config.generation : 0;
        if (!draft->error)
          outcome.committed = std::make_shared<const RuntimeConfig>(std::move(draft->config));
        break;
      }
      case wire::Entry::kStatsRequest:
        outcome.stats_wanted = true;
        break;
      default:
        return malformed("the agent sent what only the proxy sends");
    }
  }
  return outcome;
}

}  // namespace keelson::config
