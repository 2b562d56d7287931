// SocketStock: one worker's prepared sockets: for each {pod, family, dial role} some that hold made
// inside the pod and tagged. Refills before it runs dry; who finds it dry waits a bounded time,
// then gets `socket_pool_empty`. One thread: its worker's. Does not talk to hold: SocketSource
// does.
#pragma once

#include <chrono>
#include <compare>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/runtime_config.h"
#include "keelson_abi/abi.h"
#include "proxy/hbone/alarm.h"

namespace keelson::proxy {

struct SocketKind {
  std::string pod;  // uid
  ks_family family = KS_FAMILY_4;
  ks_role role = KS_ROLE_DIAL_DELIVER;  // a dial role
  friend auto operator<=>(const SocketKind&, const SocketKind&) = default;
};

class SocketSource {
 public:
  using OnSockets = std::function<void(Result<std::vector<Fd>>)>;
  // Calls back later on the stock's thread, or never (lost request).
  virtual void fetch(const SocketKind& kind, uint32_t count, OnSockets on_sockets) = 0;

 protected:
  ~SocketSource() = default;
};

class SocketStock {
 public:
  // A place in the queue; destroying it gives the place up.
  class Ticket {
   public:
    virtual ~Ticket() = default;
  };
  using OnSocket = std::function<void(Result<Fd>)>;  // once; only queues work

  SocketStock(SocketSource& source, hbone::Alarms& alarms);
  ~SocketStock();
  SocketStock(const SocketStock&) = delete;
  SocketStock& operator=(const SocketStock&) = delete;

  // Begins to fill a pod's stocks for `deliver` and `hbone`; any other opens when first asked.
  void open_pod(const config::LocalPod& pod);
  // Forgets them; waiters fail. Also when the pod has got another namespace.
  void close_pod(const std::string& uid);

  // Empty: the stock is dry, wait().
  Fd take(const SocketKind& kind);
  // Of whatever role; none are asked for. Empty: there is none.
  Fd take_any(const std::string& pod, ks_family family);
  // Error: socket_pool_empty, too many wait already.
  Result<std::unique_ptr<Ticket>> wait(const SocketKind& kind, OnSocket on_socket);

  size_t idle(const SocketKind& kind) const;

 private:
  struct Shelf;
  class Place;

  Shelf& shelf(const SocketKind& kind);
  void refill(Shelf& shelf);
  void on_sockets(const SocketKind& kind, uint64_t serial, Result<std::vector<Fd>> sockets);
  void on_patience_ended(Shelf& shelf);
  static void serve(Shelf& shelf, Result<Fd> socket);

  SocketSource& source_;
  hbone::Alarms& alarms_;
  std::map<SocketKind, std::unique_ptr<Shelf>> shelves_;
  uint64_t serials_ = 0;
  const std::shared_ptr<SocketStock*> self_;  // null once destroyed, for answers under way
};

}  // namespace keelson::proxy
