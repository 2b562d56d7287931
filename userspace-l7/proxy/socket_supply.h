// SocketSupply: the proxy's client of keelson-hold, on a thread of its own, because hold answers
// synchronously: pods' listeners and batches of dial sockets. Requests come from workers, answers
// go back to their loops. WorkerSupply is one worker's end. Does not keep sockets: socket_stock.h.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "io/event_loop.h"
#include "link/hold_client.h"
#include "proxy/socket_stock.h"

namespace keelson::proxy {

// What the proxy asks of hold.
class PodSockets {
 public:
  virtual ~PodSockets() = default;
  virtual Result<link::PodListeners> listeners(const std::string& pod) = 0;
  virtual Result<std::vector<Fd>> sockets(const SocketKind& kind, uint32_t count) = 0;
};

class HoldPodSockets final : public PodSockets {
 public:
  explicit HoldPodSockets(std::string socket_path) : hold_(std::move(socket_path)) {}
  Result<link::PodListeners> listeners(const std::string& pod) override {
    return hold_.listeners(pod);
  }
  Result<std::vector<Fd>> sockets(const SocketKind& kind, uint32_t count) override {
    return hold_.sockets(kind.pod, kind.family, kind.role, count);
  }

 private:
  link::HoldClient hold_;
};

class SocketSupply {
 public:
  using Job = std::function<void(PodSockets&)>;

  explicit SocketSupply(std::unique_ptr<PodSockets> hold);
  ~SocketSupply();
  SocketSupply(const SocketSupply&) = delete;
  SocketSupply& operator=(const SocketSupply&) = delete;

  // Finishes the job that runs, drops the others and takes no more. Called before the loops go that
  // it answers to; it is destroyed after those who may still submit().
  void stop();
  // Any thread. False: too many wait, or it has stopped.
  [[nodiscard]] bool submit(Job job);

 private:
  void work();

  const std::unique_ptr<PodSockets> hold_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool is_stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

// Its callbacks run on `loop`; loop and supply outlive it. Answers that arrive after it is gone are
// dropped, and their descriptors closed.
class WorkerSupply final : public SocketSource {
 public:
  using OnListeners = std::function<void(Result<link::PodListeners>)>;

  WorkerSupply(SocketSupply& supply, io::EventLoop& loop)
      : supply_(supply), loop_(loop), is_alive_(std::make_shared<bool>(true)) {}
  ~WorkerSupply() { *is_alive_ = false; }
  WorkerSupply(const WorkerSupply&) = delete;
  WorkerSupply& operator=(const WorkerSupply&) = delete;

  void fetch(const SocketKind& kind, uint32_t count, OnSockets on_sockets) override;
  void fetch_listeners(const std::string& pod, OnListeners on_listeners);

 private:
  template <class Value, class Ask>
  void ask(Ask request, std::function<void(Result<Value>)> on_answer);

  SocketSupply& supply_;
  io::EventLoop& loop_;
  const std::shared_ptr<bool> is_alive_;  // read and written on the loop's thread only
};

}  // namespace keelson::proxy
