#include "retired.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "admin/views.h"
#include "base/file_identity.h"
#include "cni/node_file.h"
#include "io/event_loop.h"
#include "io/signal.h"
#include "keelson_version.h"
#include "model/objects.h"
#include "serving/http_server.h"

namespace keelson {
namespace {

std::string mark_path(const Options& options) {
  return options.run_dir + "/retired";
}

class RetiredHandler final : public serving::Handler {
 public:
  explicit RetiredHandler(const Options& options)
      : node_(options.node_name),
        way_back_("to keep it: kubectl -n " + options.root_namespace +
                  " annotate serviceaccount keelson-agent " +
                  std::string(model::kUninstallAnnotation) + "-, then kubectl -n " +
                  options.root_namespace + " rollout restart daemonset/keelson-agent") {}

  serving::Response handle(const serving::Request& request) override {
    if (request.path == "/readyz" || request.path == "/healthz")
      return {200, "text/plain; charset=utf-8", "retired: " + what() + "\n", nullptr};
    if (request.path == "/v1/version") return {200, "application/json", version(), nullptr};
    return {503, "application/json", admin::error_json(Reason::retired, what(), way_back_),
            nullptr};
  }

 private:
  std::string what() const {
    return "node " + node_ + " has left the mesh for good: Keelson is being uninstalled";
  }
  std::string version() const {
    return nlohmann::json{
        {"version", KEELSON_VERSION}, {"build", ""}, {"pid", ::getpid()}, {"node", node_}}
        .dump();
  }

  const std::string node_, way_back_;
};

}  // namespace

bool is_retired(const Options& options) {
  if (options.pod_uid.empty()) return false;
  const auto mark = cni::read_node_file(mark_path(options));
  return mark && *mark == options.pod_uid;
}

Result<void> mark_retired(const Options& options) {
  return cni::replace_node_file(mark_path(options), options.pod_uid, 0600);
}

Result<void> serve_retired(const Options& options) {
  const std::string socket_path = options.run_dir + "/agent.sock";
  io::EventLoop loop;
  RetiredHandler handler(options);
  serving::HttpServer server(loop, handler);
  KS_TRY(server.listen_unix(socket_path));
  const FileIdentity socket = FileIdentity::of(socket_path);
  const FileIdentity mark = FileIdentity::of(mark_path(options));
  const io::Signal terminated(loop, SIGTERM, [&] { loop.stop(); });
  const io::Signal interrupted(loop, SIGINT, [&] { loop.stop(); });
  spdlog::info("component=agent reason=retired msg=\"only answers until it is deleted\"");
  loop.run();
  socket.remove();
  if (is_retired(options)) mark.remove();
  return {};
}

}  // namespace keelson
