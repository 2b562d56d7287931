#include "proxy/listeners.h"

#include <sys/socket.h>

namespace keelson::proxy {
namespace {

// How long an answer of hold may take.
constexpr std::chrono::seconds kAnswer{3};
// After a refusal: hold is new, and the agent is about to tell it of the pod.
constexpr std::chrono::milliseconds kRetry{500};

// One number per socket of this machine, whoever holds a descriptor of it; 0: no socket.
uint64_t cookie_of(int fd) noexcept {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

}  // namespace

Listeners::Listeners(io::EventLoop& loop, WorkerSupply& supply, hbone::Alarms& alarms,
                     OnAccept on_accept, OnTrouble on_trouble)
    : loop_(loop),
      supply_(supply),
      alarms_(alarms),
      on_accept_(std::move(on_accept)),
      on_trouble_(std::move(on_trouble)) {}

void Listeners::open_pod(const std::string& uid) {
  if (pods_.contains(uid)) return;
  Pod& pod = pods_[uid];
  pod.serial = ++serials_;
  pod.retry = alarms_.make([this, uid] { fetch(uid); });
  fetch(uid);
}

bool Listeners::is_open(const std::string& uid) const {
  const auto found = pods_.find(uid);
  return found != pods_.end() && found->second.is_open;
}

void Listeners::accept_rest(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  for (const auto& listener : found->second.open)
    if (listener) listener->accept_rest();
}

void Listeners::refresh() {
  for (auto& [uid, pod] : pods_) {
    pod.serial = ++serials_;  // an answer under way may be of before
    fetch(uid);
  }
}

bool Listeners::is_same(const Pod& pod, const link::PodListeners& fetched) {
  for (size_t i = 0; i < fetched.size(); i++) {
    const uint64_t open = pod.open[i] ? cookie_of(pod.open[i]->fd()) : 0;
    if (open != (fetched[i] ? cookie_of(fetched[i].get()) : 0)) return false;
  }
  return true;
}

void Listeners::fetch(const std::string& uid) {
  Pod& pod = pods_.at(uid);
  pod.retry->start(kAnswer);
  supply_.fetch_listeners(uid,
                          [this, uid, serial = pod.serial](Result<link::PodListeners> fetched) {
                            on_listeners(uid, serial, std::move(fetched));
                          });
}

void Listeners::on_listeners(const std::string& uid, uint64_t serial,
                             Result<link::PodListeners> fetched) {
  const auto found = pods_.find(uid);
  if (found == pods_.end() || found->second.serial != serial) return;
  Pod& pod = found->second;
  if (!fetched) {
    pod.retry->start(kRetry);
    return on_trouble_(fetched.error());
  }
  if (pod.is_open && is_same(pod, *fetched)) return pod.retry->stop();
  for (auto& listener : pod.open) listener.reset();
  pod.is_open = false;
  if (auto started = start(pod, uid, std::move(*fetched)); !started) {
    for (auto& listener : pod.open) listener.reset();
    return on_trouble_(started.error());
  }
  pod.retry->stop();
  pod.is_open = true;
}

Result<void> Listeners::start(Pod& pod, const std::string& uid, link::PodListeners fetched) {
  for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6}) {
    for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN}) {
      const auto index = static_cast<size_t>(KS_LISTENER_INDEX(0, family, role));
      if (!fetched[index]) continue;
      KS_ASSIGN(pod.open[index], io::Listener::open(loop_, std::move(fetched[index]),
                                                    [this, uid, role](io::Socket socket) {
                                                      on_accept_(uid, role, std::move(socket));
                                                    }));
    }
  }
  return {};
}

}  // namespace keelson::proxy
