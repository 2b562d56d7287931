// Server: hold.sock, its clients and the loop. Checks each caller's uid and each request's size
// before the Inventory sees it. Single-threaded, level-triggered epoll; a client that does not read
// its answers is disconnected. Keeps nothing but connections.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "base/file_identity.h"
#include "base/result.h"
#include "hold/inventory.h"

namespace keelson::hold {

struct ServerOptions {
  std::string run_dir = "/run/keelson";
  std::optional<uid_t> extra_proxy_uid;  // tests run both ends as one user
};

// Whether a caller with this uid may ask this: the agent registers, adopts and stores; only the
// proxy gets sockets; both read. Anybody else may ask nothing.
bool may_ask(uid_t uid, std::optional<uid_t> extra_proxy_uid, link::HoldOp op) noexcept;

class Server {
 public:
  static Result<Server> open(const ServerOptions& options);
  // Returns when `stop` (a signalfd) becomes readable; then the socket's file is gone.
  Result<void> run(const Fd& stop);

 private:
  struct Client {
    Fd socket;
    uid_t uid = 0;
  };

  Server(Fd listener, FileIdentity file, Fd poll, std::optional<uid_t> extra_proxy_uid);
  Result<void> serve(const Fd& stop);
  Result<void> watch(const Fd& fd);
  void on_connection();
  bool on_readable(const Client& client);  // false: disconnect

  Fd listener_;
  FileIdentity file_;  // of the listener
  Fd poll_;
  std::optional<uid_t> extra_proxy_uid_;
  std::unordered_map<int, Client> clients_;
  Inventory inventory_;
};

}  // namespace keelson::hold
