// record_bio: the BIO under one SSL: straight onto a ByteStream and a BufferChain once the session
// is established (no copy beyond OpenSSL's own, 10-14 % cheaper than memory BIOs), and onto plain
// buffers during the handshake, because a step may run on the signer's thread, where neither the
// stream nor the pool may be touched. Used by whoever has the SSL at the moment.
#pragma once

#include <optional>
#include <string>

#include "io/byte_stream.h"
#include "tls/openssl_handle.h"

namespace keelson::tls {

struct RecordWire {
  std::string inbound;              // read first; during the handshake whole records only
  size_t inbound_at = 0;            // how much of it was read
  std::string outbound;             // written to while `out` is null
  bool ended = false;               // nothing comes after `inbound`
  io::ByteStream* lower = nullptr;  // read after `inbound`; null during the handshake
  BufferChain* out = nullptr;
  size_t out_bytes_held = SIZE_MAX;  // with so many in `out` nothing is read from `lower`
  bool is_held = false;              // it was so when OpenSSL wanted to read
  std::optional<Error> error;        // of lower or of the pool; the session is over

  bool has_inbound() const noexcept { return inbound_at < inbound.size(); }
};

// A BIO on `wire`, which outlives it. Null when OpenSSL has no memory.
BioPtr make_record_bio(RecordWire& wire);

}  // namespace keelson::tls
