#include "http/h1/parser.h"

#include <algorithm>

#include "http/h1/characters.h"
#include "http/h1/fields.h"

namespace keelson::http::h1 {
namespace {

constexpr size_t kMethodBytesMax = 32;
// 18 digits stay below 2^63, so no sum of lengths overflows; so do 15 hexadecimal ones.
constexpr size_t kLengthDigitsMax = 18;
constexpr size_t kChunkDigitsMax = 15;
constexpr size_t kNominatedMax = 32;
constexpr size_t kPendingKeptBytes = 1024;

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void assign_lower(std::string& to, std::string_view from) {
  to.assign(from);
  for (char& c : to)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
}

int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_scheme(std::string_view target, std::string_view scheme) noexcept {
  return target.size() > scheme.size() + 3 &&
         equals_ignoring_case(target.substr(0, scheme.size()), scheme) &&
         target.substr(scheme.size(), 3) == "://";
}

}  // namespace

Failure Parser::refuse(Reason reason, const char* why) {
  state_ = State::kFailed;
  error_ = {reason, is_request() ? ErrorSource::kDownstream : ErrorSource::kUpstream, false, 0,
            why};
  return Failure(error_);
}

// ---- bytes to lines ----------------------------------------------------------------------------

Result<size_t> Parser::feed(std::span<const std::byte> input, Sink& sink) {
  if (state_ == State::kFailed) return Failure(error_);
  const std::string_view text = text_of(input);
  size_t at = 0;
  while (at < text.size() && state_ != State::kComplete && state_ != State::kAwaitTunnel) {
    if (is_in_body()) {
      take_body(text, at, sink);
      continue;
    }
    std::string_view line;
    bool whole = false;
    KS_TRY(take_line(text, at, line, whole));
    if (!whole) break;
    section_bytes_ += line.size() + 2;
    KS_TRY(on_line(line, sink));
    pending_.clear();
  }
  return at;
}

bool Parser::is_in_body() const noexcept {
  return state_ == State::kLengthBody || state_ == State::kChunkData ||
         state_ == State::kUntilClose || state_ == State::kTunnel;
}

size_t Parser::line_bytes_max() const noexcept {
  if (state_ == State::kChunkEnd) return 2;
  if (state_ == State::kChunkLine) return limits_.chunk_line_bytes;
  const size_t section = state_ == State::kTrailerLine ? limits_.trailer_bytes : limits_.head_bytes;
  return section - std::min(section, section_bytes_);
}

// A line in one piece is judged where it lies; only one that is cut by the end of the input is
// copied. The terminator is CRLF and nothing else (RFC 9112 section 2.2 lets a recipient accept a
// bare LF; two parsers that differ there can be played against each other).
Result<void> Parser::take_line(std::string_view text, size_t& at, std::string_view& line,
                               bool& whole) {
  const size_t newline = text.find('\n', at);
  whole = newline != std::string_view::npos;
  const std::string_view part = text.substr(at, whole ? newline + 1 - at : text.size() - at);
  at += part.size();
  if (pending_.size() + part.size() > line_bytes_max()) {
    const bool in_chunk = state_ == State::kChunkLine || state_ == State::kChunkEnd;
    return refuse(in_chunk ? Reason::http_bad_chunk : Reason::http_head_too_large,
                  in_chunk ? "chunk line too long or data not ended by CRLF" : "line too long");
  }
  line = part;
  if (!whole || !pending_.empty()) {
    pending_.append(part);
    line = pending_;
  }
  if (!whole) return {};
  if (line.size() < 2 || line[line.size() - 2] != '\r')
    return refuse(Reason::http_bad_line_ending, "LF without CR");
  line.remove_suffix(2);
  if (line.find('\r') != std::string_view::npos)
    return refuse(Reason::http_bad_line_ending, "CR inside a line");
  return {};
}

Result<void> Parser::on_line(std::string_view line, Sink& sink) {
  switch (state_) {
    case State::kStartLine:
      return on_start_line(line);
    case State::kHeaderLine:
      return line.empty() ? on_head_end(sink) : on_header_line(line);
    case State::kChunkLine:
      return on_chunk_line(line);
    case State::kChunkEnd:
      state_ = State::kChunkLine;
      return {};  // two bytes: it was empty
    default:
      return on_trailer_line(line, sink);
  }
}

// ---- start line --------------------------------------------------------------------------------

Result<void> Parser::on_start_line(std::string_view line) {
  if (line.empty() && is_request() && !skipped_empty_line_) {
    skipped_empty_line_ = true;  // RFC 9112 section 2.2: one CRLF too many after the last body
    section_bytes_ = 0;
    return {};
  }
  KS_TRY(is_request() ? on_request_line(line) : on_status_line(line));
  state_ = State::kHeaderLine;
  return {};
}

Result<void> Parser::on_version(std::string_view text) {
  if (text == "HTTP/1.1")
    head_.version = Version::kHttp11;
  else if (text == "HTTP/1.0")
    head_.version = Version::kHttp10;
  else if (text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
           is_digit(text[7]))
    return refuse(Reason::http_version_unsupported, "version is neither 1.0 nor 1.1");
  else
    return refuse(Reason::http_bad_start_line, "no HTTP version where it belongs");
  return {};
}

Result<void> Parser::on_request_line(std::string_view line) {
  const size_t method_end = line.find(' ');
  const size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || method_end == target_end)
    return refuse(Reason::http_bad_start_line, "not three parts with one space between them");
  const std::string_view method = line.substr(0, method_end);
  if (method.size() > kMethodBytesMax || !is_token(method))
    return refuse(Reason::http_bad_start_line, "method is not a token");
  KS_TRY(on_version(line.substr(target_end + 1)));
  head_.method.assign(method);
  return on_target(line.substr(method_end + 1, target_end - method_end - 1));
}

// The four forms of RFC 9112 section 3.2, each only for the methods that may use it.
Result<void> Parser::on_target(std::string_view target) {
  if (target.size() > limits_.target_bytes)
    return refuse(Reason::http_target_too_long, "request target too long");
  if (!is_target_text(target))
    return refuse(Reason::http_bad_target, "character that a target may not hold");
  if (head_.method == "CONNECT") {
    if (!is_host_and_port(target))
      return refuse(Reason::http_bad_target, "CONNECT needs host:port");
    assign_lower(head_.authority, target);
    return {};
  }
  if (target.front() == '/' || (target == "*" && head_.method == "OPTIONS")) {
    head_.target.assign(target);
    return {};
  }
  for (const std::string_view scheme : {"http", "https"})
    if (has_scheme(target, scheme)) {
      head_.scheme.assign(scheme);
      return on_absolute_target(target.substr(scheme.size() + 3));
    }
  return refuse(Reason::http_bad_target, "not a form of target that the method allows");
}

Result<void> Parser::on_absolute_target(std::string_view hierarchical) {
  const size_t path_at = std::min(hierarchical.find_first_of("/?"), hierarchical.size());
  const std::string_view authority = hierarchical.substr(0, path_at);
  if (!is_authority(authority))
    return refuse(Reason::http_bad_target, "malformed host in the target");
  assign_lower(head_.authority, authority);
  const std::string_view rest = hierarchical.substr(path_at);
  // Section 3.2.4: OPTIONS for a whole server is the one target without a path.
  if (rest.empty() && head_.method == "OPTIONS")
    head_.target = "*";
  else if (!rest.starts_with('/'))
    head_.target = "/";
  if (rest.starts_with('/'))
    head_.target.assign(rest);
  else
    head_.target.append(rest);
  return {};
}

Result<void> Parser::on_status_line(std::string_view line) {
  KS_TRY(on_version(line.substr(0, 8)));
  const bool has_code = line.size() >= 12 && line[8] == ' ' && is_digit(line[9]) &&
                        is_digit(line[10]) && is_digit(line[11]);
  // The space before an empty phrase is often left out; nothing depends on it.
  if (!has_code || (line.size() > 12 && line[12] != ' ') || !is_field_value(line))
    return refuse(Reason::http_bad_start_line, "malformed status line");
  const int status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (status < 100 || status > 599)
    return refuse(Reason::http_bad_start_line, "status is not between 100 and 599");
  head_.status = static_cast<uint16_t>(status);
  return {};
}

// ---- header lines ------------------------------------------------------------------------------

Result<void> Parser::split_field(std::string_view line, Reason reason, HeaderView& field) {
  if (++header_count_ > limits_.headers)
    return refuse(Reason::http_too_many_headers, "too many lines");
  if (line.front() == ' ' || line.front() == '\t')
    return refuse(reason, "folded line");  // RFC 9112 section 5.2
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return refuse(reason, "line without a colon");
  field.name = line.substr(0, colon);
  // Section 5.1: whitespace before the colon has led to smuggling; it is no token character.
  if (!is_token(field.name)) return refuse(reason, "name is empty or not a token");
  const std::string_view raw = line.substr(colon + 1);
  if (!is_field_value(raw)) return refuse(reason, "control character in a value");
  field.value = trim(raw);
  return {};
}

Result<void> Parser::on_header_line(std::string_view line) {
  HeaderView field;
  KS_TRY(split_field(line, Reason::http_bad_header, field));
  switch (classify(field.name)) {
    case Field::kContentLength:
      return on_content_length(field.value);
    case Field::kTransferEncoding:
      if (framing_.has_transfer_encoding)
        return refuse(Reason::http_transfer_encoding, "Transfer-Encoding twice");
      framing_.has_transfer_encoding = true;
      if (!equals_ignoring_case(field.value, "chunked"))
        return refuse(Reason::http_transfer_encoding, "Transfer-Encoding is not just chunked");
      return {};
    case Field::kHost:
      if (is_request() && framing_.has_host) return refuse(Reason::http_bad_host, "Host twice");
      framing_.has_host = true;
      framing_.host.assign(field.value);
      return {};
    case Field::kConnection:
      return on_connection(field.value);
    case Field::kUpgrade:
      framing_.has_several_upgrades = !framing_.upgrade.empty();
      framing_.upgrade.assign(field.value);
      return {};
    case Field::kExpect:
      return on_expect(field.value);
    case Field::kHopByHop:
      return {};
    case Field::kImpersonator:
      return refuse(Reason::http_bad_header, "underscore variant of a framing field");
    case Field::kEndToEnd:
      head_.headers.add_sound(field.name, field.value);
      return {};
  }
  return {};
}

// One field, digits only, no leading zero: everything else has been read in two ways by somebody.
Result<void> Parser::on_content_length(std::string_view value) {
  if (framing_.has_content_length) return refuse(Reason::http_bad_framing, "Content-Length twice");
  framing_.has_content_length = true;
  if (value.empty() || value.size() > kLengthDigitsMax || (value.size() > 1 && value[0] == '0'))
    return refuse(Reason::http_bad_framing, "Content-Length is empty, too large or zero-padded");
  uint64_t length = 0;
  for (const char c : value) {
    if (!is_digit(c)) return refuse(Reason::http_bad_framing, "Content-Length is not a number");
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  framing_.length = length;
  return {};
}

Result<void> Parser::on_connection(std::string_view value) {
  while (!value.empty()) {
    const size_t comma = value.find(',');
    const std::string_view option = trim(value.substr(0, comma));
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    if (option.empty()) continue;  // RFC 9110 section 5.6.1.2: empty list elements are ignored
    if (!is_token(option)) return refuse(Reason::http_bad_header, "Connection is not a token list");
    const Field field = classify(option);
    if (field == Field::kHost || field == Field::kContentLength ||
        field == Field::kTransferEncoding || field == Field::kImpersonator)
      return refuse(Reason::http_bad_header, "Connection names a framing field");
    if (equals_ignoring_case(option, "close")) {
      framing_.says_close = true;
    } else if (equals_ignoring_case(option, "keep-alive")) {
      framing_.says_keep_alive = true;
    } else if (field == Field::kUpgrade) {
      framing_.says_upgrade = true;
    } else if (field == Field::kEndToEnd) {
      if (++framing_.nominated_count > kNominatedMax)
        return refuse(Reason::http_bad_header, "Connection names too many fields");
      framing_.nominated.append(option).push_back(',');
    }
  }
  return {};
}

Result<void> Parser::on_expect(std::string_view value) {
  if (!is_request()) return {};
  if (head_.expects_continue || !equals_ignoring_case(value, "100-continue"))
    return refuse(Reason::http_expectation, "Expect is not 100-continue");
  head_.expects_continue = true;
  return {};
}

// ---- the head as a whole -----------------------------------------------------------------------

Result<void> Parser::on_head_end(Sink& sink) {
  if (is_request()) KS_TRY(settle_host());
  settle_hop_by_hop();
  KS_ASSIGN(const BodyKind body, is_request() ? settle_request_body() : settle_response_body());
  head_.expects_continue = head_.expects_continue && head_.version == Version::kHttp11 &&
                           (body == BodyKind::kChunked || framing_.length > 0);
  const bool is_persistent = head_.version == Version::kHttp11 || framing_.says_keep_alive;
  info_ = {.version = head_.version,
           .body = body,
           .status = head_.status,
           .keeps_alive = is_persistent && !framing_.says_close && body != BodyKind::kUntilClose &&
                          body != BodyKind::kTunnel,
           .is_head = head_.method == "HEAD",
           .is_connect = head_.method == "CONNECT",
           .has_upgrade = !head_.upgrade.empty(),
           .expects_continue = head_.expects_continue};
  const bool is_interim = head_.status >= 100 && head_.status < 200 && body == BodyKind::kNone;
  if (is_interim && ++informational_count_ > limits_.informational)
    return refuse(Reason::http_informational_storm, "too many 1xx answers");
  sink.on_head(head_, body);
  if (is_interim)
    reset_head();
  else
    enter_body(body, sink);
  return {};
}

// RFC 9112 section 3.2: exactly one Host in 1.1. Where the target names a host too, the two must be
// the same: which of them a server believes is not ours to guess.
Result<void> Parser::settle_host() {
  const std::string& host = framing_.host;
  if (!framing_.has_host) {
    if (head_.version == Version::kHttp11) return refuse(Reason::http_bad_host, "no Host");
    return {};
  }
  if (!head_.authority.empty()) {
    if (!equals_ignoring_case(host, head_.authority))
      return refuse(Reason::http_bad_host, "Host contradicts the target");
    return {};
  }
  if (!host.empty() && !is_authority(host)) return refuse(Reason::http_bad_host, "malformed Host");
  assign_lower(head_.authority, host);
  return {};
}

void Parser::settle_hop_by_hop() {
  std::string_view nominated(framing_.nominated);
  while (!nominated.empty()) {
    const size_t comma = nominated.find(',');
    head_.headers.remove(nominated.substr(0, comma));
    nominated.remove_prefix(comma + 1);
  }
  // One protocol that a request asks for, or that a 101 answers, is passed on; a list, h2c (which
  // would hide requests from the router) and a server's advertisement are not.
  const bool meant = framing_.says_upgrade && head_.version == Version::kHttp11 &&
                     (is_request() || head_.status == 101);
  if (!meant || framing_.has_several_upgrades || equals_ignoring_case(framing_.upgrade, "h2c"))
    return;
  const std::string_view protocol(framing_.upgrade);
  const size_t slash = protocol.find('/');
  const bool is_valid = is_token(protocol.substr(0, slash)) &&
                        (slash == std::string_view::npos || is_token(protocol.substr(slash + 1)));
  if (is_valid) head_.upgrade.assign(protocol);
}

// RFC 9112 section 6.3, without its leniencies.
Result<BodyKind> Parser::settle_request_body() {
  const bool chunked = framing_.has_transfer_encoding;
  KS_TRY(refuse_double_framing());
  if (head_.method == "CONNECT") {
    if (chunked || framing_.has_content_length)
      return refuse(Reason::http_bad_framing, "CONNECT with a body");
    return BodyKind::kTunnel;
  }
  if (head_.method == "TRACE" && (chunked || framing_.length > 0))
    return refuse(Reason::http_bad_framing, "TRACE with a body");
  if (chunked) return BodyKind::kChunked;
  if (!framing_.has_content_length) return BodyKind::kNone;
  head_.content_length = framing_.length;
  return BodyKind::kLength;
}

Result<BodyKind> Parser::settle_response_body() {
  const bool chunked = framing_.has_transfer_encoding;
  const bool declares_body = chunked || framing_.has_content_length;
  KS_TRY(refuse_double_framing());
  const int status = head_.status;
  if (status == 101 && (!context_.upgrade_requested || head_.upgrade.empty()))
    return refuse(Reason::http_unexpected_upgrade, "101 without a request for it");
  const bool is_tunnel = status == 101 || (context_.to_connect && status / 100 == 2);
  if (declares_body && (is_tunnel || status / 100 == 1))
    return refuse(Reason::http_bad_framing, "answer that has no body declares one");
  if (is_tunnel) return BodyKind::kTunnel;
  if (status / 100 == 1) return BodyKind::kNone;
  if (status == 204) {
    if (chunked || framing_.length > 0)
      return refuse(Reason::http_bad_framing, "204 declares a body");
    return BodyKind::kNone;
  }
  if (framing_.has_content_length) head_.content_length = framing_.length;
  if (context_.to_head || status == 304) return BodyKind::kNone;
  if (chunked) return BodyKind::kChunked;
  return framing_.has_content_length ? BodyKind::kLength : BodyKind::kUntilClose;
}

Result<void> Parser::refuse_double_framing() {
  if (!framing_.has_transfer_encoding) return {};
  if (framing_.has_content_length)
    return refuse(Reason::http_bad_framing, "Content-Length and Transfer-Encoding");
  if (head_.version == Version::kHttp10)
    return refuse(Reason::http_bad_framing, "Transfer-Encoding in HTTP/1.0");
  return {};
}

// ---- body --------------------------------------------------------------------------------------

void Parser::enter_body(BodyKind body, Sink& sink) {
  section_bytes_ = 0;
  header_count_ = 0;
  switch (body) {
    case BodyKind::kNone:
      return complete(sink);
    case BodyKind::kLength:
      body_left_ = framing_.length;
      state_ = State::kLengthBody;
      if (body_left_ == 0) complete(sink);
      return;
    case BodyKind::kChunked:
      state_ = State::kChunkLine;
      return;
    case BodyKind::kUntilClose:
      state_ = State::kUntilClose;
      return;
    case BodyKind::kTunnel:
      // A client may not send before the 2xx: what it sends early waits here, unread.
      state_ = is_request() ? State::kAwaitTunnel : State::kTunnel;
      return;
  }
}

void Parser::take_body(std::string_view text, size_t& at, Sink& sink) {
  const bool is_counted = state_ == State::kLengthBody || state_ == State::kChunkData;
  size_t part = text.size() - at;
  if (is_counted) part = static_cast<size_t>(std::min<uint64_t>(part, body_left_));
  const std::string_view body = text.substr(at, part);
  at += part;
  if (is_counted) body_left_ -= part;
  sink.on_body(std::as_bytes(std::span(body.data(), body.size())));
  if (!is_counted || body_left_ > 0) return;
  if (state_ == State::kLengthBody)
    complete(sink);
  else
    state_ = State::kChunkEnd;
}

Result<void> Parser::on_chunk_line(std::string_view line) {
  uint64_t size = 0;
  size_t digits = 0;
  for (; digits < line.size() && hex_value(line[digits]) >= 0; digits++) {
    if (digits == kChunkDigitsMax) return refuse(Reason::http_bad_chunk, "chunk size too large");
    size = size << 4 | static_cast<uint64_t>(hex_value(line[digits]));
  }
  const std::string_view extension = line.substr(digits);
  extension_bytes_ += extension.size();
  if (digits == 0 || !is_chunk_extension(extension) ||
      extension_bytes_ > limits_.chunk_extension_bytes)
    return refuse(Reason::http_bad_chunk, "malformed chunk line");
  body_left_ = size;
  state_ = size == 0 ? State::kTrailerLine : State::kChunkData;
  section_bytes_ = 0;
  return {};
}

Result<void> Parser::on_trailer_line(std::string_view line, Sink& sink) {
  if (line.empty()) {
    complete(sink);
    return {};
  }
  HeaderView field;
  KS_TRY(split_field(line, Reason::http_bad_trailer, field));
  switch (trailer_rule(field.name)) {
    case TrailerRule::kKeep:
      trailers_.add(field.name, field.value);
      break;
    case TrailerRule::kDrop:
      break;
    case TrailerRule::kRefuse:
      return refuse(Reason::http_bad_trailer, "field that may not be a trailer");
  }
  return {};
}

void Parser::complete(Sink& sink) {
  state_ = State::kComplete;
  sink.on_end(trailers_);
}

Result<void> Parser::finish(Sink& sink) {
  switch (state_) {
    case State::kFailed:
      return Failure(error_);
    case State::kComplete:
      return {};
    case State::kUntilClose:
    case State::kTunnel:
      complete(sink);
      return {};
    case State::kStartLine:
      if (pending_.empty()) return {};
      break;
    default:
      break;
  }
  return refuse(Reason::http_truncated, "connection ended");
}

// ---- from message to message -------------------------------------------------------------------

void Parser::Framing::clear() noexcept {
  has_content_length = has_transfer_encoding = has_host = has_several_upgrades = false;
  says_close = says_keep_alive = says_upgrade = false;
  length = 0;
  nominated_count = 0;
  host.clear();
  upgrade.clear();
  nominated.clear();
}

void Parser::reset_head() noexcept {
  state_ = State::kStartLine;
  head_.clear();
  framing_.clear();
  section_bytes_ = 0;
  header_count_ = 0;
}

void Parser::next() noexcept {
  next(ResponseContext{});
}

void Parser::next(const ResponseContext& context) noexcept {
  KS_ASSERT(state_ == State::kComplete || is_between_messages());
  reset_head();
  context_ = context;
  info_ = {};
  trailers_.clear();
  extension_bytes_ = 0;
  body_left_ = 0;
  informational_count_ = 0;
  skipped_empty_line_ = false;
  pending_.clear();
  if (pending_.capacity() > kPendingKeptBytes) pending_.shrink_to_fit();
}

void Parser::begin_tunnel() noexcept {
  KS_ASSERT(state_ == State::kComplete || state_ == State::kAwaitTunnel);
  state_ = State::kTunnel;
}

bool Parser::is_between_messages() const noexcept {
  return state_ == State::kStartLine && pending_.empty();
}

}  // namespace keelson::http::h1
