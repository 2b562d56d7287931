#include "compile/policy_match.h"

namespace keelson::compile {
namespace {

using Patterns = std::vector<std::string>;

bool is_any(const std::string& pattern) {
  return pattern == "*";
}

// A list that is present but empty says nothing that can be trusted: kMaybe.
template <class List, class Matches>
Match match_list(const List& list, Matches matches) {
  if (list.empty()) return Match::kMaybe;
  return std::any_of(list.begin(), list.end(), matches) ? Match::kYes : Match::kNo;
}

// What an unknown identity can be: not one that is spelt out, but any that a wildcard covers.
Match match_unknown(const Patterns& patterns, bool exact_is_known) {
  Match result = patterns.empty() ? Match::kMaybe : Match::kNo;
  for (const auto& pattern : patterns) {
    if (is_any(pattern)) return Match::kYes;
    const bool exact = pattern.find('*') == std::string::npos;
    if (!exact || !exact_is_known) result = Match::kMaybe;
  }
  return result;
}

struct IdentityField {
  const model::StringMatches& positive;
  const model::StringMatches& negative;
  bool exact_is_known;  // a pattern without wildcard names exactly one identity
};

template <class Matches>
Match match_positive(const Patterns& patterns, const Peer& peer, bool exact_is_known,
                     Matches matches) {
  switch (peer.kind) {
    case Peer::Kind::kNone:
      return patterns.empty() ? Match::kMaybe : Match::kNo;
    case Peer::Kind::kUnknown:
      return match_unknown(patterns, exact_is_known);
    case Peer::Kind::kNamed:
      return match_list(patterns, matches);
  }
  return Match::kMaybe;
}

template <class Matches>
Match match_field(const IdentityField& field, const Peer& peer, Matches matches) {
  Match result = Match::kYes;
  if (field.positive) result = match_positive(*field.positive, peer, field.exact_is_known, matches);
  if (!field.negative) return result;
  // Istio: a peer without identity satisfies every `not…`. For DENY that is right; an ALLOW must
  // not open to whoever looks anonymous.
  if (peer.kind == Peer::Kind::kNone) return both(result, Match::kMaybe);
  if (field.negative->empty()) return result;
  return both(result, negate(match_positive(*field.negative, peer, field.exact_is_known, matches)));
}

}  // namespace

std::optional<Peer> parse_principal(std::string_view principal) {
  const size_t ns_at = principal.find("/ns/");
  if (ns_at == std::string_view::npos || ns_at == 0) return std::nullopt;
  const std::string_view rest = principal.substr(ns_at + 4);
  const size_t sa_at = rest.find("/sa/");
  if (sa_at == std::string_view::npos || sa_at == 0) return std::nullopt;
  const std::string_view account = rest.substr(sa_at + 4);
  if (account.empty() || account.find('/') != std::string_view::npos) return std::nullopt;
  return Peer{Peer::Kind::kNamed, std::string(principal), std::string(rest.substr(0, sa_at)),
              std::string(account)};
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  if (pattern == "*") return !text.empty();
  if (pattern.starts_with('*')) return text.ends_with(pattern.substr(1));
  if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == text;
}

std::pair<std::string_view, std::string_view> split_service_account(std::string_view text,
                                                                    std::string_view policy_ns) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {policy_ns, text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

Match match_identity(const model::PolicySource& source, std::string_view policy_ns,
                     const Peer& peer) {
  const Match principals =
      match_field({source.principals, source.not_principals, true}, peer,
                  [&](const auto& text) { return matches_pattern(text, peer.principal); });
  const Match namespaces =
      match_field({source.namespaces, source.not_namespaces, false}, peer,
                  [&](const auto& text) { return matches_pattern(text, peer.ns); });
  // A service account of any trust domain, as in Istio: spelling it out names no single identity.
  const Match accounts = match_field(
      {source.service_accounts, source.not_service_accounts, false}, peer, [&](const auto& text) {
        if (is_any(text)) return true;
        const auto [ns, name] = split_service_account(text, policy_ns);
        return matches_pattern(ns, peer.ns) && matches_pattern(name, peer.service_account);
      });
  return both(principals, both(namespaces, accounts));
}

bool is_v4_prefix(const IpPrefix& prefix) {
  return prefix.address.is_v4() && prefix.length_bits >= 96;
}

Match match_address(const model::PolicySource& source, const AddressLists& lists) {
  Match result = Match::kYes;
  if (source.ip_blocks)
    result = source.ip_blocks->empty() ? Match::kMaybe
             : lists.in_ip_blocks      ? Match::kYes
                                       : Match::kNo;
  if (source.not_ip_blocks && !source.not_ip_blocks->empty() && lists.in_not_ip_blocks)
    result = Match::kNo;
  return result;
}

Match match_port(const model::PolicyOperation& operation, std::optional<uint16_t> port) {
  const auto same = [&](uint16_t listed) { return port == listed; };
  Match result = Match::kYes;
  if (operation.ports) result = match_list(*operation.ports, same);
  if (operation.not_ports && !operation.not_ports->empty())
    result = both(result, negate(match_list(*operation.not_ports, same)));
  return result;
}

}  // namespace keelson::compile
