#include "pods_side.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "cni/node_file.h"
#include "pods/runtime/cri_source.h"
#include "pods/runtime/proc_source.h"

namespace keelson {
namespace {

constexpr std::chrono::milliseconds kListAgain{1000};
// Some sandboxes' paths are missing: their shims were slow, or hang.
constexpr std::chrono::milliseconds kUntoldAgain{5000};
constexpr size_t kCniBodyBytesMax = 256u << 10;  // the list of a GC: 100 bytes a pod
constexpr size_t kCniConnectionsMax = 1024;      // a node that boots starts all its pods at once
constexpr std::string_view kPluginName = "keelson-cni";

serving::HttpLimits gate_limits() {
  serving::HttpLimits limits;
  limits.body_bytes_max = kCniBodyBytesMax;
  limits.connections_max = kCniConnectionsMax;
  return limits;
}

}  // namespace

PodsSide::PodsSide(io::EventLoop& loop, const Clock& clock, PodsSideOptions options, Parts parts)
    : loop_(loop),
      options_(std::move(options)),
      parts_(std::move(parts)),
      list_again_(loop, [this] { sweep(); }),
      gate_(loop, clock, *this) {
  make_source();
  is_listed_ = source_ == nullptr;
  if (!options_.cni_conf_dir.empty())
    keeper_.emplace(loop, clock,
                    cni::KeeperOptions{.folder = options_.cni_conf_dir, .plugin = options_.plugin});
}

PodsSide::~PodsSide() = default;

void PodsSide::make_source() {
  const std::string& runtime = options_.runtime;
  if (runtime == "off") return;
  const std::string socket = runtime == "auto"   ? pods::find_runtime_socket()
                             : runtime == "proc" ? std::string()
                                                 : runtime;
  if (socket.empty())
    source_ = std::make_unique<pods::ProcSource>(loop_);
  else
    source_ = std::make_unique<pods::CriSource>(loop_, socket);
  spdlog::info("component=pods msg=\"running pods are told by {}\"", source_->name());
}

// The socket first: pods ask there already when an earlier agent has left the configuration file.
Result<void> PodsSide::start() {
  sweep();
  if (!keeper_) return {};
  if (options_.is_cni_off) {
    unchain();
    if (auto removed = remove_plugin(); !removed) install_error_ = std::move(removed).error();
    return {};
  }
  server_.emplace(loop_, gate_, gate_limits());
  return server_->listen_unix(options_.socket_path);
}

void PodsSide::chain() {
  if (!keeper_ || options_.is_cni_off || is_chained_) return;
  if (auto installed = install(); !installed) {
    if (!install_error_)
      spdlog::error("component=cni reason={} msg=\"{}\"", reason_name(installed.error().reason),
                    installed.error().message());
    install_error_ = std::move(installed).error();
    return;
  }
  install_error_.reset();
  is_chained_ = true;
  keeper_->start();
}

void PodsSide::unchain() {
  is_chained_ = true;  // chain() has no say any more
  install_error_.reset();
  if (keeper_) keeper_->keep_away();
}

Result<void> PodsSide::remove_conflist() {
  return keeper_ ? keeper_->remove() : Result<void>();
}

// CRI-O tears a pod down by the chain that it started with, and a plugin that is missing then would
// keep the pod from ending. Without an agent the plugin lets every DEL pass.
Result<void> PodsSide::remove_plugin() {
  if (options_.cni_bin_dir.empty()) return {};
  const std::string path = options_.cni_bin_dir + "/" + std::string(kPluginName);
  if (options_.runtime.ends_with("/crio.sock")) {
    spdlog::info("component=cni msg=\"{} stays: CRI-O calls it at the end of its pods\"", path);
    return {};
  }
  return cni::remove_node_file(path);
}

Result<void> PodsSide::install() {
  if (options_.cni_bin_dir.empty()) return {};
  const std::string to = options_.cni_bin_dir + "/" + std::string(kPluginName);
  KS_ASSIGN(const bool is_new, cni::install_plugin(options_.cni_plugin, to));
  if (is_new) spdlog::info("component=cni msg=\"installed {}\"", to);
  return {};
}

void PodsSide::shut() {
  server_.reset();
  if (keeper_) keeper_->stop();
}

void PodsSide::settle() {
  is_applied_ = true;
  gate_.settle();
}

void PodsSide::on_change() {
  is_applied_ = false;
  parts_.on_change();
}

void PodsSide::sweep() {
  std::erase_if(leaving_, [this](const auto& entry) { return is_out(entry.first); });
  if (source_ == nullptr || is_listing_) return;
  is_listing_ = true;
  source_->list([this, began = parts_.sandboxes.now()](Result<std::vector<pods::Sandbox>> listed) {
    on_listed(began, std::move(listed));
  });
}

void PodsSide::on_listed(pods::Sandboxes::Moment began, Result<std::vector<pods::Sandbox>> listed) {
  is_listing_ = false;
  if (!listed) {
    if (!list_error_)
      spdlog::error("component=pods reason={} msg=\"{}\"", reason_name(listed.error().reason),
                    listed.error().message());
    list_error_ = std::move(listed).error();
    list_again_.start(kListAgain);
    return;
  }
  list_error_.reset();
  // Where every path is missing the runtime never tells one, and asking soon would not help.
  const auto untold = std::count_if(listed->begin(), listed->end(), [](const pods::Sandbox& each) {
    return each.netns_path.empty();
  });
  if (untold != 0 && static_cast<size_t>(untold) != listed->size()) list_again_.start(kUntoldAgain);
  const bool is_first = !is_listed_;
  is_listed_ = true;
  if (parts_.sandboxes.merge(*listed, began) || is_first) on_change();
}

cni::Expected<void> PodsSide::attach(const cni::Attachment& attachment) {
  pods::Sandbox sandbox{attachment.container_id, attachment.pod.uid, attachment.netns, {}};
  for (const std::string& text : attachment.addresses) {
    const auto address = IpAddress::parse(text);
    if (!address)
      return tl::unexpected(cni::CniError{cni::kInvalidConfig,
                                          "prevResult has an address '" + text + "'",
                                          "an earlier plugin of the chain made it"});
    sandbox.addresses.push_back(*address);
  }
  if (parts_.sandboxes.attach(std::move(sandbox))) on_change();
  return {};
}

// The end of an older sandbox may be told again when the pod has a newer one: then there is no
// namespace any more, and what was guessed of the pod is another.
void PodsSide::detach(const cni::Attachment& attachment) {
  const std::string& id = attachment.container_id;
  const pods::Sandbox* told = parts_.sandboxes.find(id);
  const pods::Sandbox* of_pod = parts_.sandboxes.of_pod(attachment.pod.uid);
  const bool has_guess = told == nullptr && of_pod != nullptr && of_pod->is_guessed;
  if (has_guess && attachment.netns.empty()) return sweep();
  const std::string uid = told != nullptr ? told->uid : attachment.pod.uid;
  if (told != nullptr || has_guess) leaving_[id] = uid;
  if (parts_.sandboxes.detach(id, uid)) on_change();
}

void PodsSide::keep_only(const std::set<std::string>& container_ids) {
  if (parts_.sandboxes.keep_only(container_ids)) on_change();
}

cni::Standing PodsSide::standing(const cni::PodRef& pod) const {
  if (!is_listed_)
    return {cni::Standing::State::kWaiting,
            source_->name() + " has not told its pods: " +
                (list_error_ ? list_error_->message() : std::string("asked a moment ago")),
            "the agent needs its socket (--runtime-socket)"};
  cni::Standing standing = pod_standing(parts_.standing_view(), pod);
  using State = cni::Standing::State;
  const bool may_be_older = standing.state == State::kEnrolled || standing.state == State::kRefused;
  if (is_applied_ || !may_be_older) return standing;
  return {State::kWaiting, "the agent is applying what the container runtime told",
          "keelsonctl status, on this node, says more"};
}

// A pod with a newer sandbox is in the mesh, but not with this one.
bool PodsSide::is_out(const std::string& container_id) const {
  const auto leaving = leaving_.find(container_id);
  if (leaving == leaving_.end()) return true;
  const pods::Sandbox* other = parts_.sandboxes.of_pod(leaving->second);
  const bool has_newer = other != nullptr && !other->is_guessed && !other->netns_path.empty();
  return is_applied_ && (has_newer || !parts_.enrolment.has(leaving->second));
}

cni::Expected<void> PodsSide::uninstall() {
  if (!keeper_) return {};
  const auto failure = [](const Error& error) {
    return tl::unexpected(cni::CniError{cni::kIoFailure, error.message(), "remove it by hand"});
  };
  if (const auto removed = keeper_->remove(); !removed) return failure(removed.error());
  spdlog::info("component=cni msg=\"removed {}\"", keeper_->path());
  if (const auto removed = remove_plugin(); !removed) return failure(removed.error());
  return {};
}

std::optional<Error> PodsSide::problem() const {
  if (list_error_) return list_error_;
  if (install_error_) return install_error_;
  return keeper_ ? keeper_->problem() : std::nullopt;
}

void PodsSide::mark_chained(admin::Readiness& readiness) const {
  if (!keeper_ || options_.is_cni_off) return;
  const std::optional<Error> problem = install_error_ ? install_error_ : keeper_->problem();
  if (problem)
    readiness.mark_missing(admin::kTaskCniChained, problem->message());
  else if (!is_chained_)
    readiness.mark_missing(admin::kTaskCniChained, "waits for the first list of objects");
  else
    readiness.mark_done(admin::kTaskCniChained);
}

}  // namespace keelson
