// Listeners: the listening sockets of a worker's pods, fetched from hold (again and again until it
// answers) and accepted on. hold and the agent keep their own copies, so that stopping here loses
// no connection: it waits in the backlog for a successor. One thread: its worker's. Does not decide
// who may connect.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "io/listener.h"
#include "proxy/hbone/alarm.h"
#include "proxy/socket_supply.h"

namespace keelson::proxy {

class Listeners {
 public:
  // Must not open or close pods.
  using OnAccept = std::function<void(const std::string& pod, ks_role role, io::Socket socket)>;
  using OnTrouble = std::function<void(const Error& why)>;

  Listeners(io::EventLoop& loop, WorkerSupply& supply, hbone::Alarms& alarms, OnAccept on_accept,
            OnTrouble on_trouble);

  void open_pod(const std::string& uid);
  // Accepts what waits for them already.
  void accept_rest(const std::string& uid);
  void close_pod(const std::string& uid) { pods_.erase(uid); }
  // When hold and agent both had to start anew, there are other listeners than the ones open here:
  // asks for all of them again and accepts on those instead.
  void refresh();
  void close_all() { pods_.clear(); }
  size_t pods() const noexcept { return pods_.size(); }
  bool is_open(const std::string& uid) const;

 private:
  struct Pod {
    std::array<std::unique_ptr<io::Listener>, KS_LISTENERS_PER_POD> open;
    std::unique_ptr<hbone::Alarm> retry;
    uint64_t serial = 0;  // tells this pod's answers from those of an earlier one of that uid
    bool is_open = false;
  };
  static bool is_same(const Pod& pod, const link::PodListeners& fetched);
  void fetch(const std::string& uid);
  void on_listeners(const std::string& uid, uint64_t serial, Result<link::PodListeners> fetched);
  Result<void> start(Pod& pod, const std::string& uid, link::PodListeners fetched);

  io::EventLoop& loop_;
  WorkerSupply& supply_;
  hbone::Alarms& alarms_;
  const OnAccept on_accept_;
  const OnTrouble on_trouble_;
  std::map<std::string, Pod> pods_;
  uint64_t serials_ = 0;
};

}  // namespace keelson::proxy
