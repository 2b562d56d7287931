#include "source_side.h"

#include <spdlog/spdlog.h>

#include "base/utc_text.h"
#include "kube/access.h"
#include "kube/token_claims.h"

namespace keelson {
namespace {

// "2026-08-21T10:00:00Z (40 s ago)"
std::string since(MonotonicTime then, MonotonicTime now, WallTime wall_now) {
  const auto ago = std::chrono::duration_cast<std::chrono::seconds>(now - then);
  return utc_text(wall_now - ago) + " (" + std::to_string(ago.count()) + " s ago)";
}

std::string fix_for(Reason reason) {
  switch (reason) {
    case Reason::api_unauthorized:
    case Reason::credentials_unusable:
      return "check the agent's token or client certificate";
    case Reason::api_forbidden:
      return "grant the agent's service account list and watch of the kind";
    case Reason::certificate_untrusted:
      return "check the CA that the agent was given and the name in the server's certificate";
    default:
      return "check the API server, and the way to it from this node";
  }
}

}  // namespace

SourceSide::SourceSide(io::EventLoop& loop, const Clock& clock, SourceSideOptions options)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      random_(std::random_device{}()),
      timer_(loop, [this] { kube_->wake(); }) {}

SourceSide::~SourceSide() = default;

Result<void> SourceSide::start(source::ObjectSource::OnChange on_change) {
  on_change_ = std::move(on_change);
  return options_.folders.empty() ? start_kube() : start_folders();
}

source::ObjectSource::OnChange SourceSide::deliver() {
  return [this](std::vector<source::FileChange> changes) {
    has_delivered_ = true;
    on_change_(std::move(changes));
  };
}

Result<void> SourceSide::start_folders() {
  directory_.emplace(options_.folders);
  KS_TRY(directory_->start(deliver()));
  KS_ASSIGN(io::Poll poll, io::Poll::open(loop_, directory_->fd(), [this](io::Readiness) {
              if (auto read = directory_->on_readable(); !read)
                spdlog::error("component=source msg=\"{}\"", read.error().message());
            }));
  poll.watch({.readable = true});
  poll_ = std::move(poll);
  return {};
}

Result<void> SourceSide::start_kube() {
  auto server = kube::api_server(options_.kubeconfig, clock_);
  if (!server) return Failure(std::move(server).error());
  url_ = server->url;
  if (server->token)
    if (const auto token = server->token()) node_uid_ = kube::node_uid(*token, options_.node);
  client_.emplace(loop_, clock_, std::move(*server));
  kube_.emplace(
      source::Reflector::Seams{*client_, clock_,
                               [this] { return std::uniform_real_distribution<>()(random_); },
                               options_.node},
      [this] { arm(); });
  KS_TRY(kube_->start(deliver()));
  spdlog::info("component=source msg=\"following the API server\" server={}", url_);
  return {};
}

void SourceSide::arm() {
  timer_.start_at(kube_->next_wake(), clock_.now());
}

std::string SourceSide::waiting_for() const {
  const auto findings = this->findings();
  if (!findings.empty()) return findings.front().message;
  if (!kube_) return "not done yet";
  std::string kinds;
  for (const auto& kind : kube_->state().kinds)
    if (!kind.is_listed) kinds += (kinds.empty() ? "" : ", ") + std::string(kind.kind);
  return url_ + " has not listed yet: " + kinds;
}

std::vector<model::Finding> SourceSide::findings() const {
  if (!kube_) return {};
  return source_findings(kube_->state(), url_, clock_.now(), clock_.wall_now());
}

admin::SourceState SourceSide::state() const {
  return kube_ ? source_state(kube_->state(), clock_.now()) : admin::SourceState{};
}

std::vector<model::Finding> source_findings(const source::KubeState& state, const std::string& url,
                                            MonotonicTime now, WallTime wall_now) {
  using model::Severity;
  if (state.away_since) {
    const Error& error = *state.error;
    return {{state.is_listed ? Severity::kWarning : Severity::kError,
             error.reason,
             {},
             "",
             "the API server " + url + " does not serve this agent since " +
                 since(*state.away_since, now, wall_now) +
                 (state.is_listed ? "; what was known then keeps serving: "
                                  : "; this agent knows nothing yet and changes nothing: ") +
                 error.message(),
             fix_for(error.reason)}};
  }
  std::vector<model::Finding> findings;
  for (const auto& kind : state.kinds) {
    if (!kind.failing_since || !kind.error) continue;
    findings.push_back({Severity::kError,
                        kind.error->reason,
                        {},
                        std::string(kind.kind),
                        "cannot be followed since " + since(*kind.failing_since, now, wall_now) +
                            ": " + kind.error->message(),
                        fix_for(kind.error->reason)});
  }
  return findings;
}

admin::SourceState source_state(const source::KubeState& state, MonotonicTime now) {
  admin::SourceState out;
  out.is_reachable = !state.away_since;
  for (const auto& kind : state.kinds) {
    admin::SourceKind row;
    row.kind = kind.kind;
    row.objects = kind.objects;
    row.is_watching = kind.is_watching;
    row.relists = kind.relists;
    row.watch_restarts = kind.watch_restarts;
    row.silence = std::chrono::duration_cast<std::chrono::milliseconds>(now - kind.heard_at);
    for (const auto& [reason, count] : kind.errors) row.errors.emplace_back(reason, count);
    out.kinds.push_back(std::move(row));
  }
  return out;
}

}  // namespace keelson
