#include "admin/edges.h"

#include "admin/flow_log.h"
#include "base/ip_address.h"

namespace keelson::admin {
namespace {

constexpr std::pair<Transport, std::string_view> kNames[] = {
    {Transport::kDirect, "direct"},
    {Transport::kMtls, "mtls"},
    {Transport::kProxy, "proxy"},
    {Transport::kPlain, "plain"},
};

// "10.1.0.2:40000", "[fd00::1]:80": the address without the port.
std::string host_of(std::string_view endpoint) {
  const auto parsed = Endpoint::parse(endpoint);
  return parsed ? parsed->address.to_string() : std::string(endpoint);
}

std::string caller_of(const Flow& flow) {
  return flow.from.empty() ? host_of(flow.source) : flow.from;
}

std::string callee_of(const Flow& flow) {
  if (!flow.service.empty()) return flow.service;
  return flow.to.empty() ? flow.original : flow.to;
}

std::string ends_of(const Edge& edge) {
  return edge.from + ">" + edge.to;
}

}  // namespace

Transport transport_of(const Flow& flow) noexcept {
  if (flow.path == "direct") return Transport::kDirect;
  if (flow.path != "capture") return Transport::kPlain;
  // For a Service that is routed per request the kernel chooses no endpoint.
  const bool chosen = flow.service.empty() || flow.destination != flow.original;
  return chosen ? Transport::kMtls : Transport::kProxy;
}

std::vector<std::string_view> Edge::transport_names() const {
  std::vector<std::string_view> names;
  for (const auto& [transport, name] : kNames)
    if (transports & static_cast<uint8_t>(transport)) names.push_back(name);
  return names;
}

void Edges::add(const Flow& flow) {
  if (flow.hook == "source_check") return;  // a forged packet calls nobody
  Edge seen;
  seen.from = caller_of(flow);
  seen.to = callee_of(flow);
  seen.first_seen = flow.time;
  const auto [known, is_new] = by_ends_.try_emplace(ends_of(seen), edges_.begin());
  if (is_new) {
    edges_.push_front(std::move(seen));
    known->second = edges_.begin();
  } else {
    edges_.splice(edges_.begin(), edges_, known->second);
  }
  Edge& edge = edges_.front();
  edge.last_seen = flow.time;
  if (flow.allowed) {
    ++edge.allowed;
    edge.transports |= static_cast<uint8_t>(transport_of(flow));
  } else {
    ++edge.denied;
    edge.reason = flow.reason;
  }
  if (edges_.size() <= edges_max_) return;
  by_ends_.erase(ends_of(edges_.back()));
  edges_.pop_back();
}

std::vector<Edge> Edges::recent(size_t max) const {
  std::vector<Edge> found;
  for (auto edge = edges_.begin(); edge != edges_.end() && found.size() < max; ++edge)
    found.push_back(*edge);
  return found;
}

}  // namespace keelson::admin
