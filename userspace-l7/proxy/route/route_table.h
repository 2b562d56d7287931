// RouteTable: which rule of a RouteSet serves a request. Immutable and pure; any thread.
// The first entry that matches, in the set's order, decides. Applies no filter, picks no backend.
// Cost: one lookup for the exact path, one for each distinct length of a prefix, then only the
// entries of the paths found, and each regex. Instructions (callgrind, release, 7 headers): 600
// for a lone "/", 750 among 128 paths; 450 more for an entry of the same path that asks for a
// header, 900 for a regex. Allocates for a path or a regex's query parameter that holds escapes
// and for a regex's repeated header, else not. RE2 locks its cache of states: workers that share a
// table meet there, so give each its own.
//
// What is compared (Gateway API v1, HTTPRouteMatch):
// - path: the raw one, RFC 3986 equivalence of escapes applied and nothing else (route/path.h);
//   one with a dot segment matches no rule. Prefix "/" also takes OPTIONS *.
// - header: all values of the name joined by ", "; `host` is the request's authority as it was
//   sent, port included, case ignored; `upgrade`, `expect` and `content-length` are the head's
//   fields; other hop-by-hop fields are never there to match. Of two entries with one name the
//   first counts.
// - query: split at '&', names and values decoded as forms are ('+' is a space, a malformed escape
//   is itself), so that `%61=1` is `a=1` as for the server behind. The first value of a repeated
//   name counts, and the first of two entries with one name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "config/routes.h"
#include "http/message.h"

namespace re2 {
class RE2;
}

namespace keelson::proxy {

class RouteTable {
 public:
  struct Match {  // both live as long as the table
    const config::RouteRule* rule;
    const config::RequestMatch* match;
  };

  // Fails with route_unusable and names the rule: a regex that RE2 refuses or that is too large, a
  // path without a leading '/', an entry for a rule that is not there.
  static Result<std::shared_ptr<const RouteTable>> build(
      std::shared_ptr<const config::RouteSet> set);

  // The head of a request. Nothing: no rule concerns it, which the caller answers by 404.
  std::optional<Match> match(const http::MessageHead& request) const noexcept;

  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;
  ~RouteTable();

 private:
  using Regex = std::unique_ptr<const re2::RE2>;
  enum class Source : uint8_t { kHeaders, kAuthority, kUpgrade, kExpect, kContentLength };
  struct Field {
    Source source = Source::kHeaders;
    std::string name, value;
    Regex regex;  // null: equals `value`
  };
  struct Entry {
    Regex path;  // only of regex entries
    std::string method;
    std::vector<Field> headers, query;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  using Indices = std::vector<uint32_t>;  // of entries, ascending
  using ByPath = std::unordered_map<std::string, Indices, TextHash, std::equal_to<>>;

  explicit RouteTable(std::shared_ptr<const config::RouteSet> set);
  Result<void> add_entry(const config::RouteEntry& source);
  Result<void> add_path(const config::RequestMatch& match, uint32_t index);
  static Result<Field> make_field(const config::FieldMatch& source, bool is_header);
  static bool header_matches(const Field& field, const http::MessageHead& request);
  static bool query_matches(const Field& field, std::string_view query);
  bool rest_matches(const Entry& entry, const http::MessageHead& request) const;
  void narrow(const Indices& candidates, const http::MessageHead& request, uint32_t& best) const;
  uint32_t find(std::string_view path, const http::MessageHead& request) const;

  std::shared_ptr<const config::RouteSet> set_;
  std::vector<Entry> entries_;            // as in the set
  ByPath exact_, prefix_;                 // prefixes without the trailing slash: "/" is ""
  std::vector<uint32_t> prefix_lengths_;  // distinct, longest first
  Indices regex_;
};

}  // namespace keelson::proxy
