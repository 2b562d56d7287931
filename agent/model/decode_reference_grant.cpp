// ReferenceGrant (Gateway API v1). Each entry of `from` stands for itself, and so does each of
// `to`: one for other kinds grants nothing here and is passed over.
#include "model/decode_http.h"
#include "model/decode_kinds.h"
#include "model/name_rules.h"

namespace keelson::model {
namespace {

constexpr size_t kEntriesMax = 16;

// Group and kind are required; the group of the core kinds is "".
bool is_about(FieldReader& entry, std::string_view group, std::string_view kind) {
  const auto its_group = entry.string("group");
  if (!its_group && !entry.context().bad)
    entry.refuse(Reason::missing_field, entry.line(), "group", "is missing",
                 "write group: " + (group.empty() ? "\"\"" : std::string(group)));
  const auto its_kind = decode_text(entry, "kind", 63);
  if (its_group == group && its_kind == kind) return true;
  if (its_group && its_kind == kind)
    entry.context().warn(
        Reason::bad_value, entry.line(),
        entry.path() + " grants nothing: " + *its_kind + " is not of group '" + *its_group + "'",
        "write group: " + (group.empty() ? "\"\"" : std::string(group)));
  return false;
}

template <class Decode>
void decode_entries(FieldReader& spec, std::string_view field, Decode decode) {
  const auto* items = decode_list(spec, field, kEntriesMax);
  if ((items == nullptr || items->empty()) && !spec.context().bad)
    spec.refuse(Reason::missing_field, spec.line(), field, "has no entry", "add one");
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    FieldReader entry(spec.context(), (*items)[i], spec.item_path(field, i));
    decode(entry);
    entry.refuse_unknown();
  }
}

void decode_from(FieldReader& entry, ReferenceGrant& grant) {
  const bool is_route = is_about(entry, "gateway.networking.k8s.io", "HTTPRoute");
  const auto ns = decode_text(entry, "namespace", 63);
  if (ns && !is_dns_label(*ns))
    entry.refuse(Reason::bad_value, entry.find("namespace")->line(), "namespace",
                 "'" + *ns + "' is not a valid namespace",
                 "use lower-case letters, digits and '-', at most 63; every namespace has an entry "
                 "of its own");
  else if (ns && is_route)
    grant.route_namespaces.push_back(*ns);
}

// A missing name is every Service; an empty one is refused, as by the API server.
void decode_to(FieldReader& entry, ReferenceGrant& grant) {
  const bool is_service = is_about(entry, "", "Service");
  const auto name = entry.string("name");
  if (name && !is_dns_subdomain(*name))
    entry.refuse(Reason::bad_value, entry.find("name")->line(), "name",
                 "'" + *name + "' is not a valid name",
                 "use lower-case letters, digits, '-' and '.'; leave it out for every Service");
  else if (is_service)
    grant.services.push_back(name.value_or(""));
}

}  // namespace

Shared<ReferenceGrant> decode_reference_grant(FieldReader& root, ObjectMeta meta) {
  auto grant = std::make_shared<ReferenceGrant>();
  grant->meta = std::move(meta);
  auto spec = root.mapping("spec");
  root.refuse_unknown();
  if (!spec) {
    if (!root.context().bad)
      root.context().refuse(Reason::missing_field, root.line(), "spec is missing", "add it");
    return grant;
  }
  decode_entries(*spec, "from", [&](FieldReader& entry) { decode_from(entry, *grant); });
  decode_entries(*spec, "to", [&](FieldReader& entry) { decode_to(entry, *grant); });
  spec->refuse_unknown();
  return grant;
}

}  // namespace keelson::model
