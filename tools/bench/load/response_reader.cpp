#include "response_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace keelson::load {
namespace {

constexpr size_t kHeadBytesMax = 64u << 10;
constexpr size_t kLineBytesMax = 8u << 10;  // chunk lines and trailers
constexpr std::string_view kHeadEnd = "\r\n\r\n";

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class Number>
bool parse_number(std::string_view text, Number& value, int base = 10) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && at == end;
}

// The next item of a comma-separated list, taken off `list`.
std::string_view take_item(std::string_view& list) {
  const size_t comma = list.find(',');
  const std::string_view item = trim(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return item;
}

}  // namespace

ResponseReader::Step ResponseReader::feed(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::kComplete && state_ != State::kBad) {
    switch (state_) {
      case State::kHead:
        state_ = take_head(bytes);
        break;
      case State::kLength:
        state_ = take_counted(bytes, State::kComplete);
        break;
      case State::kChunkLine:
        state_ = take_chunk_line(bytes);
        break;
      case State::kChunkData:
        state_ = take_counted(bytes, State::kChunkEnd);
        break;
      case State::kChunkEnd:
        state_ = take_chunk_end(bytes);
        break;
      case State::kTrailer:
        state_ = take_trailer(bytes);
        break;
      case State::kUntilClose:
        bytes = {};
        break;
      case State::kComplete:
      case State::kBad:
        break;
    }
  }
  rest_ = bytes;
  if (state_ == State::kComplete) return Step::kComplete;
  return state_ == State::kBad ? Step::kBad : Step::kMore;
}

ResponseReader::Step ResponseReader::finish() {
  if (state_ == State::kUntilClose) state_ = State::kComplete;
  return state_ == State::kComplete ? Step::kComplete : Step::kBad;
}

void ResponseReader::next() noexcept {
  state_ = State::kHead;
  pending_.clear();
  rest_ = {};
}

ResponseReader::State ResponseReader::take_head(std::string_view& bytes) {
  if (pending_.empty()) {
    const size_t end = bytes.find(kHeadEnd);
    if (end != std::string_view::npos) {
      const std::string_view head = bytes.substr(0, end + 2);
      bytes.remove_prefix(end + kHeadEnd.size());
      return on_head(head);
    }
  }
  // The end may lie across the border between what is pending and what came.
  const size_t search_at = pending_.size() < 3 ? 0 : pending_.size() - 3;
  const size_t before = pending_.size();
  pending_.append(bytes.substr(0, kHeadBytesMax));
  const size_t end = pending_.find(kHeadEnd, search_at);
  if (end == std::string::npos) {
    bytes = {};
    return pending_.size() >= kHeadBytesMax ? State::kBad : State::kHead;
  }
  bytes.remove_prefix(end + kHeadEnd.size() - before);
  pending_.resize(end + 2);
  const State state = on_head(pending_);
  pending_.clear();
  return state;
}

// `head`: lines, each with its CRLF.
ResponseReader::State ResponseReader::on_head(std::string_view head) {
  keeps_alive_ = head.starts_with("HTTP/1.1 ");
  has_length_ = is_chunked_ = false;
  left_ = 0;
  if (!keeps_alive_ && !head.starts_with("HTTP/1.0 ")) return State::kBad;
  const size_t first_end = head.find("\r\n");
  if (first_end < 12 || !parse_number(head.substr(9, 3), status_) || status_ < 100 ||
      (first_end > 12 && head[12] != ' '))
    return State::kBad;
  head.remove_prefix(first_end + 2);
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    if (!on_field(head.substr(0, end))) return State::kBad;
    head.remove_prefix(end + 2);
  }
  const State body = body_state();
  if (body == State::kUntilClose) keeps_alive_ = false;
  return body;
}

bool ResponseReader::on_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim(line.substr(colon + 1));
  if (is_same(name, "content-length")) {
    uint64_t length = 0;
    if (!parse_number(value, length) || (has_length_ && length != left_)) return false;
    has_length_ = true;
    left_ = length;
  } else if (is_same(name, "transfer-encoding")) {
    if (!is_same(value, "chunked") || is_chunked_) return false;
    is_chunked_ = true;
  } else if (is_same(name, "connection")) {
    for (std::string_view list = value; !list.empty();) {
      const std::string_view item = take_item(list);
      if (is_same(item, "close")) keeps_alive_ = false;
    }
  }
  return true;
}

// RFC 9112 section 6.3, for answers to GET and POST.
ResponseReader::State ResponseReader::body_state() const noexcept {
  if (status_ == 101) return State::kBad;  // nobody asked for an upgrade
  if (status_ < 200) return State::kHead;
  if (is_chunked_ && has_length_) return State::kBad;
  if (status_ == 204 || status_ == 304) return State::kComplete;
  if (is_chunked_) return State::kChunkLine;
  if (!has_length_) return State::kUntilClose;
  return left_ == 0 ? State::kComplete : State::kLength;
}

ResponseReader::State ResponseReader::take_counted(std::string_view& bytes, State then) {
  const uint64_t taken = std::min<uint64_t>(left_, bytes.size());
  bytes.remove_prefix(taken);
  left_ -= taken;
  return left_ == 0 ? then : state_;
}

// True: `line` is whole, without its CRLF. False: more is needed, or `is_bad`.
bool ResponseReader::take_line(std::string_view& bytes, std::string_view& line, bool& is_bad) {
  const size_t end = bytes.find('\n');
  const size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
  is_bad = pending_.size() + taken > kLineBytesMax;
  if (is_bad) return false;
  if (end == std::string_view::npos || !pending_.empty()) {
    pending_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (end == std::string_view::npos) return false;
    line_.swap(pending_);
    pending_.clear();
    line = line_;
  } else {
    line = bytes.substr(0, taken);
    bytes.remove_prefix(taken);
  }
  is_bad = !line.ends_with("\r\n");
  if (!is_bad) line.remove_suffix(2);
  return !is_bad;
}

ResponseReader::State ResponseReader::take_chunk_line(std::string_view& bytes) {
  std::string_view line;
  bool is_bad = false;
  if (!take_line(bytes, line, is_bad)) return is_bad ? State::kBad : State::kChunkLine;
  const std::string_view size = trim(line.substr(0, line.find(';')));
  if (!parse_number(size, left_, 16)) return State::kBad;
  return left_ == 0 ? State::kTrailer : State::kChunkData;
}

ResponseReader::State ResponseReader::take_chunk_end(std::string_view& bytes) {
  std::string_view line;
  bool is_bad = false;
  if (!take_line(bytes, line, is_bad)) return is_bad ? State::kBad : State::kChunkEnd;
  return line.empty() ? State::kChunkLine : State::kBad;
}

ResponseReader::State ResponseReader::take_trailer(std::string_view& bytes) {
  std::string_view line;
  bool is_bad = false;
  if (!take_line(bytes, line, is_bad)) return is_bad ? State::kBad : State::kTrailer;
  return line.empty() ? State::kComplete : State::kTrailer;
}

}  // namespace keelson::load
