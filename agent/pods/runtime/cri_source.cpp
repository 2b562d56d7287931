#include "pods/runtime/cri_source.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "pods/runtime/cri_messages.h"

namespace keelson::pods {

CriSource::CriSource(io::EventLoop& loop, std::string socket_path, GrpcLimits limits)
    : loop_(loop), socket_path_(std::move(socket_path)), limits_(limits), finished_(loop, [this] {
        client_.reset();
        std::exchange(on_listed_, nullptr)(std::move(result_));
      }) {}

void CriSource::list(OnListed on_listed) {
  on_listed_ = std::move(on_listed);
  found_.clear();
  error_.reset();
  is_lost_ = is_one_told_ = false;
  client_ = std::make_unique<GrpcClient>(loop_, socket_path_, limits_);
  client_->call(kListSandboxes, encode_list_request(),
                [this](Result<std::string> answer) { this->on_listed(std::move(answer)); });
}

void CriSource::on_listed(Result<std::string> answer) {
  auto listed = answer ? decode_list_response(*answer)
                       : Result<std::vector<Sandbox>>(Failure(answer.error()));
  if (!listed) {
    finish(Failure(std::move(listed).error()));
    return;
  }
  listed_ = std::move(*listed);
  found_.resize(listed_.size());
  answers_missing_ = listed_.size();
  for (size_t i = 0; i < listed_.size(); ++i)
    client_->call(kSandboxStatus, encode_status_request(listed_[i].id),
                  [this, i](Result<std::string> status) { on_status(i, std::move(status)); });
  if (listed_.empty()) finish(std::vector<Sandbox>());
}

// A sandbox that ended since it was listed is not found. One whose status fails otherwise (its shim
// is dead, or hangs) is there without a path: the others' pods must not wait for it, and left out
// its own would be taken out of the mesh.
void CriSource::on_status(size_t index, Result<std::string> answer) {
  const bool has_ended = !answer && answer.error().reason == Reason::not_found;
  auto sandbox = has_ended ? Result<std::optional<Sandbox>>(std::nullopt)
                 : answer  ? decode_status_response(*answer)
                           : Result<std::optional<Sandbox>>(Failure(answer.error()));
  if (sandbox) {
    found_[index] = std::move(*sandbox);
    is_one_told_ = true;
  } else {
    found_[index] = listed_[index];
    is_lost_ |= client_->is_lost();
    if (!error_) error_ = sandbox.error();
  }
  if (--answers_missing_ == 0) finish(take_found());
}

// Where no status came at all the trouble is the runtime's.
Result<std::vector<Sandbox>> CriSource::take_found() {
  if (error_ && (is_lost_ || !is_one_told_)) return Failure(*error_);
  if (error_)
    spdlog::warn("component=pods reason={} msg=\"{}\"", reason_name(error_->reason),
                 error_->message());
  std::vector<Sandbox> sandboxes;
  for (auto& sandbox : found_) {
    if (!sandbox) continue;
    if (sandbox->netns_path.empty())
      spdlog::warn(
          "component=pods reason=netns_invalid msg=\"{} tells no network namespace of "
          "sandbox {} of pod {}\"",
          name(), sandbox->id, sandbox->uid);
    sandboxes.push_back(std::move(*sandbox));
  }
  return sandboxes;
}

// The client must not be destroyed from its own callback.
void CriSource::finish(Result<std::vector<Sandbox>> result) {
  result_ = std::move(result);
  finished_.start({});
}

std::string find_runtime_socket() {
  for (const char* path : {"/run/containerd/containerd.sock", "/run/crio/crio.sock",
                           "/run/k3s/containerd/containerd.sock"})
    if (::access(path, F_OK) == 0) return path;
  return {};
}

}  // namespace keelson::pods
