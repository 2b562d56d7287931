#include "model/decode_kinds.h"

namespace keelson::model {
namespace {

using document::Value;

MtlsMode decode_mode(FieldReader& mtls) {
  const auto mode = mtls.string("mode");
  mtls.refuse_unknown();
  if (!mode || *mode == "UNSET") return MtlsMode::kUnset;
  if (*mode == "PERMISSIVE") return MtlsMode::kPermissive;
  if (*mode == "STRICT") return MtlsMode::kStrict;
  if (*mode == "DISABLE") return MtlsMode::kDisable;
  mtls.refuse(Reason::bad_value, mtls.line(), "mode", "'" + *mode + "' is not a mode",
              "use STRICT, PERMISSIVE, DISABLE or UNSET");
  return MtlsMode::kStrict;
}

void decode_port_modes(FieldReader& spec, PeerAuthentication& object) {
  const Value* ports = spec.find("portLevelMtls");
  if (ports == nullptr || !spec.mapping("portLevelMtls")) return;
  for (const auto& member : ports->members()) {
    const std::string path = spec.path_of("portLevelMtls") + "." + member.key;
    const auto port = port_item(spec.context(), Value::number(member.key, member.key_line), path);
    FieldReader mtls(spec.context(), member.value, path);
    const MtlsMode mode = decode_mode(mtls);
    if (port) object.port_modes[*port] = mode;
  }
  // Istio refuses this too; honouring nothing would leave a STRICT port open.
  if (!object.selector && !ports->members().empty())
    spec.refuse(Reason::missing_field, ports->line(), "portLevelMtls", "needs a selector",
                "add spec.selector.matchLabels");
}

}  // namespace

Shared<PeerAuthentication> decode_peer_authentication(FieldReader& root, ObjectMeta meta) {
  auto object = std::make_shared<PeerAuthentication>();
  object->meta = std::move(meta);
  root.find("status");
  if (auto spec = root.mapping("spec")) {
    object->selector = decode_selector(*spec);
    if (auto mtls = spec->mapping("mtls")) object->mode = decode_mode(*mtls);
    decode_port_modes(*spec, *object);
    spec->refuse_unknown();
  }
  root.refuse_unknown();
  return object;
}

}  // namespace keelson::model
