#include "io/byte_stream.h"

#include <algorithm>

namespace keelson::io {

Result<ReadResult> read_into(ByteStream& stream, BufferChain& into, size_t bytes_max) {
  const std::span<std::byte> space = into.reserve();
  if (space.empty())
    return fail(Reason::buffer_pool_empty, ErrorSource::kInternal, "reading from a stream");
  auto result = stream.read(space.first(std::min(bytes_max, space.size())));
  into.commit(result && result->is_data() ? result->bytes : 0);
  return result;
}

}  // namespace keelson::io
