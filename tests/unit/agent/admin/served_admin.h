// ServedAdmin: a real HttpServer with the real Api over a MeshFixture, on a thread of its own and a
// Unix socket in a temporary folder. Everything of the agent is touched on that thread only:
// on_loop runs a function there and waits for it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "admin/api.h"
#include "made_up_kernel.h"
#include "mesh_fixture.h"
#include "serving/http_server.h"

namespace keelson::admin {

class FixtureState final : public AdminState {
 public:
  std::shared_ptr<const model::Snapshot> snapshot() const override {
    return std::make_shared<const model::Snapshot>(mesh.snapshot);
  }
  std::shared_ptr<const compile::Plan> plan() const override {
    return std::make_shared<const compile::Plan>(mesh.plan);
  }
  const compile::NodeFacts& facts() const override { return mesh.facts; }
  LiveState live() const override { return mesh.live; }
  const Readiness& readiness() const override { return tasks; }
  std::vector<Check> checks() const override { return check_list; }
  const datapath::Inventory& kernel() const override { return made_up_kernel; }

  MeshFixture mesh;
  MadeUpKernel made_up_kernel;
  Readiness tasks{{kTaskSourceRead, kTaskHoldConnected}};
  std::vector<Check> check_list{{"kernel", "kernel has BTF", CheckResult::kOk, "yes", ""}};
};

class ServedAdmin {
 public:
  explicit ServedAdmin(serving::HttpLimits limits = {}, FlowLog::Options flow_options = {})
      : folder_(make_folder()), flows(clock_, "n1", flow_options), api_(state, flows) {
    state.mesh.look();
    server = std::make_unique<serving::HttpServer>(loop_, api_, limits);
    opened = server->listen_unix(socket_path());
    const auto at = server->listen_tcp({ip("127.0.0.1"), 0});
    if (at) tcp = *at;
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~ServedAdmin() {
    on_loop([this] {
      server.reset();
      loop_.stop();
    });
    thread_.join();
    std::filesystem::remove_all(folder_);
  }
  ServedAdmin(const ServedAdmin&) = delete;
  ServedAdmin& operator=(const ServedAdmin&) = delete;

  void on_loop(std::function<void()> work) {
    auto done = std::make_shared<std::promise<void>>();
    auto waiting = done->get_future();
    if (!loop_.post([work = std::move(work), done] {
          work();
          done->set_value();
        }))
      abort();
    waiting.wait();
  }
  const std::string& run_dir() const { return folder_; }
  std::string socket_path() const { return folder_ + "/agent.sock"; }

 private:
  static std::string make_folder() {
    std::string path = "/tmp/keelson-admin-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) abort();
    return path;
  }
  SystemClock clock_;
  std::string folder_;
  io::EventLoop loop_;

 public:
  FixtureState state;
  FlowLog flows;

 private:
  Api api_;

 public:
  std::unique_ptr<serving::HttpServer> server;
  Result<void> opened;
  Endpoint tcp;

 private:
  std::thread thread_;
};

// A denied connection from shop/web-1 to shop/pay-1 by way of the Service.
inline ks_event denied_event(Reason reason = Reason::policy_denied) {
  ks_event event{};
  event.source_pod = 101;
  event.destination_pod = 102;
  event.source = Endpoint{ip("10.1.0.2"), 40000}.raw();
  event.destination = Endpoint{ip("10.1.0.3"), 8080}.raw();
  event.original = Endpoint{ip("10.96.0.1"), 80}.raw();
  event.reason = static_cast<uint16_t>(reason);
  event.hook = KS_HOOK_CONNECT;
  event.verdict = KS_DENY;
  return event;
}

}  // namespace keelson::admin
