// Between MessageHead and HTTP/2 field lists: pseudo-header fields, content-length, and nothing
// that belongs to one hop (RFC 9113 section 8). Pure; one thread per object.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"

namespace keelson::h2 {

using FieldList = std::vector<std::pair<std::string, std::string>>;

FieldList request_fields(const http::MessageHead& head);
FieldList response_fields(const http::MessageHead& head);
// Views into `fields`, which outlives the result.
std::vector<nghttp2_nv> name_values(const FieldList& fields);

// Collects one header block. nghttp2 has checked names, values and pseudo-header order.
class HeadDecoder {
 public:
  void begin();
  // False: too many fields or bytes; each field counts 32 bytes of bookkeeping (RFC 7541 4.1).
  bool add(std::string_view name, std::string_view value, size_t fields_max, size_t bytes_max);
  http::MessageHead take();

 private:
  void set_pseudo(std::string_view name, std::string_view value);

  http::MessageHead head_;
  size_t fields_ = 0;
  size_t bytes_ = 0;
};

}  // namespace keelson::h2
