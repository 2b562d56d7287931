#include "model/decode.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "document/parse.h"
#include "model/decode_kinds.h"
#include "model/name_rules.h"

namespace keelson::model {
namespace {

using document::BrokenDocument;
using document::Value;

using DecodeKind = AnyObject (*)(FieldReader&, ObjectMeta);

template <auto decode>
AnyObject as_any(FieldReader& root, ObjectMeta meta) {
  return decode(root, std::move(meta));
}

struct KindRow {
  std::string_view name;
  Kind kind;
  std::string_view group;  // empty: core
  std::array<std::string_view, 2> versions;
  bool is_namespaced;
  bool is_strict;  // an unknown field refuses the object
  bool is_policy;  // a bad one needs a stand-in
  bool has_copy;   // its last good version survives a restart
  DecodeKind decode;
};

constexpr auto kKinds = std::to_array<KindRow>({
    {"Namespace",
     Kind::kNamespace,
     "",
     {"v1"},
     false,
     false,
     false,
     false,
     as_any<decode_namespace>},
    {"Node", Kind::kNode, "", {"v1"}, false, false, false, false, as_any<decode_node>},
    {"Pod", Kind::kPod, "", {"v1"}, true, false, false, false, as_any<decode_pod>},
    {"Service", Kind::kService, "", {"v1"}, true, false, false, false, as_any<decode_service>},
    {"ServiceAccount",
     Kind::kServiceAccount,
     "",
     {"v1"},
     true,
     false,
     false,
     false,
     as_any<decode_service_account>},
    {"EndpointSlice",
     Kind::kEndpointSlice,
     "discovery.k8s.io",
     {"v1"},
     true,
     false,
     false,
     false,
     as_any<decode_endpoint_slice>},
    {"AuthorizationPolicy",
     Kind::kAuthorizationPolicy,
     "security.istio.io",
     {"v1", "v1beta1"},
     true,
     true,
     true,
     true,
     as_any<decode_authorization_policy>},
    {"PeerAuthentication",
     Kind::kPeerAuthentication,
     "security.istio.io",
     {"v1", "v1beta1"},
     true,
     true,
     true,
     true,
     as_any<decode_peer_authentication>},
    {"HTTPRoute",
     Kind::kHttpRoute,
     "gateway.networking.k8s.io",
     {"v1", "v1beta1"},
     true,
     true,
     false,
     true,
     as_any<decode_http_route>},
    {"ReferenceGrant",
     Kind::kReferenceGrant,
     "gateway.networking.k8s.io",
     {"v1", "v1beta1"},
     true,
     true,
     false,
     true,
     as_any<decode_reference_grant>},
    {"NodeState",
     Kind::kNodeState,
     "keelson.dev",
     {"v1alpha1"},
     false,
     true,
     false,
     false,
     as_any<decode_node_state>},
});

// Kinds that stand in every folder of manifests and say nothing about traffic.
constexpr auto kHarmlessKinds = std::to_array<std::string_view>({"Deployment",
                                                                 "ReplicaSet",
                                                                 "StatefulSet",
                                                                 "DaemonSet",
                                                                 "Job",
                                                                 "CronJob",
                                                                 "ConfigMap",
                                                                 "Secret",
                                                                 "Role",
                                                                 "RoleBinding",
                                                                 "ClusterRole",
                                                                 "ClusterRoleBinding",
                                                                 "Endpoints",
                                                                 "Event",
                                                                 "PersistentVolume",
                                                                 "PersistentVolumeClaim",
                                                                 "StorageClass",
                                                                 "HorizontalPodAutoscaler",
                                                                 "PodDisruptionBudget",
                                                                 "CustomResourceDefinition",
                                                                 "ResourceQuota",
                                                                 "LimitRange",
                                                                 "PriorityClass",
                                                                 "Lease",
                                                                 "ServiceMonitor",
                                                                 "PodMonitor"});

const KindRow* row_named(std::string_view kind) {
  const auto row = std::ranges::find(kKinds, kind, &KindRow::name);
  return row == kKinds.end() ? nullptr : &*row;
}

// Where a policy goes that names no usable namespace: kubectl's own default.
constexpr std::string_view kDefaultNamespace = "default";

AnyObject stand_in(const KindRow& row, const ObjectMeta& meta, std::optional<Labels> selector) {
  if (row.kind == Kind::kAuthorizationPolicy) {
    auto policy = std::make_shared<AuthorizationPolicy>();
    policy->meta = meta;
    policy->selector = std::move(selector);
    policy->unreadable = true;
    return Shared<AuthorizationPolicy>(std::move(policy));
  }
  auto strict = std::make_shared<PeerAuthentication>();
  strict->meta = meta;
  strict->selector = std::move(selector);
  strict->mode = MtlsMode::kStrict;
  return Shared<PeerAuthentication>(std::move(strict));
}

std::optional<Labels> selector_of(const AnyObject& object) {
  if (const auto* policy = std::get_if<Shared<AuthorizationPolicy>>(&object))
    return (*policy)->selector;
  if (const auto* peer = std::get_if<Shared<PeerAuthentication>>(&object)) return (*peer)->selector;
  return std::nullopt;
}

// RFC 3339, as Kubernetes writes it: "2026-08-21T10:00:00Z". Absent and null say nothing.
std::optional<int64_t> decode_creation_time(FieldReader& metadata) {
  const Value* value = metadata.find("creationTimestamp");
  if (value == nullptr || value->is_null()) return std::nullopt;
  std::tm time{};
  const char* rest = ::strptime(value->text().c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest != nullptr && std::string_view(rest) == "Z") return ::timegm(&time);
  metadata.context().warn(Reason::bad_value, value->line(),
                          "metadata.creationTimestamp '" + value->text() + "' is not a time in UTC",
                          "write it like 2026-08-21T10:00:00Z, or leave it out");
  return std::nullopt;
}

class FileDecoder {
 public:
  explicit FileDecoder(const std::string& file) { out_.file = file; }

  void decode_document(const Value& document);
  void add_broken(const BrokenDocument& broken);
  DecodedFile take() { return std::move(out_); }

 private:
  void decode_list(FieldReader& root, std::string_view item_kind);
  void decode_item(const Value& document, std::string_view kind_hint, std::string api_hint);
  void decode_as(const KindRow& row, FieldReader& root, const Value& document);
  void report_unsupported(FieldReader& root, const std::string& api_version,
                          const std::string& kind);
  bool is_our_version(const KindRow& row, FieldReader& root,
                      const std::optional<std::string>& api_version);
  ObjectMeta decode_meta(const KindRow& row, FieldReader& root, bool* named);
  void name_key(const KindRow& row, ObjectKey& key, uint32_t line);

  DecodedFile out_;
};

void FileDecoder::decode_document(const Value& document) {
  decode_item(document, "", "");
}

void FileDecoder::decode_item(const Value& document, std::string_view kind_hint,
                              std::string api_hint) {
  DecodeContext context{out_.file, "", &out_.findings};
  FieldReader root(context, document, "");
  auto kind = root.string("kind");
  auto api_version = root.string("apiVersion");
  if (!kind && !kind_hint.empty()) kind = kind_hint;
  if (!api_version && !api_hint.empty()) api_version = std::move(api_hint);
  if (!kind || kind->empty()) {
    if (document.is_mapping() && !context.bad)
      context.refuse(Reason::missing_field, document.line(), "the document has no kind",
                     "add apiVersion and kind");
    out_.complete = false;  // it may be an object that served until now
    return;
  }
  if (kind->ends_with("List") && root.has("items")) {
    decode_list(root, std::string_view(*kind).substr(0, kind->size() - 4));
    return;
  }
  const KindRow* row = row_named(*kind);
  if (row == nullptr || !is_our_version(*row, root, api_version)) {
    report_unsupported(root, api_version.value_or(""), *kind);
    return;
  }
  decode_as(*row, root, document);
}

void FileDecoder::decode_list(FieldReader& root, std::string_view item_kind) {
  const auto* items = root.list("items");
  if (items == nullptr) return;
  // The items of a typed list (PodList) may leave their own kind out.
  const std::string api = item_kind.empty() ? "" : root.string("apiVersion").value_or("");
  for (const Value& item : *items) decode_item(item, item_kind, api);
}

// False: the kind of another API group that only shares the name. A version that our group does not
// have, or a group one slip away from ours, is ours and is refused.
bool FileDecoder::is_our_version(const KindRow& row, FieldReader& root,
                                 const std::optional<std::string>& api_version) {
  const std::string wanted =
      (row.group.empty() ? "" : std::string(row.group) + "/") + std::string(row.versions[0]);
  DecodeContext& context = root.context();
  context.object = row.name;
  if (!api_version) {
    if (!context.bad)
      context.refuse(Reason::missing_field, root.line(), "apiVersion is missing",
                     "write apiVersion: " + wanted);
    return true;
  }
  const size_t slash = api_version->find('/');
  const std::string_view text = *api_version;
  const std::string_view group = slash == std::string::npos ? "" : text.substr(0, slash);
  const std::string_view version = slash == std::string::npos ? text : text.substr(slash + 1);
  if (group == row.group && !version.empty() &&
      std::ranges::find(row.versions, version) != row.versions.end())
    return true;
  const std::string_view ours[] = {row.group};
  if (group != row.group && !group.empty() && nearest(group, ours).empty()) return false;
  context.refuse(Reason::bad_value, root.line(),
                 "apiVersion '" + *api_version + "' does not exist for " + std::string(row.name),
                 "write apiVersion: " + wanted);
  return true;
}

void FileDecoder::report_unsupported(FieldReader& root, const std::string& api_version,
                                     const std::string& kind) {
  std::string name;
  if (const Value* metadata = root.find("metadata"))
    if (const Value* field = metadata->find("name")) name = field->text();
  const bool harmless = std::ranges::find(kHarmlessKinds, kind) != kHarmlessKinds.end();
  std::vector<std::string_view> names;
  for (const KindRow& row : kKinds) names.push_back(row.name);
  const std::string_view meant = nearest(kind, names);
  out_.findings.push_back(
      {harmless ? Severity::kInfo : Severity::kWarning,
       Reason::unsupported_kind,
       {out_.file, root.line()},
       name.empty() ? kind : kind + " " + name,
       "kind " + kind + (api_version.empty() ? "" : " of " + api_version) + " is not read",
       harmless || meant.empty() || meant == kind ? ""
                                                  : "did you mean '" + std::string(meant) + "'?"});
}

// An unnamed object gets a name that no object can have in Kubernetes.
void FileDecoder::name_key(const KindRow& row, ObjectKey& key, uint32_t line) {
  key.kind = row.kind;
  if (key.name.empty()) key.name = "unreadable-at-" + out_.file + "-" + std::to_string(line);
  if (row.is_namespaced && key.ns.empty()) key.ns = kDefaultNamespace;
}

ObjectMeta FileDecoder::decode_meta(const KindRow& row, FieldReader& root, bool* named) {
  ObjectMeta meta;
  meta.where = {out_.file, root.line()};
  DecodeContext& context = root.context();
  auto metadata = root.mapping("metadata");
  if (metadata) {
    const auto name = metadata->string("name");
    const bool valid = name && is_dns_subdomain(*name);
    if (name && !valid)
      metadata->refuse(Reason::bad_value, metadata->find("name")->line(), "name",
                       "'" + *name + "' is not a valid name",
                       "use lower-case letters, digits, '-' and '.'");
    if (valid) meta.key.name = *name;
    const auto ns = metadata->string("namespace");
    if (ns && row.is_namespaced && !is_dns_label(*ns))
      metadata->refuse(Reason::bad_value, metadata->find("namespace")->line(), "namespace",
                       "'" + *ns + "' is not a valid namespace",
                       "use lower-case letters, digits and '-', at most 63");
    else if (ns && row.is_namespaced)
      meta.key.ns = *ns;
  }
  *named = !meta.key.name.empty();
  if (!*named && !context.bad)
    context.refuse(Reason::missing_field, root.line(), "metadata.name is missing", "add it");
  name_key(row, meta.key, root.line());
  context.object = meta.key.to_string();
  if (!metadata) return meta;
  meta.uid = metadata->string("uid").value_or("");
  meta.created = decode_creation_time(*metadata);
  // Elsewhere it would tell of changes that nobody honours: EndpointSlices have many.
  if (row.kind == Kind::kHttpRoute) meta.generation = metadata->integer("generation").value_or(0);
  meta.labels = metadata->labels("labels").value_or(Labels{});
  meta.annotations = metadata->annotations("annotations").value_or(Labels{});
  for (const std::string_view known :
       {"resourceVersion", "generation", "managedFields", "ownerReferences", "finalizers",
        "generateName", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"})
    metadata->find(known);
  if (row.is_strict) metadata->refuse_unknown();
  return meta;
}

// Istio evaluates such a policy without enforcing it.
bool is_dry_run(const KindRow& row, const ObjectMeta& meta) {
  const auto annotation = meta.annotations.find("istio.io/dry-run");
  return row.kind == Kind::kAuthorizationPolicy && annotation != meta.annotations.end() &&
         annotation->second == "true";
}

void FileDecoder::decode_as(const KindRow& row, FieldReader& root, const Value& document) {
  DecodeContext& context = root.context();
  bool named = false;
  const ObjectMeta meta = decode_meta(row, root, &named);
  if (is_dry_run(row, meta)) {
    context.warn(Reason::unsupported_field, root.line(),
                 "istio.io/dry-run: the policy is neither enforced nor evaluated",
                 "remove the annotation to enforce it");
    return;
  }
  DecodedObject decoded;
  decoded.key = meta.key;
  decoded.where = meta.where;
  decoded.generation = meta.generation;
  decoded.unnamed = !named;
  AnyObject object = row.decode(root, meta);
  if (row.has_copy) decoded.text = document.to_json();
  if (!context.bad)
    decoded.object = std::move(object);
  else if (row.is_policy)
    decoded.fallback = stand_in(row, meta, selector_of(object));
  if (!named) {
    out_.complete = false;
    if (!row.is_policy) return;
  }
  out_.objects.push_back(std::move(decoded));
}

void FileDecoder::add_broken(const BrokenDocument& broken) {
  out_.complete = false;
  Finding finding{Severity::kError, broken.reason, {out_.file, broken.line}, "",
                  broken.message,   broken.fix};
  const KindRow* row = row_named(broken.kind);
  if (row != nullptr) {
    ObjectMeta meta;
    meta.where = {out_.file, broken.first_line};
    const bool named = is_dns_subdomain(broken.name);
    if (named) meta.key.name = broken.name;
    if (row->is_namespaced && is_dns_label(broken.ns)) meta.key.ns = broken.ns;
    name_key(*row, meta.key, broken.first_line);
    finding.object = meta.key.to_string();
    DecodedObject decoded;
    decoded.key = meta.key;
    decoded.where = meta.where;
    decoded.unnamed = !named;
    if (row->is_policy) decoded.fallback = stand_in(*row, meta, std::nullopt);
    if (named || row->is_policy) out_.objects.push_back(std::move(decoded));
  }
  out_.findings.push_back(std::move(finding));
}

}  // namespace

bool same_content(const AnyObject& a, const AnyObject& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& left) {
        const auto& right = std::get<std::decay_t<decltype(left)>>(b);
        return left == right || *left == *right;
      },
      a);
}

DecodedFile decode_file(const std::string& file, std::string_view text) {
  const document::ParsedText parsed = document::parse_documents(text);
  FileDecoder decoder(file);
  for (const Value& document : parsed.documents) decoder.decode_document(document);
  for (const BrokenDocument& broken : parsed.broken) decoder.add_broken(broken);
  return decoder.take();
}

DecodedFile decode_object(const std::string& file, std::string_view json) {
  FileDecoder decoder(file);
  if (const auto document = document::parse_json_object(json, file)) {
    decoder.decode_document(*document);
    return decoder.take();
  } else {
    const size_t space = file.find(' ');
    const size_t slash = file.find('/');
    BrokenDocument broken;
    broken.reason = document.error().reason;
    broken.message = document.error().context;
    broken.kind = file.substr(0, space);
    if (slash != std::string::npos) broken.ns = file.substr(space + 1, slash - space - 1);
    broken.name = file.substr((slash == std::string::npos ? space : slash) + 1);
    decoder.add_broken(broken);
    return decoder.take();
  }
}

DecodedFile unreadable_file(const std::string& file, const Error& error) {
  DecodedFile decoded;
  decoded.file = file;
  decoded.complete = false;
  decoded.findings.push_back({Severity::kError,
                              error.reason,
                              {file, 0},
                              "",
                              error.message(),
                              "make the file readable, or remove it"});
  return decoded;
}

}  // namespace keelson::model
