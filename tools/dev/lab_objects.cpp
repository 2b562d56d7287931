#include "lab_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "lab_command.h"
#include "lab_derive.h"
#include "lab_yaml.h"

namespace keelson::lab {

using nlohmann::json;

namespace {

constexpr std::string_view kOwnKinds[] = {"Namespace", "Pod", "Service", "ServiceAccount"};

bool is_own_kind(std::string_view kind) {
  return std::find(std::begin(kOwnKinds), std::end(kOwnKinds), kind) != std::end(kOwnKinds);
}

struct Key {
  std::string kind, ns, name;
  std::string to_string() const { return kind + " " + (ns.empty() ? name : ns + "/" + name); }
  friend auto operator<=>(const Key&, const Key&) = default;
};

// Empty when the document is not an object with a kind and a name.
std::optional<Key> key_of(const json& document) {
  if (!document.is_object()) return std::nullopt;
  auto metadata = document.value("metadata", json::object());
  if (!document.contains("kind") || !document["kind"].is_string() || !metadata.is_object() ||
      !metadata.contains("name") || !metadata["name"].is_string())
    return std::nullopt;
  Key key{document["kind"], "", metadata["name"]};
  if (key.kind != "Namespace" && key.kind != "Node")
    key.ns = metadata.contains("namespace") && metadata["namespace"].is_string()
                 ? metadata["namespace"].get<std::string>()
                 : "default";
  return key;
}

// One document of a file that passes through: its lines stay where they were.
struct Passed {
  std::optional<Key> key;
  int first_line = 1;
  std::string text;
};

Failure refuse(const std::string& file, int line, const std::string& text) {
  return fail(Reason::bad_value, ErrorSource::kConfig, fmt::format("{}:{}: {}", file, line, text));
}

}  // namespace

// Copied as a whole before a change, so that a refused apply leaves nothing behind.
struct ObjectBook::State {
  explicit State(const Layout& the_layout) : layout(&the_layout) {}

  const Layout* layout;
  std::map<Key, json> objects;
  std::map<std::string, LabPod> pods;
  std::map<std::string, std::vector<Passed>> passed;
  std::map<std::string, std::string> raw;
  std::map<std::string, int> next_slot;  // by node
  int next_cluster_ip = 1;
  size_t next_node = 0;

  Result<void> add_own(const Key& key, json object);
  Result<void> add_pod(const Key& key, json object);
  Result<void> add_service(const Key& key, json object);
  Result<void> add_document(const SourceFile& file, const DocumentText& document,
                            std::string_view only_kind, std::string& answer);
  Result<int> pick_slot(const std::string& node);
  void drop_passed(const Key& key);
  Result<void> check_references() const;
  std::vector<const json*> of_kind(std::string_view kind) const;
};

std::vector<const json*> ObjectBook::State::of_kind(std::string_view kind) const {
  std::vector<const json*> found;
  for (const auto& [key, object] : objects)
    if (key.kind == kind) found.push_back(&object);
  return found;
}

Result<int> ObjectBook::State::pick_slot(const std::string& node) {
  // Round and round, so that an address is not reused soon after its pod is gone.
  int& next = next_slot.try_emplace(node, kPodSlotFirst).first->second;
  for (int tries = kPodSlotFirst; tries <= kPodSlotLast; ++tries) {
    int slot = next;
    next = next == kPodSlotLast ? kPodSlotFirst : next + 1;
    bool is_taken = std::any_of(pods.begin(), pods.end(), [&](const auto& entry) {
      return entry.second.node == node && entry.second.slot == slot;
    });
    if (!is_taken) return slot;
  }
  return fail(Reason::pod_slots_exhausted, ErrorSource::kConfig, node);
}

Result<void> ObjectBook::State::add_pod(const Key& key, json object) {
  json spec = object.value("spec", json::object());
  auto old = pods.find(key.name);
  if (old != pods.end() && old->second.ns != key.ns)
    return fail(Reason::bad_value, ErrorSource::kConfig,
                fmt::format("Pod {}: a lab has one pod of a name, and there is {}/{}", key.name,
                            old->second.ns, key.name));
  if (old != pods.end() && objects[key].value("spec", json::object()) == spec) {
    objects[key] = std::move(object);  // labels and annotations only: the pod goes on running
    return {};
  }
  LabPod pod;
  pod.ns = key.ns;
  pod.name = key.name;
  pod.uid = make_uid();
  pod.node = spec.value("nodeName", "");
  if (pod.node.empty()) pod.node = layout->nodes[next_node++ % layout->nodes.size()];
  if (layout->node_number(pod.node) == 0)
    return fail(Reason::dangling_reference, ErrorSource::kConfig,
                fmt::format("Pod {}: there is no node {}", key.name, pod.node));
  if (old != pods.end()) pods.erase(old);
  KS_ASSIGN(pod.slot, pick_slot(pod.node));
  KS_ASSIGN(pod.programs, pod_programs(spec));
  pod.readiness_port = readiness_port(spec);
  pods[key.name] = std::move(pod);
  objects[key] = std::move(object);
  return {};
}

Result<void> ObjectBook::State::add_service(const Key& key, json object) {
  json& spec = object["spec"];
  if (!spec.is_object())
    return fail(Reason::missing_field, ErrorSource::kConfig, key.to_string() + ": spec");
  bool has_address = spec.value("type", "ClusterIP") != "ExternalName";
  auto old = objects.find(key);
  if (has_address && !spec.contains("clusterIP") && !spec.contains("clusterIPs")) {
    if (old != objects.end() && old->second["spec"].contains("clusterIPs")) {
      spec["clusterIPs"] = old->second["spec"]["clusterIPs"];
    } else {
      spec["clusterIPs"] = {cluster_ip4(next_cluster_ip), cluster_ip6(next_cluster_ip)};
      ++next_cluster_ip;
    }
    spec["clusterIP"] = spec["clusterIPs"][0];
  }
  if (spec.contains("clusterIP") && !spec.contains("clusterIPs"))
    spec["clusterIPs"] = {spec["clusterIP"]};
  objects[key] = std::move(object);
  return {};
}

Result<void> ObjectBook::State::add_own(const Key& key, json object) {
  json& metadata = object["metadata"];
  if (!key.ns.empty()) metadata["namespace"] = key.ns;
  auto old = objects.find(key);
  if (key.kind == "Pod") return add_pod(key, std::move(object));
  metadata["uid"] = old == objects.end() ? json(make_uid()) : old->second["metadata"]["uid"];
  if (key.kind == "Service") return add_service(key, std::move(object));
  objects[key] = std::move(object);
  return {};
}

void ObjectBook::State::drop_passed(const Key& key) {
  for (auto& [name, documents] : passed)
    std::erase_if(documents, [&](const Passed& document) { return document.key == key; });
  std::erase_if(passed, [](const auto& entry) { return entry.second.empty(); });
}

Result<void> ObjectBook::State::add_document(const SourceFile& file, const DocumentText& document,
                                             std::string_view only_kind, std::string& answer) {
  if (document.text.find_first_not_of(" \t\n") == std::string::npos) return {};
  auto parsed = parse_yaml(document.text);
  auto key = parsed ? key_of(*parsed) : std::nullopt;
  std::string kind = key && is_own_kind(key->kind) ? key->kind : "";
  if (kind != only_kind) return {};
  if (parsed && parsed->is_null()) return {};  // comments only
  if (!kind.empty()) {
    auto added = add_own(*key, *parsed);
    if (!added) return refuse(file.name, document.first_line, added.error().context);
  } else {
    passed[file.name].push_back({key, document.first_line, document.text});
  }
  answer += fmt::format("{} applied\n", key ? key->to_string() : file.name + " (as it is)");
  return {};
}

Result<void> ObjectBook::State::check_references() const {
  for (const auto& [key, object] : objects) {
    if (!key.ns.empty() && !objects.contains({"Namespace", "", key.ns}))
      return fail(Reason::dangling_reference, ErrorSource::kConfig,
                  fmt::format("{}: namespace {} does not exist", key.to_string(), key.ns));
    if (key.kind != "Pod") continue;
    std::string account =
        object.value("spec", json::object()).value("serviceAccountName", "default");
    if (account != "default" && !objects.contains({"ServiceAccount", key.ns, account}))
      return fail(
          Reason::dangling_reference, ErrorSource::kConfig,
          fmt::format("{}: ServiceAccount {}/{} does not exist", key.to_string(), key.ns, account));
  }
  return {};
}

ObjectBook::ObjectBook(const Layout& layout) : state_(std::make_unique<State>(layout)) {
  Key key{"Namespace", "", "default"};
  json metadata = {{"name", "default"}, {"uid", make_uid()}};
  state_->objects[key] = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", metadata}};
}

ObjectBook::~ObjectBook() = default;

Result<std::string> ObjectBook::apply(const std::vector<SourceFile>& files) {
  State next = *state_;
  std::string answer;
  for (const SourceFile& file : files) {
    next.passed.erase(file.name);
    // An object moves to the file that was applied last; twice in one file stays twice.
    for (const DocumentText& document : split_documents(file.text))
      if (auto parsed = parse_yaml(document.text); parsed)
        if (auto key = key_of(*parsed); key && !is_own_kind(key->kind)) next.drop_passed(*key);
  }
  for (std::string_view kind : {"Namespace", "ServiceAccount", "Service", "Pod", ""})
    for (const SourceFile& file : files)
      for (const DocumentText& document : split_documents(file.text))
        KS_TRY(next.add_document(file, document, kind, answer));
  KS_TRY(next.check_references());
  *state_ = std::move(next);
  return answer;
}

Result<std::string> ObjectBook::remove(std::string_view kind, std::string_view name) {
  size_t slash = name.find('/');
  std::string ns = slash == std::string_view::npos ? "default" : std::string(name.substr(0, slash));
  Key key{std::string(kind), kind == "Namespace" ? "" : ns,
          std::string(slash == std::string_view::npos ? name : name.substr(slash + 1))};
  State next = *state_;
  bool was_own = next.objects.erase(key) != 0;
  if (key.kind == "Pod") next.pods.erase(key.name);
  if (key.kind == "Namespace" && was_own) {
    std::erase_if(next.objects, [&](const auto& entry) { return entry.first.ns == key.name; });
    std::erase_if(next.pods, [&](const auto& entry) { return entry.second.ns == key.name; });
  }
  size_t before = 0, after = 0;
  for (const auto& entry : next.passed) before += entry.second.size();
  next.drop_passed(key);
  for (const auto& entry : next.passed) after += entry.second.size();
  if (!was_own && before == after)
    return fail(Reason::not_found, ErrorSource::kConfig, key.to_string());
  *state_ = std::move(next);
  return key.to_string() + " deleted\n";
}

void ObjectBook::put_raw(const SourceFile& file) {
  state_->raw[file.name] = file.text;
}
bool ObjectBook::drop_raw(const std::string& name) {
  return state_->raw.erase(name) != 0;
}

void ObjectBook::set_ready(std::string_view pod, bool is_ready) {
  auto found = state_->pods.find(std::string(pod));
  if (found != state_->pods.end()) found->second.ready = is_ready;
}

const std::map<std::string, LabPod>& ObjectBook::pods() const noexcept {
  return state_->pods;
}

std::map<std::string, std::string> ObjectBook::files() const {
  const State& state = *state_;
  std::map<std::string, std::string> files = state.raw;
  auto add = [&](const json& object) {
    const json& metadata = object["metadata"];
    std::string kind = object["kind"];
    std::transform(kind.begin(), kind.end(), kind.begin(), ::tolower);
    std::string ns = metadata.value("namespace", "");
    files[fmt::format("lab-{}-{}{}{}.yaml", kind, ns, ns.empty() ? "" : "-",
                      metadata["name"].get<std::string>())] = to_yaml(object);
  };
  for (const std::string& node : state.layout->nodes) add(node_object(*state.layout, node));
  for (const auto& [key, object] : state.objects) {
    if (key.kind == "Pod")
      add(pod_object(*state.layout, state.pods.at(key.name), object));
    else
      add(object);
    if (key.kind == "Namespace" && !state.objects.contains({"ServiceAccount", key.name, "default"}))
      add(default_account(key.name));
    if (key.kind == "Service")
      for (const json& slice :
           endpoint_slices(*state.layout, object, state.of_kind("Pod"), state.pods))
        add(slice);
  }
  for (const auto& [name, documents] : state.passed) {
    std::string& text = files[name];
    int line = 1;
    for (const Passed& document : documents) {
      for (; line < document.first_line - 1; ++line) text += "\n";
      if (document.first_line > 1) text += "---\n", ++line;
      text += document.text;
      line += static_cast<int>(std::count(document.text.begin(), document.text.end(), '\n'));
    }
  }
  return files;
}

std::vector<VirtualService> ObjectBook::virtual_services() const {
  std::vector<VirtualService> services;
  for (const json* service : state_->of_kind("Service")) {
    auto slices = endpoint_slices(*state_->layout, *service, state_->of_kind("Pod"), state_->pods);
    auto found = virtual_services_of(*service, slices);
    services.insert(services.end(), found.begin(), found.end());
  }
  return services;
}

std::map<std::string, std::string> ObjectBook::hosts() const {
  std::map<std::string, std::string> hosts;
  for (const json* ns : state_->of_kind("Namespace")) {
    std::string name = (*ns)["metadata"]["name"];
    std::string& text = hosts[name] = "127.0.0.1 localhost\n::1 localhost\n";
    for (const json* service : state_->of_kind("Service"))
      text += host_lines(*state_->layout, *service, name, state_->of_kind("Pod"), state_->pods);
  }
  return hosts;
}

}  // namespace keelson::lab
