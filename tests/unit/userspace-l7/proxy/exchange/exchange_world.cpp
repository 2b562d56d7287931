#include "exchange/exchange_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace keelson::proxy {
namespace {

constexpr uint64_t kService = 7;

}  // namespace

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

std::string take(test::Pipe& pipe) {
  std::string text(pipe.bytes.size(), 0);
  std::transform(pipe.bytes.begin(), pipe.bytes.end(), text.begin(),
                 [](std::byte byte) { return static_cast<char>(byte); });
  pipe.bytes.clear();
  return text;
}

ExchangeWorld::ExchangeWorld() {
  runtime.node_name = "a";
  const auto web = add_pod("web", "10.0.0.1", 1);
  config::Service pay{.ns = "shop", .name = "pay", .port = 80, .ids = {kService, 0}};
  runtime.services[kService] = std::make_shared<const config::Service>(pay);
  set_endpoints({"192.0.2.1"});
  serve();
  auto bytes = std::make_unique<test::MemoryStream>(requests, answers);
  stream = bytes.get();
  Capture capture;
  capture.client = {*IpAddress::parse("10.0.0.1"), 40000};
  capture.original = {*IpAddress::parse("10.96.0.1"), 80};
  capture.service_id = kService;
  connection = std::make_unique<HttpConnection>(services, web, capture, std::move(bytes));
}

ExchangeWorld::~ExchangeWorld() {
  release_blocks();
}

std::shared_ptr<config::LocalPod> ExchangeWorld::add_pod(const std::string& name,
                                                         const std::string& address,
                                                         uint64_t identity) {
  auto pod = std::make_shared<config::LocalPod>();
  pod->uid = "uid-" + name;
  pod->ns = "shop";
  pod->name = name;
  pod->netns_cookie = identity + 100;
  pod->identity = identity;
  pod->addresses = {*IpAddress::parse(address)};
  runtime.local_pods[pod->uid] = pod;
  runtime.workloads[pod->addresses[0]] = std::make_shared<const config::Workload>(
      config::Workload{"shop/" + name, identity, "a", true});
  return pod;
}

void ExchangeWorld::set_endpoints(const std::vector<std::string>& addresses) {
  auto set = std::make_shared<config::EndpointSet>();
  for (const std::string& address : addresses) set->endpoints.push_back(endpoint(address));
  runtime.endpoints[kService] = set;
}

config::RouteRule ExchangeWorld::rule() const {
  config::RouteRule rule;
  rule.name = "shop/pay#0";
  rule.backends.emplace_back().service = {kService, 0};
  rule.backends[0].name = "shop/pay:80";
  return rule;
}

void ExchangeWorld::set_route(const config::RouteRule& rule, const std::string& path) {
  auto set = std::make_shared<config::RouteSet>();
  set->rules = {rule};
  config::RequestMatch match;
  match.path = path;
  set->entries = {{match, 0}};
  auto routes = std::make_shared<config::ServiceRoutes>();
  routes->producer = set;
  config::Service pay = *runtime.services[kService];
  pay.routes = routes;
  runtime.services[kService] = std::make_shared<const config::Service>(pay);
}

void ExchangeWorld::serve() {
  runtime.generation++;
  std::vector<Error> findings;
  config = make_serving_config(std::make_shared<const config::RuntimeConfig>(runtime), config.get(),
                               findings);
  EXPECT_TRUE(findings.empty());
}

void ExchangeWorld::say(std::string_view text) {
  for (const char c : text) requests->bytes.push_back(static_cast<std::byte>(c));
}

void ExchangeWorld::get(std::string_view target, std::string_view headers) {
  say("GET " + std::string(target) + " HTTP/1.1\r\nhost: pay\r\n" + std::string(headers) + "\r\n");
  run();
}

std::string ExchangeWorld::received() {
  std::string text = take(*answers);
  for (run(); !answers->bytes.empty(); run()) text += take(*answers);
  return text;
}

Server& ExchangeWorld::accept() {
  if (connector.waiting.empty()) throw std::logic_error("nobody dials");
  Server& made = connector.answer();
  run();
  return made;
}

Server& ExchangeWorld::keep_connection() {
  get("/first");
  Server& made = accept();
  made.say(ok("first"));
  EXPECT_TRUE(received().ends_with("first"));
  EXPECT_EQ(upstreams.counts().idle, 1u);
  take(*made.requests);
  made.requests->seen.clear();
  return made;
}

bool ExchangeWorld::turn() {
  bool has_told = requests.use_count() > 1 && stream->announce();
  for (const Server& server : connector.servers) has_told |= server.announce();
  const bool has_work = scheduler.has_work();
  if (has_work) scheduler.run_turn();
  return has_told || has_work;
}

void ExchangeWorld::run() {
  for (int turns = 0; turn(); turns++) ASSERT_LT(turns, 10000) << "it wakes itself for nothing";
}

void ExchangeWorld::take_all_blocks(size_t left) {
  while (blocks.counts().in_use + left < blocks.blocks_max()) taken_.push_back(blocks.acquire());
}

void ExchangeWorld::release_blocks() {
  for (Block* block : taken_) BlockPool::release(*block);
  taken_.clear();
}

}  // namespace keelson::proxy
