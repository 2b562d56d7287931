#include "proxy/listeners.h"

namespace keelson::proxy {
namespace {

// Between two questions to hold; also how long an answer may take.
constexpr std::chrono::seconds kRetry{3};

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

void Listeners::fetch(const std::string& uid) {
  Pod& pod = pods_.at(uid);
  pod.retry->start(kRetry);
  supply_.fetch_listeners(uid,
                          [this, uid, serial = pod.serial](Result<link::PodListeners> fetched) {
                            on_listeners(uid, serial, std::move(fetched));
                          });
}

void Listeners::on_listeners(const std::string& uid, uint64_t serial,
                             Result<link::PodListeners> fetched) {
  const auto found = pods_.find(uid);
  if (found == pods_.end() || found->second.serial != serial || found->second.is_open) return;
  Pod& pod = found->second;
  if (!fetched) return on_trouble_(fetched.error());  // the alarm asks again
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
