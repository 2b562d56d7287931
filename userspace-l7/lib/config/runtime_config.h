// RuntimeConfig: everything a proxy decides by, immutable, one generation. Built off the workers'
// loops (Builder), shared by pointer; a stream keeps the one it started with. Plain data. What
// grows with the cluster is shared between generations (base/shared_hash_map.h). The kernel's rows
// and this come out of the same compile run: see agent/compile.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip_address.h"
#include "base/shared_hash_map.h"
#include "config/policy_decision.h"
#include "config/routes.h"

namespace keelson::config {

struct LocalPod {
  std::string uid, ns, name;
  uint64_t netns_cookie = 0;
  uint32_t slot = 0;  // its home worker is slot % workers
  uint64_t identity = 0;
  std::vector<IpAddress> addresses;
  std::array<uint64_t, 2> policy_set = {0, 0};
  uint32_t flags = 0;  // ks_pod_flag

  bool owns(const IpAddress& address) const noexcept;
};

struct Workload {
  std::string name;  // "namespace/pod"
  uint64_t identity = 0;
  std::string node;
  bool ready = false;
};

struct Service {
  std::string ns, name;
  uint16_t port = 0;
  std::array<uint64_t, 2> ids = {0, 0};                   // of this port by ks_family; 0: none
  std::shared_ptr<const ServiceRoutes> routes = nullptr;  // null: not routed per request
};

struct PolicySet {
  uint32_t identity_class_default = 0;
  std::unordered_map<uint64_t, uint32_t> identities;
  std::unordered_map<uint16_t, uint32_t> ports;
  std::vector<std::pair<IpPrefix, uint32_t>> addresses;  // longest prefix first
  std::map<std::array<uint32_t, 3>, ks_policy> rows;     // identity, address, port class
  std::unordered_map<uint64_t, std::string> policy_names;
};

struct Identity {
  std::string name;  // "trust-domain/ns/namespace/sa/account"
  // Sealed key material (tls/key_material.h) of an identity of this node's pods; null: a peer's.
  std::shared_ptr<const std::string> key_material;
};

struct AddressHash {
  size_t operator()(const IpAddress& address) const noexcept;
};

struct RuntimeConfig {
  uint64_t generation = 0;
  std::string node_name;
  std::string trust_domain;
  std::map<std::string, std::shared_ptr<const LocalPod>> local_pods;  // by uid
  SharedHashMap<IpAddress, std::shared_ptr<const Workload>, AddressHash> workloads;
  SharedHashMap<uint64_t, std::shared_ptr<const Service>> services;
  // By service id; of every Service, so that connections outlive the end of their routes.
  SharedHashMap<uint64_t, std::shared_ptr<const EndpointSet>> endpoints;
  std::unordered_map<uint64_t, std::shared_ptr<const PolicySet>> policy_sets;
  SharedHashMap<uint64_t, std::shared_ptr<const Identity>> identities;

  Decision decide(const PolicyQuestion& question) const;
  // Empty when the set or the policy is unknown.
  std::string_view policy_name(const std::array<uint64_t, 2>& sets, uint64_t policy) const;
};

}  // namespace keelson::config
