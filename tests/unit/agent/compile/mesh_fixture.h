// Objects for compile and rollout tests: short makers, and RandomMesh, which edits a small mesh at
// random (same seed, same edits) so that properties can be tried over thousands of states.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "compile/facts.h"
#include "model/snapshot.h"

namespace keelson::compile {

IpAddress ip(std::string_view text);
IpPrefix prefix(std::string_view text);
model::SliceEndpoint ready_endpoint(std::string_view address);

// A snapshot and a node that grow by one call each. Local pods get cookie 100 + n, slot n,
// ifindex 10 + n, in the order of their making.
struct Mesh {
  model::Snapshot snapshot;
  NodeFacts facts;

  Mesh();
  model::Pod& add_pod(const std::string& ns, const std::string& name, const std::string& account,
                      const std::vector<std::string>& addresses);
  void add_remote_pod(const std::string& node, const std::string& ns, const std::string& name,
                      const std::string& account, const std::string& address,
                      model::PodState state);
  model::Service& add_service(const std::string& ns, const std::string& name,
                              const std::vector<std::string>& cluster_ips);
  model::EndpointSlice& add_slice(const std::string& ns, const std::string& service,
                                  const std::string& name);
  model::AuthorizationPolicy& add_policy(const std::string& ns, const std::string& name,
                                         model::PolicyAction action);
  model::PeerAuthentication& add_peer_authentication(const std::string& ns, const std::string& name,
                                                     model::MtlsMode mode);
};

class RandomMesh {
 public:
  explicit RandomMesh(uint32_t seed);
  // One to three random changes, then a new generation.
  void edit();
  // One change of an HTTPRoute or a ReferenceGrant, then a new generation. Apart from edit(),
  // because a Service with routes needs a proxy.
  void edit_routes();
  const model::Snapshot& snapshot() const { return mesh_.snapshot; }
  const NodeFacts& facts() const { return mesh_.facts; }

  static model::AuthorizationPolicy random_policy(std::mt19937& random, const std::string& ns,
                                                  const std::string& name);

 private:
  uint32_t pick(uint32_t below) { return random_() % below; }
  void edit_pod();
  void edit_remote_pod();
  void edit_service();
  void edit_policy();
  void edit_peer_authentication();
  void edit_route();
  void edit_grant();

  std::mt19937 random_;
  Mesh mesh_;
};

}  // namespace keelson::compile
