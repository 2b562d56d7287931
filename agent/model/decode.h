// decode: the text of one file -> typed objects. Core kinds ignore fields they do not know; policy
// and route kinds (AuthorizationPolicy, PeerAuthentication, HTTPRoute, ReferenceGrant, NodeState)
// refuse the object for one, because a misspelt field would weaken it silently. A bad object is
// still named, so that the store can keep its last good version, and a bad policy brings the object
// that stands in for it (`fallback`), which denies. Pure, any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/finding.h"
#include "model/objects.h"

namespace keelson::model {

template <class T>
using Shared = std::shared_ptr<const T>;

using AnyObject = std::variant<Shared<Namespace>, Shared<Node>, Shared<Pod>, Shared<Service>,
                               Shared<EndpointSlice>, Shared<ServiceAccount>,
                               Shared<AuthorizationPolicy>, Shared<PeerAuthentication>,
                               Shared<HttpRoute>, Shared<ReferenceGrant>, Shared<NodeState>>;

bool same_content(const AnyObject& a, const AnyObject& b);

struct DecodedObject {
  ObjectKey key;
  SourceRef where;
  std::optional<AnyObject> object;  // nothing: this version is bad
  // Bad policies only: what serves when there never was a good version. An AuthorizationPolicy with
  // `unreadable` set, a PeerAuthentication that is STRICT. Its selector is kept where it could be
  // read; else the namespace is selected. A policy whose name or namespace cannot be read gets a
  // made-up name ("unreadable-at-FILE-LINE") and the namespace "default", as kubectl would use.
  std::optional<AnyObject> fallback;
  bool unnamed = false;    // `key` has a made-up name
  int64_t generation = 0;  // of this version, also a bad one; see ObjectMeta
  std::string
      text;  // policies, routes and grants: the object as one line of JSON, for the last good copy
};

struct DecodedFile {
  std::string file;
  std::vector<DecodedObject> objects;  // in document order
  std::vector<Finding> findings;
  // False: something in the file could not even be parsed, so an object that is missing here may
  // still be meant to exist.
  bool complete = true;
};

DecodedFile decode_file(const std::string& file, std::string_view text);
// One object as JSON, from the API: it has no lines to name. `file` is "Kind namespace/name", or
// "Kind name", and says what the object is when the text cannot be parsed.
DecodedFile decode_object(const std::string& file, std::string_view json);
// For a file that exists but cannot be read.
DecodedFile unreadable_file(const std::string& file, const Error& error);

}  // namespace keelson::model
