#include "http2_connection.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace keelson::load {
namespace {

constexpr int32_t kStreamWindowBytes = 4 << 20;
constexpr int32_t kConnectionWindowBytes = 16 << 20;
constexpr size_t kOutputBytes = 64u << 10;  // with one send()

uint8_t* bytes_of(const std::string& text) {
  return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 does not write
}

}  // namespace

struct Http2Connection::Callbacks {
  static Http2Connection& of(void* user) { return *static_cast<Http2Connection*>(user); }
  static Stream* find(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                       void*) {
    constexpr std::string_view kStatus = ":status";
    if (std::string_view(reinterpret_cast<const char*>(name), name_length) != kStatus) return 0;
    const char* const digits = reinterpret_cast<const char*>(value);
    if (Stream* stream = find(session, frame->hd.stream_id))
      std::from_chars(digits, digits + value_length, stream->status);
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Connection& self = of(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      if (frame->goaway.error_code != NGHTTP2_NO_ERROR) return NGHTTP2_ERR_CALLBACK_FAILURE;
      self.is_last_ = true;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS)
      self.streams_max_ = std::min<size_t>(
          self.streams_.size(),
          nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, int32_t id, uint32_t error_code,
                             void* user) {
    if (Stream* stream = find(session, id)) of(user).on_stream_end(*stream, error_code);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* into, size_t bytes_max,
                           uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Stream*>(source->ptr);
    const size_t count = std::min<uint64_t>(bytes_max, stream.body_left);
    std::memset(into, 'x', count);
    stream.body_left -= count;
    if (stream.body_left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  static nghttp2_session* open(Http2Connection& self) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session* session = nullptr;
    nghttp2_session_client_new(&session, callbacks, &self);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
    return session;
  }
};

Http2Connection::Http2Connection(const Surroundings& surroundings)
    : Connection(surroundings), streams_(surroundings.streams) {
  for (const auto& [name, value] : surroundings.request.fields)
    fields_.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(),
                       NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
}

void Http2Connection::reset() {
  session_.reset(Callbacks::open(*this));
  std::fill(streams_.begin(), streams_.end(), Stream());
  begun_count_ = 0;
  streams_max_ = streams_.size();
  is_last_ = false;
  out_.clear();
  out_sent_ = 0;
}

bool Http2Connection::has_protocol_room() const {
  return !is_last_ && begun_count_ < streams_max_;
}

void Http2Connection::begin(uint64_t since_ns) {
  const auto free = std::find_if(streams_.begin(), streams_.end(),
                                 [](const Stream& stream) { return !stream.is_begun; });
  Stream& stream = *free;
  stream = {since_ns, surroundings_.request.body_bytes, 0, true};
  begun_count_++;
  nghttp2_data_provider body{{.ptr = &stream}, Callbacks::read_body};
  const int32_t id = nghttp2_submit_request(session_.get(), nullptr, fields_.data(), fields_.size(),
                                            stream.body_left > 0 ? &body : nullptr, &stream);
  if (id < 0) is_last_ = true;  // ids are used up: the request is lost with the connection
}

void Http2Connection::on_stream_end(Stream& stream, uint32_t error_code) {
  stream.is_begun = false;
  begun_count_--;
  constexpr uint16_t kFirstFinal = 200;
  if (error_code == NGHTTP2_NO_ERROR && stream.status >= kFirstFinal)
    tell_answer(stream.since_ns, stream.status);
  else
    surroundings_.observer.on_lost(
        stream.since_ns,
        error_code == NGHTTP2_PROTOCOL_ERROR ? ErrorKind::kProtocol : ErrorKind::kReset,
        nghttp2_http2_strerror(error_code));
}

bool Http2Connection::take(std::string_view bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // A session that wants nothing more without having been told to end has found an error.
  const bool is_over = nghttp2_session_want_read(session_.get()) == 0 && !is_last_;
  return taken == static_cast<ssize_t>(bytes.size()) && !is_over;
}

bool Http2Connection::is_done() const {
  return begun_count_ == 0 && (is_last_ || surroundings_.is_connection_each);
}

std::string_view Http2Connection::output() {
  if (out_sent_ == out_.size()) {
    out_.clear();  // keeps its memory
    out_sent_ = 0;
    while (out_.size() < kOutputBytes) {
      const uint8_t* bytes = nullptr;
      const ssize_t count = nghttp2_session_mem_send(session_.get(), &bytes);
      if (count <= 0) break;
      out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
    }
  }
  return std::string_view(out_).substr(out_sent_);
}

void Http2Connection::each_begun(const std::function<void(uint64_t)>& visit) const {
  for (const Stream& stream : streams_)
    if (stream.is_begun) visit(stream.since_ns);
}

}  // namespace keelson::load
