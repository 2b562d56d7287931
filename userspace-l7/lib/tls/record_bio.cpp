#include "tls/record_bio.h"

#include <algorithm>
#include <cstring>

namespace keelson::tls {
namespace {

using MethodPtr = std::unique_ptr<BIO_METHOD, Freer<BIO_meth_free>>;

RecordWire& wire_of(BIO* bio) noexcept {
  return *static_cast<RecordWire*>(BIO_get_data(bio));
}

int read_buffered(RecordWire& wire, char* into, size_t size, size_t* got) noexcept {
  *got = std::min(size, wire.inbound.size() - wire.inbound_at);
  std::memcpy(into, wire.inbound.data() + wire.inbound_at, *got);
  wire.inbound_at += *got;
  if (!wire.has_inbound()) {
    std::string().swap(wire.inbound);  // an established session keeps no handshake memory
    wire.inbound_at = 0;
  }
  return 1;
}

int on_read(BIO* bio, char* into, size_t size, size_t* got) noexcept {
  RecordWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  *got = 0;
  if (wire.has_inbound()) return read_buffered(wire, into, size, got);
  if (wire.ended || wire.error || size == 0) return 0;
  wire.is_held = wire.out != nullptr && wire.out->size() >= wire.out_bytes_held;
  if (wire.lower != nullptr && !wire.is_held) {
    const auto read = wire.lower->read({reinterpret_cast<std::byte*>(into), size});
    if (!read) {
      wire.error = read.error();
      return 0;
    }
    *got = read->bytes;
    if (read->is_data()) return 1;
    wire.ended = read->is_eof();
    if (wire.ended) return 0;
  }
  BIO_set_retry_read(bio);
  return 0;
}

// Takes everything: a record is never half in OpenSSL and half here, so SSL_write never has to be
// repeated. TlsStream watches the chain's size.
int on_write(BIO* bio, const char* from, size_t size, size_t* taken) noexcept {
  RecordWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  *taken = 0;
  if (wire.out == nullptr) {
    wire.outbound.append(from, size);
  } else if (!wire.out->append({reinterpret_cast<const std::byte*>(from), size})) {
    wire.error = Error{Reason::buffer_pool_empty, ErrorSource::kInternal, false, 0, "TLS record"};
    return 0;
  }
  *taken = size;
  return 1;
}

long on_ctrl(BIO* bio, int command, long, void*) noexcept {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:  // asked by OpenSSL to tell a truncation from an I/O error
      return wire_of(bio).ended && !wire_of(bio).has_inbound() ? 1 : 0;
    default:
      return 0;
  }
}

MethodPtr make_method() noexcept {
  MethodPtr method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "keelson record"));
  if (!method) return nullptr;
  BIO_meth_set_read_ex(method.get(), on_read);
  BIO_meth_set_write_ex(method.get(), on_write);
  BIO_meth_set_ctrl(method.get(), on_ctrl);
  return method;
}

}  // namespace

BioPtr make_record_bio(RecordWire& wire) {
  static const MethodPtr method = make_method();  // a constant table; OpenSSL wants it registered
  BioPtr bio(method ? BIO_new(method.get()) : nullptr);
  if (!bio) return nullptr;
  BIO_set_data(bio.get(), &wire);
  BIO_set_init(bio.get(), 1);
  return bio;
}

}  // namespace keelson::tls
