#include "admin/flow_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/json_text.h"
#include "base/utc_text.h"

namespace keelson::admin {
namespace {

std::string_view hook_name(uint8_t hook) noexcept {
  switch (hook) {
    case KS_HOOK_CONNECT:
      return "connect";
    case KS_HOOK_LOOKUP:
      return "lookup";
    case KS_HOOK_ESTABLISHED:
      return "established";
    case KS_HOOK_SOURCE_CHECK:
      return "source_check";
    default:
      return "unknown";
  }
}

std::string name_of(const auto& names, uint64_t id) {
  auto found = id == 0 ? names.end() : names.find(id);
  return found == names.end() ? std::string() : found->second;
}

std::string pod_name(const FlowNames& names, uint64_t cookie, const IpAddress& address) {
  std::string name = names.plan ? name_of(names.plan->names.pods, cookie) : std::string();
  return name.empty() ? names.pod_at(address) : name;
}

bool matches_end(const std::string& filter, const std::string& pod, const std::string& endpoint) {
  if (filter.empty()) return true;
  if (!pod.empty() && pod.starts_with(filter)) return true;
  return endpoint == filter || endpoint.starts_with(filter + ":") ||
         endpoint.starts_with("[" + filter + "]:");
}

}  // namespace

std::string_view flow_path(Reason reason) noexcept {
  switch (reason) {
    case Reason::direct:
    case Reason::direct_l7:
      return "direct";
    case Reason::captured:
      return "capture";
    case Reason::passthrough:
      return "passthrough";
    case Reason::self:
      return "self";
    case Reason::probe:
      return "probe";
    case Reason::deliver:
      return "deliver";
    case Reason::hbone_dial:
    case Reason::hbone_accepted:
      return "hbone";
    case Reason::egress_dial:
      return "egress";
    case Reason::plaintext:
    case Reason::plaintext_grace:
    case Reason::plain_l7:
      return "plaintext";
    default:
      return "none";
  }
}

std::string flow_json(const Flow& flow) {
  nlohmann::ordered_json line;
  line["time"] = utc_text_micros(flow.time);
  line["node"] = flow.node;
  line["hook"] = flow.hook;
  line["verdict"] = flow.allowed ? "allowed" : "denied";
  line["reason"] = flow.reason;
  line["path"] = flow.path;
  line["from"] = flow.from;
  line["from_identity"] = flow.from_identity;
  line["to"] = flow.to;
  line["to_identity"] = flow.to_identity;
  line["service"] = flow.service;
  line["policy"] = flow.policy;
  line["source"] = flow.source;
  line["destination"] = flow.destination;
  line["original"] = flow.original;
  return json_text(line);
}

bool FlowFilter::matches(const Flow& flow) const {
  if (allowed && *allowed != flow.allowed) return false;
  if (!reason.empty() && reason != flow.reason) return false;
  if (!matches_end(from, flow.from, flow.source)) return false;
  return matches_end(to, flow.to, flow.destination) || matches_end(to, flow.service, flow.original);
}

FlowNames flow_names(std::shared_ptr<const compile::Plan> plan, const model::Snapshot& snapshot) {
  FlowNames names{std::move(plan), {}};
  for (const auto& [key, pod] : snapshot.pods) {
    if (pod->host_network || pod->terminal) continue;  // the node's address names no single pod
    for (const auto& address : pod->addresses) names.pods[address] = key.ns + "/" + key.name;
  }
  return names;
}

std::string FlowNames::pod_at(const IpAddress& address) const {
  if (plan != nullptr && plan->proxy != nullptr) {
    const auto& workloads = plan->proxy->workloads;
    if (const auto found = workloads.find(address); found != workloads.end())
      return found->second->name;
  }
  const auto found = pods.find(address);
  return found == pods.end() ? std::string() : found->second;
}

Flow describe_flow(const ks_event& event, const FlowNames& names, std::string_view node,
                   WallTime time) {
  Flow flow;
  flow.time = time;
  flow.node = node;
  const Reason reason = static_cast<Reason>(event.reason);
  flow.reason = reason_name(reason);
  flow.allowed = event.verdict == KS_ALLOW;
  flow.path = flow.allowed ? flow_path(reason) : "none";
  flow.hook = hook_name(event.hook);
  const Endpoint source = Endpoint::from_raw(event.source);
  const Endpoint destination = Endpoint::from_raw(event.destination);
  flow.source = source.to_string();
  flow.destination = destination.to_string();
  flow.original = Endpoint::from_raw(event.original).to_string();
  flow.from = pod_name(names, event.source_pod, source.address);
  flow.to = pod_name(names, event.destination_pod, destination.address);
  if (!names.plan) return flow;
  flow.from_identity = name_of(names.plan->names.identities, event.source_identity);
  flow.to_identity = name_of(names.plan->names.identities, event.destination_identity);
  flow.service = name_of(names.plan->names.services, event.service);
  flow.policy = name_of(names.plan->names.policies, event.policy);
  return flow;
}

Flow describe_denial(const config::Denial& denial, const FlowNames& names, std::string_view node) {
  constexpr std::string_view kScheme = "spiffe://";
  const auto without_scheme = [&](const std::string& id) {
    return id.starts_with(kScheme) ? id.substr(kScheme.size()) : id;
  };
  const auto named = [&](const std::string& address, const std::string& otherwise) {
    const auto at = Endpoint::parse(address);
    const std::string name = at ? names.pod_at(at->address) : std::string();
    return name.empty() ? otherwise : name;
  };
  Flow flow;
  flow.time = denial.time;
  flow.node = node;
  flow.hook = denial.is_request ? "request" : "hbone";
  flow.path = "none";
  flow.reason = reason_name(denial.reason);
  flow.from = named(denial.source_address, denial.source);
  flow.from_identity = without_scheme(denial.source_identity);
  flow.to = named(denial.destination_address, denial.destination);
  flow.to_identity = without_scheme(denial.destination_identity);
  flow.service = denial.service;
  flow.policy = denial.policy;
  flow.source = denial.source_address;
  flow.destination = denial.destination_address;
  flow.original = denial.destination_address;
  return flow;
}

// One `observe`. Knows its FlowLog only to sign off.
class FlowLog::Reader final : public serving::LineSource {
 public:
  Reader(FlowLog& log, FlowFilter filter, bool follow)
      : log_(log), filter_(std::move(filter)), follow_(follow) {
    log_.readers_.push_back(this);
  }
  ~Reader() override { std::erase(log_.readers_, this); }

  // The backlog is as long as was asked for; the bound is for what comes after.
  void preload(std::shared_ptr<const Flow> flow) { queue_.push_back(std::move(flow)); }
  bool wants(const Flow& flow) const { return filter_.matches(flow); }

  void offer(const std::shared_ptr<const Flow>& flow) {
    if (!follow_ || !wants(*flow)) return;
    if (queue_.size() >= log_.options_.queue_flows) {
      ++lost_;
      ++log_.slow_reader_lost_;
      return;
    }
    queue_.push_back(flow);
    if (wake_) wake_();
  }
  void note_lost(uint64_t count) {
    if (!follow_ || count == 0) return;
    lost_ += count;
    if (wake_) wake_();
  }

  std::optional<std::string> next() override {
    if (lost_ > 0 && queue_.size() < log_.options_.queue_flows) {
      nlohmann::ordered_json line;
      line["lost"] = std::exchange(lost_, 0);
      return json_text(line) + "\n";
    }
    if (queue_.empty()) return std::nullopt;
    std::string line = flow_json(*queue_.front()) + "\n";
    queue_.pop_front();
    return line;
  }
  bool is_finished() const override { return !follow_ && queue_.empty(); }
  void set_wake(std::function<void()> wake) override { wake_ = std::move(wake); }

 private:
  FlowLog& log_;
  FlowFilter filter_;
  bool follow_;
  std::deque<std::shared_ptr<const Flow>> queue_;
  uint64_t lost_ = 0;
  std::function<void()> wake_;
};

FlowLog::FlowLog(const Clock& clock, std::string node, Options options)
    : clock_(clock), node_(std::move(node)), options_(options) {}

void FlowLog::set_names(std::shared_ptr<const compile::Plan> plan,
                        std::shared_ptr<const model::Snapshot> snapshot) {
  names_.plan = std::move(plan);
  snapshot_ = std::move(snapshot);
}

void FlowLog::refresh_names() {
  if (snapshot_) names_ = flow_names(names_.plan, *std::exchange(snapshot_, nullptr));
}

void FlowLog::add(const ks_event& event) {
  refresh_names();
  const auto now = clock_.now();
  const auto then = MonotonicTime(std::chrono::nanoseconds(event.time_ns));
  const auto age = std::chrono::duration_cast<WallTime::duration>(now - std::min(then, now));
  add(std::make_shared<const Flow>(describe_flow(event, names_, node_, clock_.wall_now() - age)));
}

void FlowLog::add(const config::Denials& denials) {
  refresh_names();
  for (const config::Denial& denial : denials.denials)
    add(std::make_shared<const Flow>(describe_denial(denial, names_, node_)));
  for (Reader* reader : readers_) reader->note_lost(denials.lost);
}

void FlowLog::add(std::shared_ptr<const Flow> flow) {
  ++flows_seen_;
  edges_.add(*flow);
  ring_.push_back(flow);
  if (ring_.size() > options_.ring_flows) ring_.pop_front();
  for (Reader* reader : readers_) reader->offer(flow);
}

std::unique_ptr<serving::LineSource> FlowLog::subscribe(FlowFilter filter, size_t last,
                                                        bool follow) {
  if (readers_.size() >= options_.readers_max) return nullptr;
  auto reader = std::make_unique<Reader>(*this, std::move(filter), follow);
  std::vector<std::shared_ptr<const Flow>> backlog;
  for (auto flow = ring_.rbegin(); flow != ring_.rend() && backlog.size() < last; ++flow)
    if (reader->wants(**flow)) backlog.push_back(*flow);
  for (auto flow = backlog.rbegin(); flow != backlog.rend(); ++flow) reader->preload(*flow);
  return reader;
}

std::vector<Flow> FlowLog::between(std::string_view from, std::string_view to, size_t max) const {
  std::vector<Flow> found;
  for (auto flow = ring_.rbegin(); flow != ring_.rend() && found.size() < max; ++flow)
    if ((*flow)->from == from && ((*flow)->to == to || (*flow)->service == to))
      found.push_back(**flow);
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace keelson::admin
