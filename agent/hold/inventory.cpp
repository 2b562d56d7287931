#include "hold/inventory.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

namespace keelson::hold {
namespace {

using link::HoldOp;
using link::HoldRequest;

// A field's text; an unterminated or empty one is malformed.
template <size_t N>
Result<std::string> text_of(const char (&field)[N], const char* what) {
  const size_t length = strnlen(field, N);
  if (length == 0 || length == N)
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                std::string(what) + " is empty or not terminated");
  return std::string(field, length);
}

Result<Fd> single(std::vector<Fd> fds, const char* what) {
  if (fds.size() != 1)
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                std::string(what) + " needs exactly one fd");
  return std::move(fds[0]);
}

Failure malformed(const char* what) {
  return fail(Reason::message_malformed, ErrorSource::kInternal, what);
}

}  // namespace

Result<Answer> Inventory::answer(const HoldRequest& request, std::vector<Fd> fds) {
  const bool takes_fd =
      request.op == HoldOp::kTagMap || request.op == HoldOp::kAdopt || request.op == HoldOp::kPut;
  if (!takes_fd && !fds.empty()) return malformed("unexpected fd");
  switch (request.op) {
    case HoldOp::kTagMap:
      return take_tag_map(std::move(fds));
    case HoldOp::kRegister:
      return register_pod(request);
    case HoldOp::kForget:
      return forget(request);
    case HoldOp::kAdopt:
      return adopt(request, std::move(fds));
    case HoldOp::kPut:
      return put(request, std::move(fds));
    case HoldOp::kDrop:
      return drop(request);
    case HoldOp::kListeners:
      return listeners(request);
    case HoldOp::kGet:
      return get(request);
    case HoldOp::kList:
      return list(request);
    case HoldOp::kSockets:
      return sockets(request);
  }
  return malformed("unknown request");
}

Result<Answer> Inventory::take_tag_map(std::vector<Fd> fds) {
  KS_ASSIGN(Fd map, single(std::move(fds), "kTagMap"));
  bpf_map_info info{};
  bpf_attr attr{};
  attr.info.bpf_fd = static_cast<uint32_t>(map.get());
  attr.info.info_len = sizeof info;
  attr.info.info = reinterpret_cast<uintptr_t>(&info);
  if (::syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) != 0)
    return fail_errno(Reason::message_malformed, errno, "kTagMap: not a BPF map");
  if (info.type != BPF_MAP_TYPE_SK_STORAGE || info.value_size != sizeof(ks_tag))
    return malformed("kTagMap: not ks_tag");
  tag_map_ = std::move(map);
  return Answer{};
}

Result<Inventory::Pod*> Inventory::find(const HoldRequest& request) {
  KS_ASSIGN(const std::string key, text_of(request.pod, "pod key"));
  const auto found = pods_.find(key);
  if (found == pods_.end()) return fail(Reason::pod_unknown, ErrorSource::kInternal, "pod " + key);
  return &found->second;
}

Result<Answer> Inventory::register_pod(const HoldRequest& request) {
  KS_ASSIGN(const std::string key, text_of(request.pod, "pod key"));
  KS_ASSIGN(const std::string path, text_of(request.netns_path, "netns path"));
  KS_ASSIGN(PodNamespace netns, PodNamespace::open(path));
  const auto known = pods_.find(key);
  if (known == pods_.end() && pods_.size() >= KS_PODS_MAX)
    return fail(Reason::pod_slots_exhausted, ErrorSource::kInternal, "pod " + key);
  Answer answer;
  KS_ASSIGN(answer.reply.pod, netns.inspect());
  KS_ASSIGN(Fd diag, netns.make_diag_socket());
  answer.made.push_back(std::move(diag));
  // A new sandbox of the same pod: the old namespace's listeners are of no use to anybody.
  if (known == pods_.end() || known->second.netns.cookie() != netns.cookie())
    pods_.insert_or_assign(key, Pod{std::move(netns), {}});
  return answer;
}

Result<Answer> Inventory::forget(const HoldRequest& request) {
  KS_ASSIGN(const std::string key, text_of(request.pod, "pod key"));
  pods_.erase(key);
  return Answer{};
}

Result<Answer> Inventory::adopt(const HoldRequest& request, std::vector<Fd> fds) {
  KS_ASSIGN(Pod* const pod, find(request));
  KS_ASSIGN(Fd listener, single(std::move(fds), "kAdopt"));
  if (request.family > KS_FAMILY_6 || request.role < KS_ROLE_OUTBOUND ||
      request.role > KS_ROLE_PLAIN)
    return malformed("kAdopt: no such listener");
  if (!pod->netns.owns_listener(listener))
    return malformed("kAdopt: not a loopback listener of this pod");
  pod->listeners[KS_LISTENER_INDEX(0, request.family, request.role)] = std::move(listener);
  return Answer{};
}

Result<Answer> Inventory::put(const HoldRequest& request, std::vector<Fd> fds) {
  KS_ASSIGN(const std::string key, text_of(request.store_key, "store key"));
  KS_ASSIGN(Fd fd, single(std::move(fds), "kPut"));
  // Sealed memfds only: anything else could keep foreign sockets or files alive, or change later.
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_WRITE) == 0) return malformed("kPut: not a sealed memfd");
  if (store_.size() >= link::kStoreEntriesMax && !store_.contains(key))
    return fail(Reason::hold_refused, ErrorSource::kInternal, "the fd store is full");
  store_.insert_or_assign(key, std::move(fd));
  return Answer{};
}

Result<Answer> Inventory::drop(const HoldRequest& request) {
  KS_ASSIGN(const std::string key, text_of(request.store_key, "store key"));
  store_.erase(key);
  return Answer{};
}

Result<Answer> Inventory::listeners(const HoldRequest& request) {
  KS_ASSIGN(Pod* const pod, find(request));
  Answer answer;
  for (const ks_family family : {KS_FAMILY_4, KS_FAMILY_6}) {
    for (const ks_role role : {KS_ROLE_OUTBOUND, KS_ROLE_HBONE, KS_ROLE_PLAIN}) {
      const int index = KS_LISTENER_INDEX(0, family, role);
      Fd& listener = pod->listeners[static_cast<size_t>(index)];
      if (!listener) {
        if (!tag_map_)
          return fail(Reason::hold_refused, ErrorSource::kInternal, "kTagMap comes first");
        auto made = pod->netns.make_listener(family, role, tag_map_);
        const bool no_ipv6 =
            !made && family == KS_FAMILY_6 &&
            (made.error().os_errno == EAFNOSUPPORT || made.error().os_errno == EADDRNOTAVAIL);
        if (no_ipv6) continue;
        if (!made) return Failure(std::move(made).error());
        listener = std::move(*made);
      }
      answer.kept.push_back(listener.get());
      answer.reply.listener_mask |= 1U << index;
    }
  }
  return answer;
}

Result<Answer> Inventory::get(const HoldRequest& request) {
  KS_ASSIGN(const std::string key, text_of(request.store_key, "store key"));
  const auto found = store_.find(key);
  if (found == store_.end())
    return fail(Reason::not_found, ErrorSource::kInternal, "store key " + key);
  Answer answer;
  answer.kept.push_back(found->second.get());
  return answer;
}

Result<Answer> Inventory::list(const HoldRequest& request) {
  if (request.count >= pods_.size())
    return fail(Reason::not_found, ErrorSource::kInternal, "no more pods");
  const auto& [key, pod] = *std::next(pods_.begin(), request.count);
  Answer answer;
  std::memcpy(answer.reply.key, key.data(), key.size());  // text_of left room for the NUL
  KS_ASSIGN(answer.reply.pod, pod.netns.inspect());
  return answer;
}

Result<Answer> Inventory::sockets(const HoldRequest& request) {
  KS_ASSIGN(Pod* const pod, find(request));
  if (request.family > KS_FAMILY_6 || request.role < KS_ROLE_DIAL_DELIVER ||
      request.role > KS_ROLE_DIAL_EGRESS || request.count == 0 ||
      request.count > link::kSocketsPerRequestMax)
    return malformed("kSockets: family, role or count");
  if (!tag_map_) return fail(Reason::hold_refused, ErrorSource::kInternal, "kTagMap comes first");
  Answer answer;
  for (uint32_t i = 0; i < request.count; ++i) {
    auto made = pod->netns.make_dial_socket(static_cast<ks_family>(request.family),
                                            static_cast<ks_role>(request.role), tag_map_);
    if (!made && answer.made.empty()) return Failure(std::move(made).error());
    if (!made) break;  // fewer than asked is a valid answer
    answer.made.push_back(std::move(*made));
  }
  return answer;
}

}  // namespace keelson::hold
