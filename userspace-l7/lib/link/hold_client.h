// Hold: what agent and proxy ask of keelson-hold, as an interface that tests replace. HoldClient is
// the real one: one synchronous request at a time over hold.sock with a time limit. It reconnects
// by itself; `connections()` grows then, and the agent registers its pods again. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "link/hold_messages.h"

namespace keelson::link {

struct Registration {
  HoldPod pod;
  Fd sock_diag;  // NETLINK_SOCK_DIAG socket inside the pod
};

// By KS_LISTENER_INDEX with slot 0; without a descriptor where the pod has no such family.
using PodListeners = std::array<Fd, KS_LISTENERS_PER_POD>;

struct ListedPod {
  std::string key;
  HoldPod pod;
};

class Hold {
 public:
  virtual ~Hold() = default;
  virtual Result<void> give_tag_map(int map_fd) = 0;
  // Also re-reads addresses and port range of a pod that is registered.
  virtual Result<Registration> register_pod(std::string_view pod, std::string_view netns_path) = 0;
  virtual Result<void> forget(std::string_view pod) = 0;
  virtual Result<void> adopt(std::string_view pod, ks_family family, ks_role role,
                             int listener) = 0;
  virtual Result<PodListeners> listeners(std::string_view pod) = 0;
  virtual Result<std::vector<ListedPod>> list_all() = 0;  // every registered pod
  // Grows whenever hold may be another process than before; 0: never reached.
  virtual uint64_t connections() const noexcept = 0;
  // The last request was answered.
  virtual bool is_reachable() const noexcept = 0;
};

class HoldClient final : public Hold {
 public:
  explicit HoldClient(std::string socket_path,
                      std::chrono::milliseconds time_limit = std::chrono::seconds(2))
      : socket_path_(std::move(socket_path)), time_limit_(time_limit) {}

  Result<void> give_tag_map(int map_fd) override;
  Result<Registration> register_pod(std::string_view pod, std::string_view netns_path) override;
  Result<void> forget(std::string_view pod) override;
  Result<void> adopt(std::string_view pod, ks_family family, ks_role role, int listener) override;
  Result<PodListeners> listeners(std::string_view pod) override;
  Result<std::vector<ListedPod>> list_all() override;
  uint64_t connections() const noexcept override { return connections_; }
  bool is_reachable() const noexcept override { return static_cast<bool>(socket_); }
  // hold has closed the connection since, or there is none.
  bool has_ended() const noexcept;

  Result<void> put(std::string_view store_key, int fd);
  Result<void> drop(std::string_view store_key);
  Result<Fd> get(std::string_view store_key);  // not_found
  Result<ListedPod> list(uint32_t index);      // not_found past the end
  Result<std::vector<Fd>> sockets(std::string_view pod, ks_family family, ks_role role,
                                  uint32_t count);  // may be fewer than asked

 private:
  struct Answer {
    HoldReply reply;
    std::vector<Fd> fds;
  };
  Result<Answer> ask(const HoldRequest& request, int fd = -1);
  Result<Answer> exchange(const HoldRequest& request, int fd);
  Result<void> connect();
  Result<void> wait(short events, std::chrono::steady_clock::time_point deadline) const;

  std::string socket_path_;
  std::chrono::milliseconds time_limit_;
  Fd socket_;
  uint64_t connections_ = 0;
};

}  // namespace keelson::link
