#include "app.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <csignal>

#include "admin/api.h"
#include "admin/flow_log.h"
#include "admin/readiness.h"
#include "agent_state.h"
#include "base/file_identity.h"
#include "cutting.h"
#include "datapath/counters.h"
#include "datapath/events.h"
#include "datapath/kernel_inventory.h"
#include "datapath/kernel_maps.h"
#include "datapath/loader.h"
#include "io/event_loop.h"
#include "io/poll.h"
#include "io/signal.h"
#include "io/timer.h"
#include "last_good_saver.h"
#include "link/hold_client.h"
#include "model/store.h"
#include "pods_side.h"
#include "proxy_side.h"
#include "reconciler.h"
#include "retirement.h"
#include "serving/http_server.h"
#include "source_side.h"
#include "status_side.h"
#include "successor.h"

namespace keelson {
namespace {

constexpr std::chrono::milliseconds kSelfCheckInterval{5000};
// A new hold knows no pod: connections that need a socket of one wait until it does.
constexpr std::chrono::milliseconds kHoldWatchInterval{200};
constexpr std::chrono::milliseconds kSweepInterval{60000};
constexpr std::chrono::milliseconds kMetricsRetryInterval{1000};
constexpr std::chrono::seconds kTupleAgeMax{200};  // above the SYN retries of 180 s
// Copies on disk are for a later restart: first what changed is enforced, and a burst is one save.
constexpr std::chrono::milliseconds kSaveDelay{200};
// While the node's end is not done, or the API server has not heard of it.
constexpr std::chrono::milliseconds kRetireAgain{500};
constexpr std::chrono::seconds kChainAgain{1};

Result<void> make_folder(const std::string& path, mode_t mode) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
      return fail_errno(Reason::io_error, errno, "mkdir " + part);
    if (slash == std::string::npos) return {};
  }
}

SourceSideOptions source_options(const Options& options) {
  SourceSideOptions source{{}, options.kubeconfig, options.node_name};
  if (options.manifests_dir.empty()) return source;
  source.folders.push_back(options.manifests_dir);
  if (!options.nodestate_dir.empty()) source.folders.push_back(options.nodestate_dir);
  return source;
}

PodsSideOptions pods_side_options(const Options& options) {
  const std::string socket = options.run_dir + "/cni.sock";
  return {.socket_path = socket,
          .runtime = options.runtime_socket,
          .cni_conf_dir = options.cni_conf_dir,
          .cni_bin_dir = options.cni_bin_dir,
          .cni_plugin = options.cni_plugin,
          .is_cni_off = options.cni_off,
          .plugin = {socket, static_cast<unsigned>(options.cni_timeout.count()),
                     options.cni_exempt_namespaces}};
}

}  // namespace

class App::Parts {
 public:
  Parts(const Options& options, std::unique_ptr<datapath::Loader> loader, datapath::KernelMaps maps,
        datapath::Counters counters, Fd socket_map, proxylink::ProxyMapFds proxy_maps,
        compile::NodeFacts facts)
      : options_(options),
        loader_(std::move(loader)),
        maps_(std::move(maps)),
        counters_(std::move(counters)),
        socket_map_(std::move(socket_map)),
        hold_(options.hold_socket),
        saver_(options.state_dir),
        source_(loop_, clock_, source_options(options)),
        enrolment_(hold_, *loader_, clock_, {.grace = options.enrolment_grace}),
        proxies_(loop_, clock_, hold_,
                 {{.folder = options.ca_dir, .trust_domain = options.trust_domain},
                  options.ca_address,
                  options.ca_token_file,
                  options.trust_bundle_file},
                 std::move(proxy_maps), proxy_callbacks(), [this] { reconcile_timer_.start({}); }),
        rollout_(maps_, proxies_.publisher()),
        status_(loop_, clock_, options.nodestate_dir, options.node_name),
        cutting_(socket_map_.get()),
        reconciler_({clock_, enrolment_, rollout_, status_, cutting_, sandboxes_,
                     [this](const compile::Plan& plan) {
                       proxies_.prepare(plan, *reconciler_.snapshot(), reconciler_.selected(),
                                        enrolment_.leaving_uids());
                     },
                     [this](const model::Pod& pod) { return proxies_.has_key(pod); }},
                    std::move(facts)),
        retirement_(clock_, options.pod_uid),
        pods_side_(loop_, clock_, pods_side_options(options),
                   {sandboxes_, enrolment_, [this] { return standing_view(); },
                    [this] { reconcile_timer_.start({}); }}),
        readiness_({admin::kTaskKernelAttached, admin::kTaskSourceRead, admin::kTaskHoldConnected,
                    admin::kTaskFirstRollout, admin::kTaskFilesKnown}),
        flows_(clock_, options.node_name, {}),
        kernel_(*loader_, maps_),
        state_({clock_, store_, reconciler_, enrolment_, rollout_, counters_, hold_, proxies_,
                pods_side_, source_, status_, readiness_, kernel_},
               options.pin_dir),
        api_(state_, flows_),
        server_(loop_, api_),
        successor_(options.run_dir + "/agent.sock"),
        reconcile_timer_(loop_, [this] { reconcile(); }),
        save_timer_(loop_, [this] { save(); }),
        self_check_timer_(loop_, [this] { self_check(); }),
        hold_timer_(loop_, [this] { watch_hold(); }),
        sweep_timer_(loop_, [this] { sweep(); }),
        metrics_timer_(loop_, [this] { retry_metrics(); }),
        terminated_(loop_, SIGTERM, [this] { loop_.stop(); }),
        interrupted_(loop_, SIGINT, [this] { loop_.stop(); }) {}

  Result<void> start() {
    KS_TRY(loader_->attach_node());
    KS_TRY(maps_.become_owner());
    readiness_.mark_done(admin::kTaskKernelAttached);
    KS_ASSIGN(const compile::Rows rows, maps_.read_all());
    enrolment_.recover(rows);
    cutting_.recover(rows);
    rollout_.recover(rows);
    KS_TRY(watch_events());
    KS_TRY(listen());
    if (auto loaded = store_.load_last_good(options_.state_dir); !loaded)
      spdlog::warn("component=model msg=\"{}\"", loaded.error().message());
    KS_TRY(source_.start(
        [this](std::vector<source::FileChange> changes) { on_files(std::move(changes)); }));
    if (rest::Client* const client = source_.client())
      status_.use(*client, source_.node_uid(), options_.root_namespace,
                  [this] { return state_.report_view(); });
    KS_TRY(pods_side_.start());
    cni_socket_ = FileIdentity::of(options_.run_dir + "/cni.sock");
    self_check_timer_.start_repeating(kSelfCheckInterval);
    hold_timer_.start_repeating(kHoldWatchInterval);
    sweep_timer_.start_repeating(kSweepInterval);
    return {};
  }

  bool run() {
    loop_.run();
    if (save_timer_.is_active()) save();
    if (retirement_.is_cleared() && !has_left_) admin_socket_.remove();
    return has_left_;
  }

 private:
  Result<void> listen() {
    KS_TRY(server_.listen_unix(options_.run_dir + "/agent.sock"));
    admin_socket_ = FileIdentity::of(options_.run_dir + "/agent.sock");
    KS_TRY(proxies_.start(options_.run_dir + "/proxy.sock"));
    proxy_socket_ = FileIdentity::of(options_.run_dir + "/proxy.sock");
    if (options_.metrics_address == "off") return {};
    KS_TRY(listen_metrics());
    if (metrics_timer_.is_active())
      spdlog::info("component=admin reason=address_in_use msg=\"metrics wait for {}\"",
                   options_.metrics_address);
    return {};
  }

  // While the agent that this one replaces still has the port, it serves the metrics.
  Result<void> listen_metrics() {
    KS_ASSIGN(const Endpoint at, Endpoint::parse(options_.metrics_address));
    const auto bound = server_.listen_tcp(at);
    if (bound) return {};
    if (bound.error().reason != Reason::address_in_use) return Failure(bound.error());
    metrics_timer_.start(kMetricsRetryInterval);
    return {};
  }

  void retry_metrics() {
    if (auto listening = listen_metrics(); !listening)
      spdlog::error("component=admin reason={} msg=\"no metrics: {}\"",
                    reason_name(listening.error().reason), listening.error().message());
  }

  proxylink::ProxyLink::Callbacks proxy_callbacks() {
    return {.on_published = [this](uint64_t ticket) { go_on(rollout_.on_published(ticket)); },
            .on_proxy_lost = [this] { go_on(rollout_.on_proxy_lost()); },
            .on_proxy_connected = [this] { reconcile_timer_.start({}); },
            .on_denials = [this](const config::Denials& denials) { flows_.add(denials); }};
  }

  void go_on(const Result<size_t>& written) {
    if (!written)
      spdlog::error("component=rollout reason={} msg=\"{}\"", reason_name(written.error().reason),
                    written.error().message());
    reconcile_timer_.start({});
  }

  Result<void> watch_events() {
    KS_ASSIGN(events_, datapath::FlowEvents::open(
                           loader_->pins(), [this](const ks_event& event) { flows_.add(event); }));
    KS_ASSIGN(events_poll_, open_poll(events_->epoll_fd(), [this] { drain_events(); }));
    return {};
  }

  void drain_events() {
    if (auto drained = events_->drain(); !drained)
      spdlog::error("component=events msg=\"{}\"", drained.error().message());
  }

  Result<std::optional<io::Poll>> open_poll(int fd, std::function<void()> on_readable) {
    KS_ASSIGN(
        io::Poll poll,
        io::Poll::open(loop_, fd, [call = std::move(on_readable)](io::Readiness) { call(); }));
    poll.watch({.readable = true});
    return std::optional<io::Poll>(std::move(poll));
  }

  void on_files(std::vector<source::FileChange> changes) {
    for (const source::FileChange& change : changes)
      if (change.state == source::FileChange::State::kGone) store_.forget(change.file);
    for (source::FileChange& change : changes) {
      put(change);
      change = {};  // at the start there are all of a cluster's
    }
    readiness_.mark_done(admin::kTaskSourceRead);
    const bool changed = store_.publish();
    readiness_.mark_unknown_content(store_.unknown_content());
    status_.note_change();  // a bad version of a route is no change of what serves
    if (!save_timer_.is_active()) save_timer_.start(kSaveDelay);
    if (changed || !reconciler_.has_applied()) reconcile_timer_.start({});
  }

  void put(const source::FileChange& change) {
    switch (change.state) {
      case source::FileChange::State::kText:
        return store_.put(model::decode_file(change.file, change.text));
      case source::FileChange::State::kObject:
        return store_.put(model::decode_object(change.file, change.text));
      case source::FileChange::State::kUnreadable:
        return store_.put(model::unreadable_file(change.file, *change.error));
      case source::FileChange::State::kGone:
        return;
    }
  }

  void reconcile() {
    // What the kernel holds stands until the source has told what there is.
    if (is_fenced() || !source_.has_delivered()) return;
    retirement_.look(store_.snapshot());
    if (retirement_.is_cleared()) return end_when_told();
    if (retirement_.is_asked())
      pods_side_.unchain();
    else
      pods_side_.chain();
    // Not listed: pods of an earlier agent would be taken out of the mesh.
    if (pods_side_.is_listed()) apply();
    const bool is_out = pods_side_.is_listed() && reconciler_.has_nobody();
    if (retirement_.may_clear(is_out)) return clear_node();
    update_readiness();
    std::optional<MonotonicTime> next = retirement_.next_look();
    const auto sooner = [&](MonotonicTime time) { next = next ? std::min(*next, time) : time; };
    if (const auto run = reconciler_.next_run(); run && pods_side_.is_listed()) sooner(*run);
    if (pods_side_.wants_chain()) sooner(clock_.now() + kChainAgain);
    if (next) reconcile_timer_.start_at(*next, clock_.now());
  }

  void apply() {
    reconciler_.reconcile(retirement_.view());
    status_.compare(*reconciler_.snapshot());
    pods_side_.settle();
    flows_.set_names(reconciler_.plan(), reconciler_.snapshot());
  }

  void clear_node() {
    if (const auto cleared = remove_all(); !cleared) {
      spdlog::error("component=agent reason={} msg=\"tried again: {}\"",
                    reason_name(cleared.error().reason), cleared.error().message());
      return reconcile_timer_.start(kRetireAgain);
    }
    spdlog::info("component=agent msg=\"nothing of the mesh is left on this node\"");
    retirement_.on_cleared();
    status_.retire(retirement_.daemon_set());
    end_when_told();
  }

  // The runtime forgets the plugin before it goes. When the rest is tried again, conflist and pins
  // may be those of an agent that came since: they are removed once.
  Result<void> remove_all() {
    if (!is_kernel_clear_) {
      KS_TRY(pods_side_.remove_conflist());
      proxies_.shut();
      pods_side_.shut();
      KS_TRY(loader_->remove_all());
      is_kernel_clear_ = true;
    }
    KS_TRY(pods_side_.remove_plugin());
    saver_.save({});
    proxy_socket_.remove();
    cni_socket_.remove();
    return {};
  }

  void end_when_told() {
    if (!status_.is_told()) return reconcile_timer_.start(kRetireAgain);
    has_left_ = true;
    loop_.stop();
  }

  void save() {
    if (!is_fenced() && !retirement_.is_cleared()) saver_.save(store_.last_good_copies());
  }

  // A newer agent owns the node: this one only answers questions until it is stopped, or until the
  // newer one is gone: whoever starts it again starts it as the node's agent.
  bool is_fenced() {
    const bool fenced = !maps_.is_owner();
    if (fenced) {
      proxies_.shut();
      pods_side_.shut();
      status_.shut();
    }
    return fenced;
  }

  StandingView standing_view() const {
    return {*reconciler_.snapshot(),
            options_.node_name,
            reconciler_.refused(),
            enrolment_.problems(),
            reconciler_.error(),
            rollout_.waiting_for() == 0 ? "" : "the proxy acknowledges the new configuration",
            [this](const std::string& uid) { return reconciler_.state_of(uid); },
            [this](const model::Pod& pod) { return proxies_.has_key(pod); }};
  }

  void update_readiness() {
    if (!source_.has_delivered())
      readiness_.mark_missing(admin::kTaskSourceRead, source_.waiting_for());
    if (reconciler_.has_applied()) readiness_.mark_done(admin::kTaskFirstRollout);
    if (const auto& error = reconciler_.error(); error && !reconciler_.has_applied())
      readiness_.mark_missing(admin::kTaskFirstRollout, error->message());
    if (const auto problem = pods_side_.problem(); problem && !pods_side_.is_listed())
      readiness_.mark_missing(admin::kTaskFirstRollout, problem->message());
    pods_side_.mark_chained(readiness_);
    if (hold_.is_reachable())
      readiness_.mark_done(admin::kTaskHoldConnected);
    else
      readiness_.mark_missing(admin::kTaskHoldConnected, "no answer at " + options_.hold_socket +
                                                             "; is keelson-hold running?");
    status_.note_change();
  }

  void self_check() {
    if (retirement_.is_cleared()) return;
    if (is_fenced()) {
      if (!successor_.is_gone(admin_socket_)) return;
      spdlog::warn(
          "component=agent msg=\"the agent that took this node over is gone; ending, to be "
          "started again as the node's\"");
      loop_.stop();
      return;
    }
    const bool changed = enrolment_.self_check();
    proxies_.renew();
    proxies_.request_stats();
    update_readiness();
    if (changed || enrolment_.next_retry()) reconcile_timer_.start({});
  }

  void watch_hold() {
    if (hold_.has_ended()) self_check();
  }

  void sweep() {
    if (retirement_.is_cleared()) return;
    pods_side_.sweep();
    enrolment_.look_for_orphans();
    const auto not_after = (clock_.now() - kTupleAgeMax).time_since_epoch();
    const auto swept = loader_->sweep_tuples(static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(not_after).count()));
    if (!swept) spdlog::error("component=datapath msg=\"{}\"", swept.error().message());
  }

  const Options options_;
  SystemClock clock_;
  io::EventLoop loop_;
  std::unique_ptr<datapath::Loader> loader_;
  datapath::KernelMaps maps_;
  datapath::Counters counters_;
  Fd socket_map_;
  link::HoldClient hold_;
  model::Store store_;
  LastGoodSaver saver_;
  SourceSide source_;
  pods::Enrolment enrolment_;
  ProxySide proxies_;
  rollout::Rollout rollout_;
  StatusSide status_;
  Cutting cutting_;
  pods::Sandboxes sandboxes_;
  Reconciler reconciler_;
  Retirement retirement_;
  PodsSide pods_side_;
  admin::Readiness readiness_;
  admin::FlowLog flows_;
  datapath::KernelInventory kernel_;
  AgentState state_;
  admin::Api api_;
  serving::HttpServer server_;
  Successor successor_;
  FileIdentity admin_socket_, proxy_socket_, cni_socket_;
  bool is_kernel_clear_ = false;
  bool has_left_ = false;
  std::unique_ptr<datapath::FlowEvents> events_;
  std::optional<io::Poll> events_poll_;
  io::Timer reconcile_timer_, save_timer_, self_check_timer_, hold_timer_, sweep_timer_,
      metrics_timer_;
  io::Signal terminated_, interrupted_;
};

App::App(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
App::~App() = default;

Result<std::unique_ptr<App>> App::start(const Options& options) {
  KS_TRY(make_folder(options.run_dir, 0755));
  KS_TRY(make_folder(options.state_dir, 0700));
  compile::NodeFacts facts;
  facts.node_name = options.node_name;
  facts.trust_domain = options.trust_domain;
  facts.root_namespace = options.root_namespace;
  KS_ASSIGN(facts.netns_cookie, datapath::own_netns_cookie());
  KS_ASSIGN(auto loader, datapath::Loader::load({.pin_dir = options.pin_dir, .cgroup = {}}));
  KS_ASSIGN(auto maps, datapath::KernelMaps::open(loader->pins()));
  KS_ASSIGN(auto counters, datapath::Counters::open(loader->pins()));
  KS_ASSIGN(Fd socket_map, loader->pins().open_map("ks_socket"));
  proxylink::ProxyMapFds proxy_maps;
  KS_ASSIGN(proxy_maps.sockets, loader->pins().open_map_read_only("ks_socket"));
  KS_ASSIGN(proxy_maps.notes, loader->pins().open_map("ks_note"));
  auto parts =
      std::make_unique<Parts>(options, std::move(loader), std::move(maps), std::move(counters),
                              std::move(socket_map), std::move(proxy_maps), std::move(facts));
  KS_TRY(parts->start());
  return std::unique_ptr<App>(new App(std::move(parts)));
}

bool App::run() {
  return parts_->run();
}

}  // namespace keelson
