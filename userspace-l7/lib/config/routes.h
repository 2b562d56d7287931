// HTTP routes in normal form: what an HTTPRoute (and later other kinds) becomes once it is compiled
// for one Service. Plain data, immutable once in a RuntimeConfig, any thread. Matching lives in
// proxy/route, applying filters in proxy/filters. Gateway API v1 HTTPRoute semantics.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"

namespace keelson::config {

enum class TextMatch : uint8_t { kExact, kRegex };           // RE2, the whole text must match
enum class PathMatch : uint8_t { kExact, kPrefix, kRegex };  // prefix: by path elements

struct FieldMatch {  // of a header (name in lower case) or a query parameter
  TextMatch kind = TextMatch::kExact;
  std::string name, value;
  friend bool operator==(const FieldMatch&, const FieldMatch&) = default;
};

struct RequestMatch {  // everything present must match
  PathMatch path_kind = PathMatch::kPrefix;
  std::string path = "/";
  std::string method;  // empty: any
  std::vector<FieldMatch> headers;
  std::vector<FieldMatch> query;
  friend bool operator==(const RequestMatch&, const RequestMatch&) = default;
};

struct HeaderModifier {  // applied in this order: set, add, remove
  std::vector<std::pair<std::string, std::string>> set, add;
  std::vector<std::string> remove;
  friend bool operator==(const HeaderModifier&, const HeaderModifier&) = default;
};

struct PathModifier {
  enum class Kind : uint8_t { kReplaceFullPath, kReplacePrefixMatch };
  Kind kind = Kind::kReplaceFullPath;
  std::string value;
  friend bool operator==(const PathModifier&, const PathModifier&) = default;
};

struct Redirect {
  std::string scheme;    // empty: the request's
  std::string hostname;  // empty: the request's
  std::optional<PathModifier> path;
  uint16_t port = 0;  // 0: the scheme's well-known port when `scheme` is set, else the request's
  uint16_t status = 302;
  friend bool operator==(const Redirect&, const Redirect&) = default;
};

struct Rewrite {
  std::string hostname;  // empty: the request's
  std::optional<PathModifier> path;
  friend bool operator==(const Rewrite&, const Rewrite&) = default;
};

struct RouteBackend {
  uint32_t weight = 1;
  // Service ids (RuntimeConfig::services, ::endpoints) by ks_family; 0: none of that family.
  std::array<uint64_t, 2> service = {0, 0};
  std::string name;      // "shop/pay-v2:80", for logs
  bool is_valid = true;  // false: its share of the requests is answered 500
  HeaderModifier request_headers, response_headers;
  friend bool operator==(const RouteBackend&, const RouteBackend&) = default;
};

struct RouteRule {
  // For logs and `keelsonctl`: "shop/pay-canary#0", or "shop/pay-canary#NAME" for a named rule.
  std::string name;
  HeaderModifier request_headers, response_headers;
  std::optional<Redirect> redirect;  // answered by the proxy; excludes rewrite and backends
  std::optional<Rewrite> rewrite;
  std::vector<RouteBackend> backends;  // none, or weights all 0: 500
  std::chrono::milliseconds request_timeout{
      0};  // 0: none; from the request's head to the answer's end
  std::chrono::milliseconds backend_timeout{0};  // 0: none; of one attempt
  friend bool operator==(const RouteRule&, const RouteRule&) = default;
};

// The rules of one Service port for one group of clients, in order of precedence: the first match
// decides, no match is 404. A rule with several matches appears once for each.
struct RouteEntry {
  RequestMatch match;
  uint32_t rule = 0;  // index into RouteSet::rules
  friend bool operator==(const RouteEntry&, const RouteEntry&) = default;
};
struct RouteSet {
  std::vector<RouteRule> rules;
  std::vector<RouteEntry> entries;
  friend bool operator==(const RouteSet&, const RouteSet&) = default;
};

// One Service port that is routed per request. Consumer routes replace the producer's for clients
// of their namespace, and never merge with them.
struct ServiceRoutes {
  std::shared_ptr<const RouteSet> producer;  // null: to the Service's own endpoints
  std::map<std::string, std::shared_ptr<const RouteSet>> consumer;  // by client namespace

  // Null: no route concerns these clients; requests go to the Service's own endpoints.
  const RouteSet* for_client(const std::string& ns) const noexcept {
    const auto found = consumer.find(ns);
    return found != consumer.end() ? found->second.get() : producer.get();
  }
};

// Ready endpoints behind one service id (one Service, port and family), sorted.
struct EndpointSet {
  std::string service;  // "shop/pay-v2:80"
  std::vector<Endpoint> endpoints;
  friend bool operator==(const EndpointSet&, const EndpointSet&) = default;
};

}  // namespace keelson::config
