#include "datapath/map_reading.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace keelson::datapath {
namespace {

using Visit = std::function<void(std::string_view, std::string_view)>;

// One syscall a row; for map types without batches.
Result<void> walk(const Fd& map, size_t key_bytes, size_t value_bytes, const Visit& visit) {
  std::string key(key_bytes, '\0');
  std::string next(key_bytes, '\0');
  std::string value(value_bytes, '\0');
  for (const void* from = nullptr;;) {
    if (bpf_map_get_next_key(map.get(), from, next.data()) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno(Reason::io_error, errno, "next key");
    }
    if (bpf_map_lookup_elem(map.get(), next.data(), value.data()) == 0) visit(next, value);
    key = next;
    from = key.data();
  }
}

}  // namespace

Result<void> for_each_row(const Fd& map, size_t key_bytes, size_t value_bytes, const Visit& visit) {
  // Must hold the fullest hash bucket, else ENOSPC; doubled then.
  __u32 batch_rows = 1024;
  std::string position(std::max(key_bytes, sizeof(__u64)), '\0');
  std::string next_position = position;
  bool first = true;
  for (;;) {
    std::vector<char> keys(batch_rows * key_bytes);
    std::vector<char> values(batch_rows * value_bytes);
    __u32 count = batch_rows;
    const int result =
        bpf_map_lookup_batch(map.get(), first ? nullptr : position.data(), next_position.data(),
                             keys.data(), values.data(), &count, nullptr);
    const int failure = result == 0 ? 0 : errno;
    if (failure == ENOSPC && batch_rows < (1U << 20)) {
      batch_rows *= 2;
      continue;
    }
    if (first && (failure == EINVAL || failure == EOPNOTSUPP || failure == 524))  // 524: ENOTSUPP
      return walk(map, key_bytes, value_bytes, visit);
    if (failure != 0 && failure != ENOENT) return fail_errno(Reason::io_error, failure, "read map");
    for (size_t i = 0; i < count; ++i)
      visit({keys.data() + i * key_bytes, key_bytes},
            {values.data() + i * value_bytes, value_bytes});
    if (failure == ENOENT) return {};  // the last batch
    position = next_position;
    first = false;
  }
}

}  // namespace keelson::datapath
