#include "proxy/attestation.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::proxy {
namespace {

template <class Value>
long map_call(bpf_cmd command, const Fd& map, int key, Value& value) {
  bpf_attr attr{};
  attr.map_fd = static_cast<uint32_t>(map.get());
  attr.key = reinterpret_cast<uintptr_t>(&key);
  attr.value = reinterpret_cast<uintptr_t>(&value);
  attr.flags = BPF_ANY;
  return ::syscall(SYS_bpf, command, &attr, sizeof attr);
}

}  // namespace

Result<ks_attestation> KernelSocketFacts::attestation(int fd) const {
  ks_attestation record{};
  if (!maps_)
    return fail(Reason::attestation_missing, ErrorSource::kInternal, "no map from the agent yet");
  if (map_call(BPF_MAP_LOOKUP_ELEM, maps_->sockets, fd, record) != 0)
    return fail_errno(Reason::attestation_missing, errno, "reading ks_socket");
  return record;
}

Result<void> KernelSocketFacts::write_note(int fd, const Endpoint& client) const {
  ks_endpoint note = client.raw();
  if (!maps_)
    return fail(Reason::map_write_failed, ErrorSource::kInternal, "no map from the agent yet");
  if (map_call(BPF_MAP_UPDATE_ELEM, maps_->notes, fd, note) != 0)
    return fail_errno(Reason::map_write_failed, errno, "writing ks_note");
  return {};
}

}  // namespace keelson::proxy
