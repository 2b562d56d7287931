// What a pod's own bearer token says of where it was made: the API server writes the node of the
// pod into it (Kubernetes 1.30, KEP-4193). Nothing is verified: it is for tokens that are the
// caller's own. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace keelson::kube {

// The uid of the Node object; empty: the token is no JWT (RFC 7519), or it names no node, or
// another one.
std::string node_uid(std::string_view token, std::string_view node_name);

}  // namespace keelson::kube
