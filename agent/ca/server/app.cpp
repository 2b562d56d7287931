#include "ca/server/app.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "ca/server/folder_seams.h"
#include "ca/server/handler.h"
#include "ca/server/kube_seams.h"
#include "ca/server/serving_certificate.h"
#include "io/signal.h"
#include "kube/access.h"
#include "rest/curl_client.h"
#include "serving/http_server.h"
#include "tls/tls_stream.h"

namespace keelson::ca {
namespace {

// What the CA asks, and the connection that it asks over.
struct World {
  std::unique_ptr<rest::Client> api;  // null without a cluster
  std::unique_ptr<TokenReviewer> tokens;
  std::unique_ptr<PodLookup> pods;
  std::unique_ptr<RootStore> roots;
};

Result<World> reach_world(const Options& options, const AgentAccount& agents, io::EventLoop& loop,
                          const Clock& clock) {
  World world;
  if (!options.manifests_dir.empty()) {
    world.tokens = std::make_unique<FileTokens>(options.tokens_file, agents);
    world.pods = std::make_unique<FolderPods>(options.manifests_dir);
    world.roots = std::make_unique<FolderRoots>(options.state_dir, options.bundle_file);
    return world;
  }
  auto server = kube::api_server(options.kubeconfig, clock);
  if (!server) return Failure(std::move(server).error());
  world.api = std::make_unique<rest::CurlClient>(loop, clock, std::move(*server));
  world.tokens = std::make_unique<KubeTokens>(*world.api);
  world.pods = std::make_unique<KubePods>(*world.api);
  world.roots = std::make_unique<KubeRoots>(*world.api, options.root_namespace);
  return world;
}

// A bearer token and a request are small; an agent needs one connection, behind a NAT there may be
// several agents.
serving::HttpLimits http_limits() {
  serving::HttpLimits limits;
  limits.connections_max = 1024;
  limits.connections_per_client_max = 64;
  limits.body_bytes_max = kSignBodyBytesMax;
  limits.idle = std::chrono::milliseconds(30'000);
  return limits;
}

}  // namespace

class App::Parts {
 public:
  Parts(const Options& options, std::unique_ptr<IssuanceLog> log)
      : options_(options),
        agents_{options.root_namespace, options.agent_account, options.audience},
        log_(std::move(log)),
        serving_certificate_(options.dns_names),
        hung_up_(loop_, SIGHUP, [this] { reopen_log(); }),
        terminated_(loop_, SIGTERM, [this] { loop_.stop(); }),
        interrupted_(loop_, SIGINT, [this] { loop_.stop(); }),
        root_timer_(loop_, [this] { keep_roots(); }) {}

  Result<void> start() {
    KS_ASSIGN(world_, reach_world(options_, agents_, loop_, clock_));
    RootKeeper::Options roots;
    roots.rules.trust_domain = options_.trust_domain;
    roots.times.leaf_lifetime = roots.times.announce = options_.leaf_lifetime;
    keeper_ = std::make_unique<RootKeeper>(std::move(roots), *world_.roots, clock_);
    SigningService::Options service;
    service.agents = agents_;
    service.leaf = {options_.trust_domain, options_.leaf_lifetime};
    service.rate = {options_.node_burst, options_.node_per_minute};
    service_ = std::make_unique<SigningService>(
        std::move(service), SigningService::Seams{clock_, *world_.tokens, *world_.pods, *log_,
                                                  [this] { return keeper_->usable(); }});
    handler_ = std::make_unique<CaHandler>(CaHandler::Parts{
        *service_, *keeper_, *log_, [this] { return serving_certificate_.ends(); }});
    server_ = std::make_unique<serving::HttpServer>(loop_, *handler_, http_limits());
    keep_roots();
    root_timer_.start_repeating(RootKeeper::kReadInterval);
    for (const std::string& address : options_.listen) KS_TRY(listen(address));
    return {};
  }
  void run() { loop_.run(); }

 private:
  Result<void> listen(const std::string& address) {
    KS_ASSIGN(const Endpoint at, Endpoint::parse(address));
    KS_ASSIGN(Fd listening, io::listen_tcp(at));
    return server_->serve(std::move(listening), serving::Surface::kNetwork,
                          [this](std::unique_ptr<io::TcpStream> tcp, BlockPool& pool) {
                            return put_tls_on(std::move(tcp), pool);
                          });
  }

  Result<std::unique_ptr<io::ByteStream>> put_tls_on(std::unique_ptr<io::TcpStream> tcp,
                                                     BlockPool& pool) {
    KS_ASSIGN(auto context, serving_certificate_.context(keeper_->usable(), clock_.wall_now()));
    KS_ASSIGN(std::unique_ptr<io::ByteStream> stream,
              tls::TlsStream::accept({std::move(context), std::move(tcp), pool, signer_}));
    return stream;
  }

  // The answer may come later: what it was is said at the next look.
  void keep_roots() {
    keeper_->run();
    const auto& error = keeper_->last_error();
    const std::string text = error ? error->message() : std::string();
    if (error && text != last_said_)
      spdlog::error("component=ca reason={} msg=\"roots: {}\"", reason_name(error->reason), text);
    last_said_ = text;
  }

  void reopen_log() {
    if (const auto reopened = log_->reopen(); !reopened)
      spdlog::error("component=ca reason={} msg=\"the issuance log stays where it was: {}\"",
                    reason_name(reopened.error().reason), reopened.error().message());
  }

  const Options options_;
  const AgentAccount agents_;
  const SystemClock clock_;
  io::EventLoop loop_;
  const std::unique_ptr<IssuanceLog> log_;
  World world_;
  std::unique_ptr<RootKeeper> keeper_;
  std::unique_ptr<SigningService> service_;
  std::unique_ptr<CaHandler> handler_;
  ServingCertificate serving_certificate_;
  tls::InlineSigner signer_;
  std::unique_ptr<serving::HttpServer> server_;
  std::string last_said_;
  io::Signal hung_up_, terminated_, interrupted_;
  io::Timer root_timer_;
};

App::App(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}
App::~App() = default;

Result<std::unique_ptr<App>> App::start(const Options& options) {
  KS_ASSIGN(auto log, IssuanceLog::open({options.issuance_log, STDOUT_FILENO}));
  auto parts = std::make_unique<Parts>(options, std::move(log));
  KS_TRY(parts->start());
  return std::unique_ptr<App>(new App(std::move(parts)));
}

void App::run() {
  parts_->run();
}

}  // namespace keelson::ca
