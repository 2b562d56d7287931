// security.istio.io AuthorizationPolicy, the part that needs no HTTP. Everything else that the API
// knows is refused by name: dropping a condition from an ALLOW or a DENY would change who gets in.
#include "model/decode_kinds.h"

namespace keelson::model {
namespace {

using document::Value;

constexpr std::string_view kL7Fix = "remove it; Keelson does not yet check HTTP in this policy";

// A list that is there must say something: in Istio's validation, and because `from:` with nothing
// after it would otherwise match everything.
const std::vector<Value>* items_of(FieldReader& reader, std::string_view field) {
  const Value* value = reader.find(field);
  if (value == nullptr) return nullptr;
  const auto* items = reader.list(field);
  if (value->is_null() || (items != nullptr && items->empty())) {
    reader.refuse(Reason::bad_value, value->line(), field, "is empty",
                  "add an item, or remove the field to match everything");
    return nullptr;
  }
  return items;
}

template <class T, class Read>
std::optional<std::vector<T>> read_list(FieldReader& reader, std::string_view field, Read read) {
  const auto* items = items_of(reader, field);
  if (items == nullptr) return std::nullopt;
  std::vector<T> result;
  for (size_t i = 0; i < items->size(); ++i)
    if (auto item = read(reader.context(), (*items)[i], reader.item_path(field, i)))
      result.push_back(std::move(*item));
  return result;
}

std::optional<std::string> match_item(DecodeContext& context, const Value& item,
                                      const std::string& path) {
  auto text = string_item(context, item, path);
  if (!text) return std::nullopt;
  std::string_view body = *text;
  if (body.size() > 1 && body.starts_with('*'))
    body.remove_prefix(1);
  else if (body.size() > 1 && body.ends_with('*'))
    body.remove_suffix(1);
  if (body.empty() || (*text != "*" && body.find('*') != std::string_view::npos)) {
    context.refuse(Reason::bad_value, item.line(), path + " '" + *text + "' cannot match",
                   "write a value, prefix*, *suffix or *");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> principal_item(DecodeContext& context, const Value& item,
                                          const std::string& path) {
  auto text = match_item(context, item, path);
  if (!text || !text->starts_with("spiffe://")) return text;
  context.refuse(Reason::bad_value, item.line(), path + " '" + *text + "' can never match",
                 "leave out spiffe://, as in cluster.local/ns/shop/sa/web");
  return std::nullopt;
}

// "name" or "namespace/name", no wildcards (istio.io/api security/v1beta1).
std::optional<std::string> account_item(DecodeContext& context, const Value& item,
                                        const std::string& path) {
  auto text = string_item(context, item, path);
  if (!text) return std::nullopt;
  const size_t slash = text->find('/');
  const bool fine = !text->empty() && text->find('*') == std::string::npos && slash != 0 &&
                    slash != text->size() - 1 &&
                    (slash == std::string::npos || text->find('/', slash + 1) == std::string::npos);
  if (fine) return text;
  context.refuse(Reason::bad_value, item.line(), path + " '" + *text + "' is not a service account",
                 "write name or namespace/name, without wildcards");
  return std::nullopt;
}

std::optional<IpPrefix> block_item(DecodeContext& context, const Value& item,
                                   const std::string& path) {
  const auto text = string_item(context, item, path);
  if (!text) return std::nullopt;
  if (auto prefix = IpPrefix::parse(*text)) return *prefix;
  context.refuse(Reason::bad_value, item.line(), path + " '" + *text + "' is not an address block",
                 "write 10.0.0.0/8 with the bits after the prefix zero, or one address");
  return std::nullopt;
}

// Istio's ports are strings.
std::optional<uint16_t> port_text_item(DecodeContext& context, const Value& item,
                                       const std::string& path) {
  const auto text = string_item(context, item, path);
  if (!text) return std::nullopt;
  const auto number = Value::number(*text, item.line()).as_int64();
  if (number && *number >= 1 && *number <= 65535 && std::to_string(*number) == *text)
    return static_cast<uint16_t>(*number);
  context.refuse(Reason::bad_value, item.line(), path + " '" + *text + "' is not a port",
                 "use \"1\" to \"65535\"");
  return std::nullopt;
}

PolicySource decode_source(FieldReader& reader) {
  PolicySource source;
  source.principals = read_list<std::string>(reader, "principals", principal_item);
  source.not_principals = read_list<std::string>(reader, "notPrincipals", principal_item);
  source.namespaces = read_list<std::string>(reader, "namespaces", match_item);
  source.not_namespaces = read_list<std::string>(reader, "notNamespaces", match_item);
  source.service_accounts = read_list<std::string>(reader, "serviceAccounts", account_item);
  source.not_service_accounts = read_list<std::string>(reader, "notServiceAccounts", account_item);
  source.ip_blocks = read_list<IpPrefix>(reader, "ipBlocks", block_item);
  source.not_ip_blocks = read_list<IpPrefix>(reader, "notIpBlocks", block_item);
  reader.refuse_unsupported({"requestPrincipals", "notRequestPrincipals", "remoteIpBlocks",
                             "notRemoteIpBlocks", "trustDomains", "notTrustDomains"},
                            kL7Fix);
  reader.refuse_unknown();
  if (source == PolicySource{} && !reader.context().bad)
    reader.context().refuse(Reason::bad_value, reader.line(), reader.path() + " is empty",
                            "add a condition, or remove `from` to match every source");
  return source;
}

PolicyOperation decode_operation(FieldReader& reader) {
  PolicyOperation operation;
  operation.ports = read_list<uint16_t>(reader, "ports", port_text_item);
  operation.not_ports = read_list<uint16_t>(reader, "notPorts", port_text_item);
  reader.refuse_unsupported({"hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"},
                            kL7Fix);
  reader.refuse_unknown();
  if (operation == PolicyOperation{} && !reader.context().bad)
    reader.context().refuse(Reason::bad_value, reader.line(), reader.path() + " is empty",
                            "add a condition, or remove `to` to match every operation");
  return operation;
}

// One item of `from` or `to`: a mapping whose only field is `inner`.
template <class T, class Decode>
std::optional<std::vector<T>> decode_wrapped(FieldReader& rule, std::string_view field,
                                             std::string_view inner, Decode decode) {
  return read_list<T>(
      rule, field, [&](DecodeContext& context, const Value& item, const std::string& path) {
        std::optional<T> result;
        FieldReader wrapper(context, item, path);
        if (auto reader = wrapper.mapping(inner)) result = decode(*reader);
        wrapper.refuse_unknown();
        if (!result && !context.bad)
          wrapper.refuse(Reason::missing_field, wrapper.line(), inner, "is missing", "add it");
        return result;
      });
}

std::optional<PolicyRule> decode_rule(DecodeContext& context, const Value& item,
                                      const std::string& path) {
  if (item.is_null()) {
    context.refuse(Reason::wrong_type, item.line(), path + " is null",
                   "write {} for a rule that matches everything");
    return std::nullopt;
  }
  FieldReader reader(context, item, path);
  PolicyRule rule;
  rule.from = decode_wrapped<PolicySource>(reader, "from", "source", decode_source);
  rule.to = decode_wrapped<PolicyOperation>(reader, "to", "operation", decode_operation);
  reader.refuse_unsupported({"when"}, kL7Fix);
  reader.refuse_unknown();
  return rule;
}

PolicyAction decode_action(FieldReader& spec) {
  const auto action = spec.string("action");
  if (!action || *action == "ALLOW") return PolicyAction::kAllow;
  if (*action == "DENY") return PolicyAction::kDeny;
  const bool known = *action == "CUSTOM" || *action == "AUDIT";
  spec.refuse(known ? Reason::unsupported_field : Reason::bad_value, spec.find("action")->line(),
              "action", "'" + *action + "' is not " + (known ? "implemented" : "an action"),
              "use ALLOW or DENY");
  return PolicyAction::kDeny;
}

}  // namespace

std::optional<Labels> decode_selector(FieldReader& spec) {
  auto selector = spec.mapping("selector");
  if (!selector) return std::nullopt;
  DecodeContext& context = spec.context();
  const bool was_bad = std::exchange(context.bad, false);
  auto labels = selector->labels("matchLabels");
  selector->refuse_unknown();
  const bool unreadable = context.bad;
  context.bad = was_bad || unreadable;
  if (unreadable) return std::nullopt;
  return labels ? labels : Labels{};
}

Shared<AuthorizationPolicy> decode_authorization_policy(FieldReader& root, ObjectMeta meta) {
  auto policy = std::make_shared<AuthorizationPolicy>();
  policy->meta = std::move(meta);
  root.find("status");
  if (auto spec = root.mapping("spec")) {
    policy->selector = decode_selector(*spec);
    policy->action = decode_action(*spec);
    const auto* rules = spec->list("rules");
    for (size_t i = 0; rules != nullptr && i < rules->size(); ++i)
      if (auto rule = decode_rule(spec->context(), (*rules)[i], spec->item_path("rules", i)))
        policy->rules.push_back(std::move(*rule));
    // With targetRefs the selection is theirs, so the stand-in covers the namespace.
    if (spec->has("targetRef") || spec->has("targetRefs")) policy->selector.reset();
    spec->refuse_unsupported({"targetRef", "targetRefs", "provider"},
                             "use spec.selector.matchLabels and action ALLOW or DENY");
    spec->refuse_unknown();
  }
  root.refuse_unknown();
  return policy;
}

}  // namespace keelson::model
