#include "http/h2/head_codec.h"

#include <charconv>

namespace keelson::h2 {
namespace {

constexpr size_t kFieldOverheadBytes = 32;

void append_regular(const http::MessageHead& head, FieldList& fields) {
  if (head.content_length)
    fields.emplace_back("content-length", std::to_string(*head.content_length));
  for (const auto& field : head.headers) fields.emplace_back(field.name, field.value);
}

}  // namespace

FieldList request_fields(const http::MessageHead& head) {
  FieldList fields;
  fields.reserve(head.headers.size() + 5);
  fields.emplace_back(":method", head.method);
  // RFC 9113 section 8.5: CONNECT carries :authority alone.
  if (head.method != "CONNECT") {
    fields.emplace_back(":scheme", head.scheme.empty() ? "http" : head.scheme);
    fields.emplace_back(":path", head.target);
  }
  fields.emplace_back(":authority", head.authority);
  append_regular(head, fields);
  return fields;
}

FieldList response_fields(const http::MessageHead& head) {
  FieldList fields;
  fields.reserve(head.headers.size() + 2);
  fields.emplace_back(":status", std::to_string(head.status));
  append_regular(head, fields);
  return fields;
}

std::vector<nghttp2_nv> name_values(const FieldList& fields) {
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.size());
  const auto bytes = [](const std::string& text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  for (const auto& [name, value] : fields)
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  return pairs;
}

void HeadDecoder::begin() {
  head_ = {};
  head_.version = http::Version::kHttp2;
  fields_ = bytes_ = 0;
}

bool HeadDecoder::add(std::string_view name, std::string_view value, size_t fields_max,
                      size_t bytes_max) {
  fields_++;
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (fields_ > fields_max || bytes_ > bytes_max) return false;
  if (name.starts_with(':')) {
    set_pseudo(name, value);
  } else if (name == "content-length") {
    uint64_t length = 0;
    std::from_chars(value.data(), value.data() + value.size(), length);
    head_.content_length = length;
  } else if (name == "host") {
    if (head_.authority.empty()) head_.authority = value;
  } else {
    head_.headers.add(name, value);
  }
  return true;
}

void HeadDecoder::set_pseudo(std::string_view name, std::string_view value) {
  if (name == ":method") head_.method = value;
  if (name == ":scheme") head_.scheme = value;
  if (name == ":authority") head_.authority = value;
  if (name == ":path") head_.target = value;
  if (name == ":status") std::from_chars(value.data(), value.data() + value.size(), head_.status);
}

http::MessageHead HeadDecoder::take() {
  return std::move(head_);
}

}  // namespace keelson::h2
