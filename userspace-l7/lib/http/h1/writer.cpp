#include "http/h1/writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "http/h1/characters.h"
#include "http/h1/fields.h"

namespace keelson::http::h1 {
namespace {

Failure bad_message(const char* why) {
  return fail(Reason::http_bad_message, ErrorSource::kInternal, why);
}

Failure out_of_buffers() {
  return fail(Reason::buffer_pool_empty, ErrorSource::kInternal, "writing an HTTP message");
}

// Room for everything in a head that is not counted one by one: start line, framing, connection.
constexpr size_t kFixedBytes = 256;

class Cursor {
 public:
  explicit Cursor(char* at) noexcept : begin_(at), at_(at) {}
  Cursor& put(std::string_view text) noexcept {
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    return *this;
  }
  Cursor& put_number(uint64_t number) noexcept {
    at_ = std::to_chars(at_, at_ + 20, number).ptr;
    return *this;
  }
  size_t written() const noexcept { return static_cast<size_t>(at_ - begin_); }

 private:
  char* begin_;
  char* at_;
};

Result<void> check_fields(const HeaderList& fields) {
  for (const HeaderView field : fields) {
    if (!is_token(field.name)) return bad_message("header name is not a token");
    if (!is_field_value(field.value)) return bad_message("control character in a header value");
  }
  return {};
}

Result<void> check_request_line(const MessageHead& head) {
  if (!is_token(head.method)) return bad_message("method is not a token");
  if (head.method == "CONNECT")
    return is_host_and_port(head.authority) ? Result<void>()
                                            : bad_message("CONNECT without host:port");
  if (!head.authority.empty() && !is_authority(head.authority))
    return bad_message("malformed authority");
  const bool is_asterisk = head.target == "*" && head.method == "OPTIONS";
  if (!is_asterisk && (!head.target.starts_with('/') || !is_target_text(head.target)))
    return bad_message("malformed target");
  return {};
}

Result<void> check(const MessageHead& head, BodyKind body) {
  if (body == BodyKind::kLength && !head.content_length)
    return bad_message("body with a length, but no length");
  if (!head.upgrade.empty() && !is_field_value(head.upgrade))
    return bad_message("malformed upgrade");
  if (head.is_request()) {
    if (body == BodyKind::kUntilClose) return bad_message("a request cannot end with a close");
    KS_TRY(check_request_line(head));
  } else if (head.status < 100 || head.status > 599) {
    return bad_message("status is not between 100 and 599");
  }
  return head.headers.is_sound() ? Result<void>() : check_fields(head.headers);
}

void put_start_line(Cursor& out, const MessageHead& head) noexcept {
  if (!head.is_request()) {
    out.put("HTTP/1.1 ").put_number(head.status).put(" ").put(reason_phrase(head.status));
    out.put("\r\n");
    return;
  }
  const std::string& target = head.method == "CONNECT" ? head.authority : head.target;
  out.put(head.method).put(" ").put(target).put(" HTTP/1.1\r\nhost: ");
  out.put(head.authority).put("\r\n");
}

void put_framing(Cursor& out, const MessageHead& head, BodyKind body) noexcept {
  if (body == BodyKind::kChunked) out.put("transfer-encoding: chunked\r\n");
  // Without a body only HEAD and 304 may tell a length; 1xx and 204 may not (RFC 9112 section 6.2).
  const bool may_describe = !head.is_request() && head.status >= 200 && head.status != 204;
  if (body == BodyKind::kLength || (body == BodyKind::kNone && may_describe && head.content_length))
    out.put("content-length: ").put_number(head.content_length.value_or(0)).put("\r\n");
}

void put_connection(Cursor& out, const MessageHead& head, Persistence persistence) noexcept {
  if (!head.upgrade.empty()) {
    out.put("connection: upgrade\r\nupgrade: ").put(head.upgrade).put("\r\n");
    if (persistence == Persistence::kClose) out.put("connection: close\r\n");
  } else if (persistence == Persistence::kClose) {
    out.put("connection: close\r\n");
  } else if (persistence == Persistence::kKeepAlive) {
    out.put("connection: keep-alive\r\n");
  }
}

size_t put_head(char* at, const MessageHead& head, BodyKind body,
                Persistence persistence) noexcept {
  Cursor out(at);
  put_start_line(out, head);
  for (const HeaderView field : head.headers)
    if (head.headers.is_sound() || classify(field.name) == Field::kEndToEnd)
      out.put(field.name).put(": ").put(field.value).put("\r\n");
  if (head.is_request() && head.expects_continue) out.put("expect: 100-continue\r\n");
  put_framing(out, head, body);
  put_connection(out, head, persistence);
  out.put("\r\n");
  return out.written();
}

// Appends what `put` writes into at most `bytes_max`, without a copy where it fits one block.
template <class Put>
Result<void> append_text(BufferChain& to, size_t bytes_max, Put&& put) {
  if (bytes_max <= kBlockBytes) {
    const std::span<std::byte> space = to.reserve(bytes_max);
    if (space.empty()) return out_of_buffers();
    to.commit(put(reinterpret_cast<char*>(space.data())));
    return {};
  }
  std::string text(bytes_max, '\0');
  text.resize(put(text.data()));
  return to.append(std::string_view(text)) ? Result<void>() : out_of_buffers();
}

}  // namespace

Result<void> write_head(BufferChain& to, const MessageHead& head, BodyKind body,
                        Persistence persistence) {
  KS_TRY(check(head, body));
  const size_t bytes_max = kFixedBytes + head.method.size() + head.target.size() +
                           2 * head.authority.size() + head.upgrade.size() + head.headers.bytes() +
                           4 * head.headers.size();
  return append_text(to, bytes_max,
                     [&](char* at) { return put_head(at, head, body, persistence); });
}

Result<void> write_chunk(BufferChain& to, BufferChain& from, size_t bytes) {
  bytes = std::min(bytes, from.size());
  if (bytes == 0) return {};
  // Room for both lines first, so that a chunk is never half written.
  std::array<char, 20> line;
  char* end = std::to_chars(line.data(), line.data() + 16, bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  const std::string_view size_line(line.data(), static_cast<size_t>(end - line.data()));
  BufferChain chunk(to.pool());
  if (!chunk.append(size_line)) return out_of_buffers();
  chunk.share_from(from, 0, bytes);
  if (!chunk.append(std::string_view("\r\n"))) return out_of_buffers();
  from.consume(bytes);
  to.move_from(chunk);
  return {};
}

Result<void> write_last_chunk(BufferChain& to, const HeaderList* trailers) {
  if (trailers == nullptr || trailers->empty())
    return to.append(std::string_view("0\r\n\r\n")) ? Result<void>() : out_of_buffers();
  KS_TRY(check_fields(*trailers));
  const size_t bytes_max = 5 + trailers->bytes() + 4 * trailers->size();
  return append_text(to, bytes_max, [&](char* at) {
    Cursor out(at);
    out.put("0\r\n");
    for (const HeaderView field : *trailers)
      if (trailer_rule(field.name) == TrailerRule::kKeep)
        out.put(field.name).put(": ").put(field.value).put("\r\n");
    out.put("\r\n");
    return out.written();
  });
}

void BodyWriter::begin(BodyKind body, uint64_t content_length) noexcept {
  body_ = body;
  left_ = body == BodyKind::kLength ? content_length : 0;
}

Result<size_t> BodyWriter::write(BufferChain& to, BufferChain& from, size_t bytes_max) {
  const size_t bytes = std::min(bytes_max, from.size());
  if (from.empty()) return size_t{0};
  switch (body_) {
    case BodyKind::kNone:
      break;
    case BodyKind::kLength:
      if (from.size() > left_) break;
      to.move_from(from, bytes);
      left_ -= bytes;
      return bytes;
    case BodyKind::kChunked:
      KS_TRY(write_chunk(to, from, bytes));
      return bytes;
    case BodyKind::kUntilClose:
    case BodyKind::kTunnel:
      to.move_from(from, bytes);
      return bytes;
  }
  return fail(Reason::http_body_mismatch, ErrorSource::kInternal, "more body than declared");
}

Result<void> BodyWriter::end(BufferChain& to, const HeaderList* trailers) {
  if (left_ > 0)
    return fail(Reason::http_body_mismatch, ErrorSource::kInternal, "less body than declared");
  if (body_ == BodyKind::kChunked) KS_TRY(write_last_chunk(to, trailers));
  return {};
}

}  // namespace keelson::http::h1
