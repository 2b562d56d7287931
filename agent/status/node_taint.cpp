#include "status/node_taint.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "kube/resource.h"
#include "status/node_state_apply.h"

namespace keelson::status {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kCallLimit{10'000};
constexpr kube::Resource kNode{.kind = "Node", .versions = {"v1"}, .plural = "nodes"};

}  // namespace

Result<std::string> taint_patch(const std::string& node) {
  const json object = json::parse(node, nullptr, false);
  if (!object.is_object() || object.value("kind", json()) != "Node")
    return fail(Reason::api_answer_malformed, ErrorSource::kKube, "the answer is no Node");
  const json spec = object.value("spec", json::object());
  const json taints = spec.is_object() ? spec.value("taints", json()) : json();
  json patch = json::array();
  for (size_t i = taints.is_array() ? taints.size() : 0; i-- > 0;) {  // later ones keep their place
    if (!taints[i].is_object() || taints[i].value("key", json()) != kStartupTaint) continue;
    const std::string path = "/spec/taints/" + std::to_string(i);
    patch.push_back(json{{"op", "test"}, {"path", path}, {"value", taints[i]}});
    patch.push_back(json{{"op", "remove"}, {"path", path}});
  }
  return patch.empty() ? std::string() : patch.dump();
}

NodeTaint::NodeTaint(const std::string& node_name, Seams seams)
    : target_(kube::object_target(kNode, 0, "", node_name)),
      seams_(std::move(seams)),
      backoff_(seams_.random) {}

void NodeTaint::set_ready(bool is_ready) {
  if (std::exchange(is_ready_, is_ready) == is_ready) return;
  call_.reset();
  due_.reset();
  if (is_ready) due_ = seams_.clock.now();
  seams_.on_schedule();
}

void NodeTaint::wake() {
  if (due_ && !call_ && *due_ <= seams_.clock.now()) read();
}

void NodeTaint::read() {
  rest::Request request;
  request.target = target_;
  request.time_limit = kCallLimit;
  call_ = seams_.client.send(std::move(request),
                             [this](Result<rest::Answer> answer) { on_read(std::move(answer)); });
}

void NodeTaint::on_read(Result<rest::Answer> answer) {
  call_.reset();
  if (!answer) return on_trouble({answer.error(), {}});
  if (answer->status != 200)
    return on_trouble(kube::api_error("GET " + target_, std::move(*answer)));
  auto patch = taint_patch(answer->body);
  if (!patch) return on_trouble({std::move(patch).error(), {}});
  if (patch->empty()) return finish();
  remove(std::move(*patch));
}

void NodeTaint::remove(std::string patch) {
  rest::Request request;
  request.method = "PATCH";
  request.target = target_ + "?fieldManager=" + kFieldManager;
  request.content_type = "application/json-patch+json";
  request.body = std::move(patch);
  request.time_limit = kCallLimit;
  call_ = seams_.client.send(
      std::move(request), [this](Result<rest::Answer> answer) { on_removed(std::move(answer)); });
}

// A list that has changed meanwhile (422) is read again after the pause.
void NodeTaint::on_removed(Result<rest::Answer> answer) {
  call_.reset();
  if (!answer) return on_trouble({answer.error(), {}});
  if (answer->status / 100 != 2)
    return on_trouble(kube::api_error("PATCH " + target_, std::move(*answer)));
  spdlog::info("component=status msg=\"took the taint {} off this node\"", kStartupTaint);
  finish();
}

void NodeTaint::finish() {
  due_.reset();
  error_.reset();
  backoff_.reset();
}

void NodeTaint::on_trouble(kube::ApiError why) {
  if (!error_ || error_->reason != why.error.reason)
    spdlog::warn("component=status reason={} msg=\"the taint {} may still be on this node: {}\"",
                 reason_name(why.error.reason), kStartupTaint, why.error.message());
  error_ = std::move(why.error);
  due_ = seams_.clock.now() + backoff_.next(why.retry_after);
  seams_.on_schedule();
}

}  // namespace keelson::status
