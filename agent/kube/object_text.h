// object_text: the JSON of the API server, cut into objects, each as one line of JSON without what
// nothing of ours reads: managedFields, resourceVersion, the last-applied annotation, a netns
// annotation, and status unless the resource's is read. Values are copied once, as they stand.
// Lists of built-in kinds leave out apiVersion and kind of their items; every object here has them.
// Pure, any thread. Error: api_answer_malformed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/resource.h"

namespace keelson::kube {

struct ObjectText {
  std::string ns, name;
  std::string resource_version;
  std::string text;
};

struct ListPage {
  std::vector<ObjectText> items;
  std::string resource_version;
  std::string continue_token;  // empty: the last page
};

// meta/v1 Status: why a request was refused.
struct ApiStatus {
  int code = 0;
  std::string reason, message;
  std::optional<std::chrono::seconds> retry_after;
};

struct WatchEvent {
  enum class Type { kChanged, kDeleted, kBookmark, kError };
  Type type = Type::kChanged;
  ObjectText object;  // of a bookmark: the resource version alone
  bool ends_initial_events = false;
  ApiStatus status;  // kError
};

// The texts are parsed in place: they may grow in capacity, not in content.
Result<ListPage> decode_list(const Resource& resource, size_t version, std::string& body);
Result<WatchEvent> decode_event(const Resource& resource, size_t version, std::string& line);
// Of an answer that is not 2xx; one that is no Status leaves everything empty.
ApiStatus decode_status(std::string& body);

}  // namespace keelson::kube
