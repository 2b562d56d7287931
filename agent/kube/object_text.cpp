#include "kube/object_text.h"

#include <simdjson.h>

#include <algorithm>

#include "document/value.h"

namespace keelson::kube {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
// A pod's network namespace: the lab's word in a folder of manifests. In the API anybody who may
// create a pod could name another one's; there the container runtime tells.
constexpr std::string_view kNetns = "keelson.dev/netns";
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

// The value as it stands in the text.
std::string_view raw(ondemand::value value) {
  switch (ondemand::json_type(value.type())) {
    case ondemand::json_type::object:
      return ondemand::object(value.get_object()).raw_json();
    case ondemand::json_type::array:
      return ondemand::array(value.get_array()).raw_json();
    default: {
      std::string_view token = value.raw_json_token();
      return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    }
  }
}

bool is_null(ondemand::value value) {
  return ondemand::json_type(value.type()) == ondemand::json_type::null;
}

std::string text_of(ondemand::value value) {
  return is_null(value) ? std::string() : std::string(std::string_view(value.get_string()));
}

// Writes the members that are kept, in order.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  std::string& begin(std::string_view key) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    out_ += document::quoted(key);
    out_ += ':';
    return out_;
  }
  void add(std::string_view key, std::string_view raw_value) { begin(key) += raw_value; }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool is_first_ = true;
};

class Stripper {
 public:
  Stripper(const Resource& resource, size_t version) : resource_(resource), version_(version) {}

  bool ends_initial_events() const noexcept { return ends_initial_events_; }

  ObjectText strip(ondemand::object object) {
    ObjectText out;
    Members members(out.text);
    members.add("apiVersion", document::quoted(resource_.api_version(version_)));
    members.add("kind", document::quoted(resource_.kind));
    for (auto field : object) {
      const std::string key(std::string_view(field.unescaped_key()));
      ondemand::value value = field.value();
      if (key == "apiVersion" || key == "kind") continue;
      if (key == "metadata" && !is_null(value))
        strip_metadata(value.get_object(), members.begin(key), out);
      else if (key == "status" && resource_.has_status && !is_null(value))
        strip_status(value.get_object(), members.begin(key));
      else if (key != "status")
        members.add(key, raw(value));
    }
    members.end();
    return out;
  }

 private:
  void strip_metadata(ondemand::object metadata, std::string& text, ObjectText& out) {
    Members members(text);
    for (auto field : metadata) {
      const std::string key(std::string_view(field.unescaped_key()));
      ondemand::value value = field.value();
      if (key == "managedFields") continue;
      if (key == "resourceVersion") {
        out.resource_version = text_of(value);
      } else if (key == "name" || key == "namespace") {
        std::string& name = key == "name" ? out.name : out.ns;
        name = text_of(value);
        members.add(key, document::quoted(name));
      } else if (key == "annotations" && !is_null(value)) {
        strip_annotations(value.get_object(), members.begin(key));
      } else {
        members.add(key, raw(value));
      }
    }
    members.end();
  }

  void strip_annotations(ondemand::object annotations, std::string& text) {
    Members members(text);
    for (auto field : annotations) {
      const std::string key(std::string_view(field.unescaped_key()));
      const std::string_view value = raw(field.value());
      if (key == kInitialEventsEnd) ends_initial_events_ = value == "\"true\"";
      if (key != kLastApplied && key != kNetns) members.add(key, value);
    }
    members.end();
  }

  // Containers' statuses are most of a pod's, and none of it is read.
  void strip_status(ondemand::object status, std::string& text) {
    Members members(text);
    for (auto field : status) {
      const std::string key(std::string_view(field.unescaped_key()));
      ondemand::value value = field.value();
      if (!key.ends_with("tatuses")) members.add(key, raw(value));
    }
    members.end();
  }

  const Resource& resource_;
  const size_t version_;
  bool ends_initial_events_ = false;
};

ApiStatus read_status(ondemand::object object) {
  ApiStatus status;
  for (auto field : object) {
    const std::string key(std::string_view(field.unescaped_key()));
    ondemand::value value = field.value();
    if (key == "code") {
      status.code = static_cast<int>(int64_t(value.get_int64()));
    } else if (key == "reason") {
      status.reason = text_of(value);
    } else if (key == "message") {
      status.message = text_of(value);
    } else if (key == "details" && !is_null(value)) {
      int64_t seconds = 0;
      if (value["retryAfterSeconds"].get(seconds) == simdjson::SUCCESS && seconds > 0)
        status.retry_after = std::chrono::seconds(seconds);
    }
  }
  return status;
}

// simdjson reads a little past the end.
simdjson::padded_string_view padded(std::string& text) {
  text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  return simdjson::padded_string_view(text.data(), text.size(), text.capacity());
}

Failure malformed(const Resource& resource, const std::string& what) {
  Error error{Reason::api_answer_malformed, ErrorSource::kKube, true, 0,
              std::string(resource.plural) + ": " + what};
  return Failure(std::move(error));
}

void read_list_metadata(ondemand::object metadata, ListPage& page) {
  for (auto field : metadata) {
    const std::string key(std::string_view(field.unescaped_key()));
    ondemand::value value = field.value();
    if (key == "resourceVersion") page.resource_version = text_of(value);
    if (key == "continue") page.continue_token = text_of(value);
  }
}

}  // namespace

Result<ListPage> decode_list(const Resource& resource, size_t version, std::string& body) {
  try {
    ondemand::parser parser;
    ondemand::document document = parser.iterate(padded(body));
    ListPage page;
    bool has_items = false;
    for (auto field : ondemand::object(document.get_object())) {
      const std::string key(std::string_view(field.unescaped_key()));
      ondemand::value value = field.value();
      if (key == "metadata" && !is_null(value)) read_list_metadata(value.get_object(), page);
      if (key != "items") continue;
      has_items = true;
      if (is_null(value)) continue;
      for (auto item : ondemand::array(value.get_array()))
        page.items.push_back(Stripper(resource, version).strip(item.get_object()));
    }
    if (!has_items || page.resource_version.empty())
      return malformed(resource, "a list without items or metadata.resourceVersion");
    return page;
  } catch (const simdjson::simdjson_error& error) {
    return malformed(resource, error.what());
  }
}

Result<WatchEvent> decode_event(const Resource& resource, size_t version, std::string& line) {
  try {
    ondemand::parser parser;
    ondemand::document document = parser.iterate(padded(line));
    const std::string type(std::string_view(document["type"].get_string()));
    ondemand::object object = document["object"].get_object();
    WatchEvent event;
    if (type == "ERROR") {
      event.type = WatchEvent::Type::kError;
      event.status = read_status(object);
      return event;
    }
    Stripper stripper(resource, version);
    event.object = stripper.strip(object);
    event.ends_initial_events = stripper.ends_initial_events();
    if (event.object.resource_version.empty())
      return malformed(resource, "a watch event without metadata.resourceVersion");
    if (type == "DELETED")
      event.type = WatchEvent::Type::kDeleted;
    else if (type == "BOOKMARK")
      event.type = WatchEvent::Type::kBookmark;
    else if (type != "ADDED" && type != "MODIFIED")
      return malformed(resource, "watch event of unknown type '" + type + "'");
    return event;
  } catch (const simdjson::simdjson_error& error) {
    return malformed(resource, error.what());
  }
}

ApiStatus decode_status(std::string& body) {
  try {
    ondemand::parser parser;
    ondemand::document document = parser.iterate(padded(body));
    return read_status(document.get_object());
  } catch (const simdjson::simdjson_error&) {
    return {};  // a proxy's page in HTML, say: the HTTP status has to do
  }
}

}  // namespace keelson::kube
