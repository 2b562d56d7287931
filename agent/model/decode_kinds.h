// The decoders behind decode_file, one per kind: each reads one object whose metadata was read
// already and reports what is wrong through the reader's context; a context that turned bad means
// that the returned object must not serve. Private to agent/model.
#pragma once

#include <array>
#include <string_view>

#include "model/decode.h"
#include "model/field_reader.h"

namespace keelson::model {

Shared<Namespace> decode_namespace(FieldReader& root, ObjectMeta meta);
Shared<Node> decode_node(FieldReader& root, ObjectMeta meta);
Shared<ServiceAccount> decode_service_account(FieldReader& root, ObjectMeta meta);
Shared<Pod> decode_pod(FieldReader& root, ObjectMeta meta);
Shared<Service> decode_service(FieldReader& root, ObjectMeta meta);
Shared<EndpointSlice> decode_endpoint_slice(FieldReader& root, ObjectMeta meta);
Shared<AuthorizationPolicy> decode_authorization_policy(FieldReader& root, ObjectMeta meta);
Shared<PeerAuthentication> decode_peer_authentication(FieldReader& root, ObjectMeta meta);
Shared<HttpRoute> decode_http_route(FieldReader& root, ObjectMeta meta);
Shared<ReferenceGrant> decode_reference_grant(FieldReader& root, ObjectMeta meta);
Shared<NodeState> decode_node_state(FieldReader& root, ObjectMeta meta);

// spec.selector of the Istio kinds. An unreadable one turns the context bad and reads as missing,
// which selects more: the stand-in of a bad policy then covers the namespace.
std::optional<Labels> decode_selector(FieldReader& spec);

// A value other than enabled and disabled changes nothing, so it is pointed out.
void check_mesh_label(DecodeContext& context, const Labels& labels, uint32_t line);

// TCP when absent; UDP and SCTP are not TCP; anything else is refused.
bool decode_is_tcp(FieldReader& port);

}  // namespace keelson::model
