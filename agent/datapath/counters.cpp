#include "datapath/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <numeric>

namespace keelson::datapath {
Result<Counters> Counters::open(const Pins& pins) {
  KS_ASSIGN(Fd fd, pins.open_map("ks_counters"));
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return fail_errno(Reason::io_error, -cpus, "number of CPUs");
  return Counters(std::move(fd), cpus);
}

Result<uint64_t> Counters::read(Reason reason) const {
  std::vector<uint64_t> per_cpu(static_cast<size_t>(cpus_));
  const auto index = static_cast<__u32>(reason);
  if (bpf_map_lookup_elem(counters_.get(), &index, per_cpu.data()) != 0)
    return fail_errno(Reason::io_error, errno, "ks_counters");
  return std::accumulate(per_cpu.begin(), per_cpu.end(), uint64_t{0});
}

Result<std::vector<ReasonCount>> Counters::read() const {
  std::vector<ReasonCount> counts;
  for (const ReasonInfo& info : kReasons) {
    KS_ASSIGN(const uint64_t count, read(info.reason));
    if (count != 0) counts.push_back({info.reason, count});
  }
  return counts;
}

}  // namespace keelson::datapath
