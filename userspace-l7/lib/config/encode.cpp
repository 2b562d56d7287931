#include "config/encode.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "config/route_wire.h"
#include "keelson.pb.h"

namespace keelson::config {
namespace {

// Well under the frame's limit, so that one more resource always fits inline.
constexpr size_t kPayloadBytesTarget = 32 * 1024;
constexpr size_t kPayloadFdsMax = 32;

std::string bytes_of(const IpAddress& address) {
  return std::string(reinterpret_cast<const char*>(&address.raw()), sizeof address.raw());
}

std::string hexadecimal(uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

// Collects entries into payloads.
class PayloadList {
 public:
  void add(const wire::Entry& entry, const std::vector<int>& fds = {}) {
    if (bytes_ > kPayloadBytesTarget || fds_.size() + fds.size() > kPayloadFdsMax) finish();
    bytes_ += entry.ByteSizeLong();
    *packet_.add_entries() = entry;
    packet_.mutable_entries(packet_.entries_size() - 1)
        ->set_fd_count(static_cast<uint32_t>(fds.size()));
    fds_.insert(fds_.end(), fds.begin(), fds.end());
  }

  std::vector<Payload> take() {
    finish();
    return std::move(payloads_);
  }

 private:
  void finish() {
    if (packet_.entries_size() == 0) return;
    payloads_.push_back({packet_.SerializeAsString(), std::move(fds_)});
    packet_.Clear();
    fds_.clear();
    bytes_ = 0;
  }

  wire::Packet packet_;
  size_t bytes_ = 0;  // of packet_, about
  std::vector<int> fds_;
  std::vector<Payload> payloads_;
};

wire::Entry local_pod_entry(const LocalPod& pod) {
  wire::Entry entry;
  wire::Resource& resource = *entry.mutable_upsert();
  resource.set_name(pod.uid);
  wire::LocalPod& to = *resource.mutable_local_pod();
  to.set_namespace_(pod.ns);
  to.set_pod_name(pod.name);
  to.set_netns_cookie(pod.netns_cookie);
  to.set_slot(pod.slot);
  to.set_identity(pod.identity);
  for (const IpAddress& address : pod.addresses) to.add_addresses(bytes_of(address));
  for (const uint64_t set : pod.policy_set)
    if (set != 0) to.add_policy_sets(set);
  to.set_flags(pod.flags);
  return entry;
}

wire::Entry policy_set_entry(uint64_t id, const PolicySet& set) {
  wire::Entry entry;
  wire::Resource& resource = *entry.mutable_upsert();
  resource.set_name(hexadecimal(id));
  wire::PolicySet& to = *resource.mutable_policy_set();
  to.set_id(id);
  to.set_identity_class_default(set.identity_class_default);
  for (const auto& [identity, identity_class] : set.identities) {
    auto& row = *to.add_identities();
    row.set_identity(identity);
    row.set_class_(identity_class);
  }
  for (const auto& [port, port_class] : set.ports) {
    auto& row = *to.add_ports();
    row.set_port(port);
    row.set_class_(port_class);
  }
  for (const auto& [prefix, address_class] : set.addresses) {
    auto& row = *to.add_addresses();
    row.set_address(bytes_of(prefix.address));
    row.set_prefix_bits(prefix.length_bits);
    row.set_class_(address_class);
  }
  for (const auto& [classes, verdict] : set.rows) {
    auto& row = *to.add_rows();
    row.set_identity_class(classes[0]);
    row.set_address_class(classes[1]);
    row.set_port_class(classes[2]);
    row.set_policy(verdict.policy);
    row.set_allow(verdict.verdict == KS_ALLOW);
    row.set_deny_matched(verdict.deny_matched != 0);
  }
  for (const auto& [policy, name] : set.policy_names) {
    auto& row = *to.add_policy_names();
    row.set_policy(policy);
    row.set_name(name);
  }
  return entry;
}

void add_node(const RuntimeConfig& config, const Descriptors& descriptors, PayloadList& list) {
  wire::Entry entry;
  wire::Resource& resource = *entry.mutable_upsert();
  resource.set_name("node");
  resource.mutable_node()->set_node_name(config.node_name);
  resource.mutable_node()->set_trust_domain(config.trust_domain);
  list.add(entry, {descriptors.socket_map, descriptors.note_map});
}

void add_identities(const RuntimeConfig& config, const Descriptors& descriptors,
                    PayloadList& list) {
  for (const auto& [id, identity] : config.identities) {
    wire::Entry entry;
    wire::Resource& resource = *entry.mutable_upsert();
    resource.set_name(identity->name);
    wire::Identity& to = *resource.mutable_identity();
    to.set_id(id);
    const auto key = descriptors.key_material.find(id);
    to.set_has_key(key != descriptors.key_material.end());
    list.add(entry, key == descriptors.key_material.end() ? std::vector<int>{}
                                                          : std::vector<int>{key->second});
  }
}

// One resource a pod: its addresses share the Workload. A name alone is not enough: while a pod
// moves, two nodes list one of that name.
void add_workloads(const RuntimeConfig& config, PayloadList& list) {
  std::map<std::tuple<std::string, std::string, uint64_t, bool>, wire::Entry> by_content;
  for (const auto& [address, workload] : config.workloads) {
    wire::Entry& entry =
        by_content[{workload->name, workload->node, workload->identity, workload->ready}];
    wire::Resource& resource = *entry.mutable_upsert();
    resource.set_name(workload->name);
    wire::Workload& to = *resource.mutable_workload();
    to.add_addresses(bytes_of(address));
    to.set_identity(workload->identity);
    to.set_node(workload->node);
    to.set_ready(workload->ready);
  }
  for (const auto& [content, entry] : by_content) list.add(entry);
}

std::string name_of(const Service& service) {
  return service.ns + "/" + service.name + ":" + std::to_string(service.port);
}

void add_services(const RuntimeConfig& config, PayloadList& list) {
  for (const auto& [id, service] : config.services) {
    wire::Entry entry;
    wire::Resource& resource = *entry.mutable_upsert();
    resource.set_name(name_of(*service));
    wire::Service& to = *resource.mutable_service();
    to.set_id(id);
    to.set_namespace_(service->ns);
    to.set_service_name(service->name);
    to.set_port(service->port);
    for (const uint64_t by_family : service->ids) to.add_ids(by_family);
    list.add(entry);
  }
}

// Routes once for a Service's port, although its ids name it twice.
void add_routes(const RuntimeConfig& config, PayloadList& list) {
  std::map<std::string, const ServiceRoutes*> by_name;
  for (const auto& [id, service] : config.services)
    if (service->routes != nullptr) by_name.emplace(name_of(*service), service->routes.get());
  for (const auto& [name, routes] : by_name) {
    wire::Entry entry;
    entry.mutable_upsert()->set_name(name);
    write_routes(*routes, *entry.mutable_upsert()->mutable_routes());
    list.add(entry);
  }
}

void add_endpoints(const RuntimeConfig& config, PayloadList& list) {
  for (const auto& [id, set] : config.endpoints) {
    wire::Entry entry;
    wire::Resource& resource = *entry.mutable_upsert();
    resource.set_name(hexadecimal(id));
    wire::Endpoints& to = *resource.mutable_endpoints();
    to.set_service(id);
    to.set_service_name(set->service);
    for (const Endpoint& endpoint : set->endpoints) {
      wire::Endpoints::Endpoint& added = *to.add_endpoints();
      added.set_address(bytes_of(endpoint.address));
      added.set_port(endpoint.port);
    }
    list.add(entry);
  }
}

std::string one(const wire::Entry& entry) {
  wire::Packet packet;
  *packet.add_entries() = entry;
  return packet.SerializeAsString();
}

Stats stats_of(const wire::Stats& from) {
  Stats stats;
  for (const auto& counter : from.reasons())
    stats.reasons.emplace_back(static_cast<Reason>(counter.reason()), counter.count());
  stats.connections_active = from.connections_active();
  stats.connections_total = from.connections_total();
  stats.tunnels_active = from.tunnels_active();
  stats.handshakes_total = from.handshakes_total();
  stats.bytes_sent_total = from.bytes_sent_total();
  stats.bytes_received_total = from.bytes_received_total();
  stats.requests_total = from.requests_total();
  return stats;
}

}  // namespace

std::vector<Payload> encode_full(const RuntimeConfig& config, const Descriptors& descriptors) {
  PayloadList list;
  wire::Entry begin;
  begin.mutable_begin()->set_generation(config.generation);
  begin.mutable_begin()->set_full(true);
  list.add(begin);
  add_node(config, descriptors, list);
  add_identities(config, descriptors, list);
  for (const auto& [id, set] : config.policy_sets) list.add(policy_set_entry(id, *set));
  for (const auto& [uid, pod] : config.local_pods) list.add(local_pod_entry(*pod));
  add_workloads(config, list);
  add_services(config, list);
  add_routes(config, list);
  add_endpoints(config, list);
  wire::Entry commit;
  commit.mutable_commit()->set_generation(config.generation);
  list.add(commit);
  return list.take();
}

std::string encode_hello(const Hello& hello) {
  wire::Entry entry;
  wire::Hello& to = *entry.mutable_hello();
  to.set_protocol(hello.protocol);
  to.set_version(hello.version);
  to.set_pid(hello.pid);
  to.set_workers(hello.workers);
  if (hello.has_gauge) entry.set_fd_count(1);
  return one(entry);
}

std::string encode_ack(uint64_t generation) {
  wire::Entry entry;
  entry.mutable_ack()->set_generation(generation);
  return one(entry);
}

std::string encode_nack(const Nack& nack) {
  wire::Entry entry;
  entry.mutable_nack()->set_generation(nack.generation);
  entry.mutable_nack()->set_reason(static_cast<uint32_t>(nack.reason));
  entry.mutable_nack()->set_text(nack.text);
  return one(entry);
}

std::string encode_stats(const Stats& stats) {
  wire::Entry entry;
  wire::Stats& to = *entry.mutable_stats();
  for (const auto& [reason, count] : stats.reasons) {
    auto& counter = *to.add_reasons();
    counter.set_reason(static_cast<uint32_t>(reason));
    counter.set_count(count);
  }
  to.set_connections_active(stats.connections_active);
  to.set_connections_total(stats.connections_total);
  to.set_tunnels_active(stats.tunnels_active);
  to.set_handshakes_total(stats.handshakes_total);
  to.set_bytes_sent_total(stats.bytes_sent_total);
  to.set_bytes_received_total(stats.bytes_received_total);
  to.set_requests_total(stats.requests_total);
  return one(entry);
}

std::string encode_stats_request() {
  wire::Entry entry;
  entry.mutable_stats_request();
  return one(entry);
}

std::string encode_goodbye() {
  wire::Entry entry;
  entry.mutable_goodbye();
  return one(entry);
}

std::string encode_denials(const Denials& denials) {
  wire::Entry entry;
  const auto text = [](const std::string& whole) { return whole.substr(0, kDenialTextMax); };
  for (const Denial& denial : denials.denials) {
    wire::Denials::Denial& to = *entry.mutable_denials()->add_denials();
    to.set_time_us(
        std::chrono::duration_cast<std::chrono::microseconds>(denial.time.time_since_epoch())
            .count());
    to.set_reason(static_cast<uint32_t>(denial.reason));
    to.set_source(text(denial.source));
    to.set_source_identity(text(denial.source_identity));
    to.set_source_address(text(denial.source_address));
    to.set_destination(text(denial.destination));
    to.set_destination_identity(text(denial.destination_identity));
    to.set_destination_address(text(denial.destination_address));
    to.set_policy(text(denial.policy));
    to.set_service(text(denial.service));
    to.set_is_request(denial.is_request);
  }
  entry.mutable_denials()->set_lost(denials.lost);
  return one(entry);
}

namespace {

Result<void> add_denials(const wire::Denials& from, Denials& to) {
  if (to.denials.size() + static_cast<size_t>(from.denials_size()) > kDenialsPerReportMax)
    return fail(Reason::message_malformed, ErrorSource::kInternal, "too many denials at once");
  to.lost += from.lost();
  for (const wire::Denials::Denial& denial : from.denials()) {
    constexpr int64_t kYear2100 = 4'102'444'800'000'000;  // beyond, WallTime might overflow
    const WallTime time{
        std::chrono::microseconds(std::clamp(denial.time_us(), int64_t{0}, kYear2100))};
    to.denials.push_back({time, static_cast<Reason>(denial.reason()), denial.source(),
                          denial.source_identity(), denial.source_address(), denial.destination(),
                          denial.destination_identity(), denial.destination_address(),
                          denial.policy(), denial.service(), denial.is_request()});
  }
  return {};
}

}  // namespace

Result<ProxyMessages> decode_proxy_messages(std::string_view bytes) {
  wire::Packet packet;
  if (!packet.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(Reason::message_malformed, ErrorSource::kInternal, "message of the proxy");
  ProxyMessages messages;
  for (const wire::Entry& entry : packet.entries()) {
    switch (entry.body_case()) {
      case wire::Entry::kHello:
        messages.hello = Hello{entry.hello().protocol(), entry.hello().version(),
                               entry.hello().pid(), entry.hello().workers(), entry.fd_count() == 1};
        break;
      case wire::Entry::kAck:
        messages.ack = entry.ack().generation();
        break;
      case wire::Entry::kNack:
        messages.nack = Nack{entry.nack().generation(), static_cast<Reason>(entry.nack().reason()),
                             entry.nack().text()};
        break;
      case wire::Entry::kStats:
        messages.stats = stats_of(entry.stats());
        break;
      case wire::Entry::kDenials:
        KS_TRY(add_denials(entry.denials(), messages.denials));
        break;
      case wire::Entry::kGoodbye:
        messages.goodbye = true;
        break;
      case wire::Entry::BODY_NOT_SET:  // of a newer proxy
        break;
      default:
        return fail(Reason::message_malformed, ErrorSource::kInternal,
                    "the proxy sent what only the agent sends");
    }
  }
  return messages;
}

}  // namespace keelson::config
