#include "compile/policy_set.h"

#include <map>
#include <set>

#include "base/content_id.h"
#include "compile/address_classes.h"
#include "compile/ids.h"

namespace keelson::compile {
namespace {

using model::AuthorizationPolicy;
using model::PolicyAction;

// For one class: how each source or operation of the set, in reading order, matches its members.
using Signature = std::vector<Match>;

template <class Visit>
void each_source(const Policies& policies, Visit visit) {
  for (const auto& policy : policies)
    for (const auto& rule : policy->rules)
      if (rule.from)
        for (const auto& source : *rule.from) visit(*policy, source);
}

template <class Visit>
void each_operation(const Policies& policies, Visit visit) {
  for (const auto& policy : policies)
    for (const auto& rule : policy->rules)
      if (rule.to)
        for (const auto& operation : *rule.to) visit(operation);
}

// Numbers the distinct signatures of one dimension.
class Classes {
 public:
  uint32_t add(const Signature& signature) {
    const auto [at, added] = numbers_.emplace(signature, static_cast<uint32_t>(signatures_.size()));
    if (added) signatures_.push_back(signature);
    return at->second;
  }
  const std::vector<Signature>& signatures() const { return signatures_; }
  size_t size() const { return signatures_.size(); }

 private:
  std::map<Signature, uint32_t> numbers_;
  std::vector<Signature> signatures_;
};

// The whole set before it has an id.
struct Tables {
  Classes identities, ports;
  AddressClasses addresses{{}};
  uint32_t identity_default = 0;
  uint32_t flags = 0;
  std::vector<std::pair<uint64_t, uint32_t>> identity_rows;
  std::vector<std::pair<uint16_t, uint32_t>> port_rows;
  std::vector<ks_policy> verdicts;  // identity class, address class, port class: last runs fastest
};

Signature identity_signature(const Policies& policies, const Peer& peer) {
  Signature signature;
  each_source(policies, [&](const AuthorizationPolicy& policy, const model::PolicySource& source) {
    signature.push_back(match_identity(source, policy.meta.key.ns, peer));
  });
  return signature;
}

// Identities that policies spell out count as known even when no pod has them, so that "unknown"
// surely is none of them.
std::map<std::string, Peer> named_identities(const Policies& policies,
                                             const std::vector<Peer>& known,
                                             const std::string& trust_domain) {
  std::map<std::string, Peer> named;
  for (const auto& peer : known) named.emplace(peer.principal, peer);
  const auto add = [&](const std::string& principal) {
    if (principal.find('*') != std::string::npos) return;
    if (auto peer = parse_principal(principal)) named.emplace(principal, std::move(*peer));
  };
  each_source(policies, [&](const AuthorizationPolicy& policy, const model::PolicySource& source) {
    for (const auto* list : {&source.principals, &source.not_principals})
      if (*list)
        for (const auto& principal : **list) add(principal);
    for (const auto* list : {&source.service_accounts, &source.not_service_accounts})
      if (*list)
        for (const auto& account : **list) {
          const auto [ns, name] = split_service_account(account, policy.meta.key.ns);
          add(identity_name(trust_domain, ns, name));
        }
  });
  return named;
}

void classify_identities(Tables& tables, const Policies& policies, const std::vector<Peer>& known,
                         const std::string& trust_domain) {
  tables.identities.add(identity_signature(policies, Peer{}));  // KS_CLASS_NO_IDENTITY
  Peer unknown;
  unknown.kind = Peer::Kind::kUnknown;
  tables.identity_default = tables.identities.add(identity_signature(policies, unknown));
  for (const auto& [name, peer] : named_identities(policies, known, trust_domain)) {
    const uint32_t number = tables.identities.add(identity_signature(policies, peer));
    if (number != tables.identity_default)
      tables.identity_rows.emplace_back(identity_id(name), number);
  }
}

void classify_addresses(Tables& tables, const Policies& policies) {
  std::vector<const model::PolicySource*> sources;
  each_source(policies, [&](const AuthorizationPolicy&, const model::PolicySource& source) {
    sources.push_back(&source);
  });
  tables.addresses = AddressClasses(std::move(sources));
  if (!tables.addresses.rows().empty()) tables.flags |= KS_SET_ADDRESSES;
}

Signature port_signature(const Policies& policies, std::optional<uint16_t> port) {
  Signature signature;
  each_operation(policies, [&](const model::PolicyOperation& operation) {
    signature.push_back(match_port(operation, port));
  });
  return signature;
}

void classify_ports(Tables& tables, const Policies& policies) {
  std::set<uint16_t> named;
  each_operation(policies, [&](const model::PolicyOperation& operation) {
    for (const auto* list : {&operation.ports, &operation.not_ports})
      if (*list) named.insert((*list)->begin(), (*list)->end());
  });
  tables.ports.add(port_signature(policies, std::nullopt));
  for (const uint16_t port : named)
    if (const uint32_t number = tables.ports.add(port_signature(policies, port)); number != 0)
      tables.port_rows.emplace_back(port, number);
  if (!tables.port_rows.empty()) tables.flags |= KS_SET_PORTS;
}

// One cell of the verdict table while it is judged.
struct Cell {
  const Signature& identity;
  const Signature& address;
  const Signature& port;
};

// How the policies, one after the other, match the members of `cell`.
std::vector<Match> match_policies(const Policies& policies, const Cell& cell) {
  std::vector<Match> matches;
  size_t source_at = 0;
  size_t operation_at = 0;
  for (const auto& policy : policies) {
    Match match = policy->unreadable ? Match::kYes : Match::kNo;
    for (const auto& rule : policy->rules) {
      Match from = rule.from ? (rule.from->empty() ? Match::kMaybe : Match::kNo) : Match::kYes;
      for (size_t i = 0; rule.from && i < rule.from->size(); i++, source_at++)
        from = either(from, both(cell.identity[source_at], cell.address[source_at]));
      Match to = rule.to ? (rule.to->empty() ? Match::kMaybe : Match::kNo) : Match::kYes;
      for (size_t i = 0; rule.to && i < rule.to->size(); i++, operation_at++)
        to = either(to, cell.port[operation_at]);
      match = either(match, both(from, to));
    }
    matches.push_back(match);
  }
  return matches;
}

bool denies(const AuthorizationPolicy& policy) {
  return policy.unreadable || policy.action == PolicyAction::kDeny;
}

struct PolicyIds {
  std::vector<uint64_t> own;  // of each policy
  uint64_t no_allow = 0;      // 0: there is no ALLOW policy
};

// Istio's order: any DENY that matches; else, if ALLOW policies select, one must match.
ks_policy judge(const Policies& policies, const PolicyIds& ids, const Cell& cell) {
  const std::vector<Match> matches = match_policies(policies, cell);
  for (size_t i = 0; i < policies.size(); i++)
    if (denies(*policies[i]) && matches[i] != Match::kNo) return {ids.own[i], KS_DENY, 1, {}};
  for (size_t i = 0; i < policies.size(); i++)
    if (!denies(*policies[i]) && matches[i] == Match::kYes) return {ids.own[i], KS_ALLOW, 0, {}};
  if (ids.no_allow != 0) return {ids.no_allow, KS_DENY, 0, {}};
  return {0, KS_ALLOW, 0, {}};
}

// "shop/a, shop/b" of the ALLOW policies; empty when there is none.
std::string allow_names(const Policies& policies) {
  std::string names;
  for (const auto& policy : policies)
    if (!denies(*policy))
      names += (names.empty() ? "" : ", ") + policy->meta.key.ns + "/" + policy->meta.key.name;
  return names;
}

void fill_verdicts(Tables& tables, const Policies& policies, const PolicyIds& ids) {
  for (const auto& identity : tables.identities.signatures())
    for (size_t a = 0; a < tables.addresses.size(); a++) {
      const Signature address = tables.addresses.signature(a);
      for (const auto& port : tables.ports.signatures())
        tables.verdicts.push_back(judge(policies, ids, {identity, address, port}));
    }
}

Tables deny_all(uint64_t policy) {
  Tables tables;
  tables.identities.add({});
  tables.ports.add({});
  tables.verdicts.push_back({policy, KS_DENY, 1, {}});
  return tables;
}

RowList rows_of(const Tables& tables, uint64_t id) {
  RowList rows;
  rows.push_back(make_row(MapId::kSet, id, ks_set{tables.flags, tables.identity_default}));
  for (const auto& [identity, number] : tables.identity_rows)
    rows.push_back(make_row(MapId::kClassId, ks_class_id_key{id, identity}, number));
  for (const auto& [port, number] : tables.port_rows)
    rows.push_back(make_row(MapId::kClassPort, ks_class_port_key{id, port, 0, 0}, number));
  for (const auto& [prefix, number] : tables.addresses.rows())
    rows.push_back(
        make_row(MapId::kClassAddr,
                 ks_class_addr_key{64u + prefix.length_bits, static_cast<uint32_t>(id >> 32),
                                   static_cast<uint32_t>(id), prefix.address.raw()},
                 number));
  size_t at = 0;
  for (uint32_t i = 0; i < tables.identities.size(); i++)
    for (uint16_t a = 0; a < tables.addresses.size(); a++)
      for (uint16_t p = 0; p < tables.ports.size(); p++)
        rows.push_back(make_row(MapId::kPolicy, ks_policy_key{id, i, a, p}, tables.verdicts[at++]));
  return rows;
}

uint64_t set_id(const Tables& tables) {
  std::string content = "set/";
  for (const auto& [key, value] : rows_of(tables, 0)) {
    content.push_back(static_cast<char>(key.map));
    content.append(key.key).append(value);
  }
  return content_id(content);
}

void report_too_large(PolicySet& set, const Policies& policies, const Tables& tables) {
  const auto& meta = policies.front()->meta;
  set.findings.push_back(
      {model::Severity::kError, Reason::policy_too_large, meta.where, meta.key.to_string(),
       "the policies that select one workload need " + std::to_string(tables.identities.size()) +
           " identity x " + std::to_string(tables.addresses.size()) + " address x " +
           std::to_string(tables.ports.size()) + " port classes, more than " +
           std::to_string(KS_POLICY_ROWS_PER_SET_MAX) + ": everything is denied",
       "name fewer distinct sources, ipBlocks or ports, or use prefixes"});
}

}  // namespace

PolicySet compile_policy_set(const Policies& policies, const std::vector<Peer>& known,
                             const std::string& trust_domain) {
  PolicySet set;
  if (policies.empty()) return set;
  PolicyIds ids;
  for (const auto& policy : policies) {
    const auto& key = policy->meta.key;
    ids.own.push_back(policy_id(key.ns, key.name));
    set.names.emplace_back(ids.own.back(), key.ns + "/" + key.name);
  }
  if (const std::string allows = allow_names(policies); !allows.empty()) {
    ids.no_allow = no_allow_id(allows);
    set.names.emplace_back(ids.no_allow, allows + " (no ALLOW matches)");
  }

  Tables tables;
  classify_identities(tables, policies, known, trust_domain);
  classify_addresses(tables, policies);
  classify_ports(tables, policies);
  const uint64_t rows_needed =
      uint64_t{tables.identities.size()} * tables.addresses.size() * tables.ports.size();
  if (rows_needed > KS_POLICY_ROWS_PER_SET_MAX) {
    report_too_large(set, policies, tables);
    tables = deny_all(ids.own.front());
  } else {
    fill_verdicts(tables, policies, ids);
  }
  set.id = set_id(tables);
  set.rows = rows_of(tables, set.id);
  return set;
}

}  // namespace keelson::compile
