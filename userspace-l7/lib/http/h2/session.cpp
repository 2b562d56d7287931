#include "http/h2/session.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "http/h2/head_codec.h"

namespace keelson::h2 {

using http::EndOfMessage;

struct Session::Stream {
  explicit Stream(StreamId stream_id, BlockPool& pool) : id(stream_id), outbound(pool) {}

  const StreamId id;
  HeadDecoder head;  // of the block that arrives
  bool saw_final_head = false;
  bool receive_ended = false;
  bool send_ended = false;  // END_STREAM is on its way
  BufferChain outbound;     // not yet framed
  bool end_queued = false;
  bool refused_bytes = false;  // the writer waits for on_writable()
  bool is_refused = false;     // refuse()
  std::vector<std::pair<std::string, std::string>> trailers;
};

namespace {

Failure dead(Reason reason, int status) {
  return Failure(Error{reason, ErrorSource::kDownstream, false, 0, nghttp2_strerror(status)});
}

}  // namespace

struct Session::Callbacks {
  static Session& of(void* user) { return *static_cast<Session*>(user); }

  static ssize_t send(nghttp2_session*, const uint8_t* bytes, size_t count, int, void* user) {
    Session& self = of(user);
    if (self.out_->size() >= self.out_bytes_max_) return NGHTTP2_ERR_WOULDBLOCK;
    if (!self.out_->append({reinterpret_cast<const std::byte*>(bytes), count}))
      return NGHTTP2_ERR_WOULDBLOCK;
    return static_cast<ssize_t>(count);
  }

  // A DATA frame's header is copied, its payload only changes chains.
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* header, size_t bytes,
                       nghttp2_data_source* source, void* user) {
    Session& self = of(user);
    auto& stream = *static_cast<Stream*>(source->ptr);
    if (self.out_->size() >= self.out_bytes_max_) return NGHTTP2_ERR_WOULDBLOCK;
    KS_ASSERT(frame->data.padlen == 0);
    constexpr size_t kFrameHeaderBytes = 9;
    if (!self.out_->append({reinterpret_cast<const std::byte*>(header), kFrameHeaderBytes}))
      return NGHTTP2_ERR_WOULDBLOCK;
    self.out_->move_from(stream.outbound, bytes);
    if (stream.refused_bytes &&
        stream.outbound.size() <= self.settings_.stream_send_bytes_max / 2) {
      stream.refused_bytes = false;
      self.sink_.on_writable(stream.id);
    }
    return 0;
  }

  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t*, size_t bytes_max,
                           uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Stream*>(source->ptr);
    const size_t bytes = std::min(bytes_max, stream.outbound.size());
    const bool last = bytes == stream.outbound.size() && stream.end_queued;
    if (bytes == 0 && !last) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (last) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!stream.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv> fields = name_values(stream.trailers);
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      }
    }
    return static_cast<ssize_t>(bytes);
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& self = of(user);
    Stream* stream = self.find(frame->hd.stream_id);
    if (stream == nullptr) stream = &self.make_stream(frame->hd.stream_id);
    stream->head.begin();
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                    void* user) {
    Session& self = of(user);
    Stream* stream = self.find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const bool fits =
        stream->head.add({reinterpret_cast<const char*>(name), name_bytes},
                         {reinterpret_cast<const char*>(value), value_bytes},
                         self.settings_.header_fields_max, self.settings_.header_list_bytes_max);
    return fits ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Session& self = of(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        self_headers(self, *frame);
        break;
      case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) self_end(self, *frame, {});
        break;
      case NGHTTP2_GOAWAY:
        self.sink_.on_goaway(frame->goaway.last_stream_id,
                             static_cast<ErrorCode>(frame->goaway.error_code));
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) self.sink_.on_ping_answered();
        break;
      default:
        break;
    }
    return 0;
  }

  static void self_headers(Session& self, const nghttp2_frame& frame) {
    Stream* stream = self.find(frame.hd.stream_id);
    if (stream == nullptr) return;
    const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream->saw_final_head) return self_end(self, frame, stream->head.take().headers);
    http::MessageHead head = stream->head.take();
    stream->saw_final_head = self.role_ == Role::kServer || head.status >= 200;
    if (end) stream->receive_ended = true;
    self.sink_.on_head(stream->id, std::move(head), end ? EndOfMessage::kYes : EndOfMessage::kNo);
  }

  static void self_end(Session& self, const nghttp2_frame& frame, http::HeaderList trailers) {
    Stream* stream = self.find(frame.hd.stream_id);
    if (stream == nullptr || stream->receive_ended) return;
    stream->receive_ended = true;
    self.sink_.on_end(stream->id, std::move(trailers));
  }

  static int data_received(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes,
                           size_t count, void* user) {
    Session& self = of(user);
    if (self.find(id) != nullptr)
      self.sink_.on_body(id, {reinterpret_cast<const std::byte*>(bytes), count});
    return 0;
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    // nghttp2 answers most of a peer's errors by itself, and feed() hears nothing of it.
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        !of(user).is_goaway_ours_)
      of(user).peer_error_ = frame->goaway.error_code;
    const bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    Stream* stream = of(user).find(frame->hd.stream_id);
    if (stream == nullptr || !ends) return 0;
    stream->send_ended = true;
    // Not before: a queued RST_STREAM makes nghttp2 drop what the stream still had to send.
    if (stream->is_refused && !stream->receive_ended)
      of(user).reset(stream->id, ErrorCode::kNoError);
    return 0;
  }

  static int stream_closed(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    Session& self = of(user);
    const auto found = self.streams_.find(id);
    if (found == self.streams_.end()) return 0;
    const bool orderly =
        code == NGHTTP2_NO_ERROR && found->second->receive_ended && found->second->send_ended;
    self.streams_.erase(found);
    if (orderly)
      self.sink_.on_closed(id);
    else
      self.sink_.on_reset(id, static_cast<ErrorCode>(code));
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    KS_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_received);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    return callbacks;
  }
};

Session::Session(Role role, const Settings& settings, BlockPool& pool, Sink& sink)
    : role_(role), settings_(settings), pool_(pool), sink_(sink) {
  nghttp2_option* option = nullptr;
  KS_ASSERT(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_session_callbacks* callbacks = Callbacks::make();
  const int made = role == Role::kServer
                       ? nghttp2_session_server_new2(&session_, callbacks, this, option)
                       : nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_option_del(option);
  KS_ASSERT(made == 0);
  announce_settings();
}

Session::~Session() {
  nghttp2_session_del(session_);
}

void Session::announce_settings() {
  std::vector<nghttp2_settings_entry> entries;
  if (role_ == Role::kClient)
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  else
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.streams_max});
  entries.push_back({NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings_.stream_window_bytes});
  entries.push_back({NGHTTP2_SETTINGS_MAX_FRAME_SIZE, settings_.frame_bytes_max});
  entries.push_back({NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings_.header_list_bytes_max});
  KS_ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) ==
            0);
  KS_ASSERT(nghttp2_session_set_local_window_size(
                session_, NGHTTP2_FLAG_NONE, 0,
                static_cast<int32_t>(settings_.connection_window_bytes)) == 0);
}

Session::Stream* Session::find(StreamId stream) noexcept {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second.get();
}

Session::Stream& Session::make_stream(StreamId id) {
  return *(streams_[id] = std::make_unique<Stream>(id, pool_));
}

Result<void> Session::feed(std::span<const std::byte> bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken == static_cast<ssize_t>(bytes.size())) return {};
  const int status = taken < 0 ? static_cast<int>(taken) : NGHTTP2_ERR_CALLBACK_FAILURE;
  return dead(status == NGHTTP2_ERR_FLOODED ? Reason::h2_flood : Reason::h2_protocol_error, status);
}

Result<void> Session::drain(BufferChain& out, size_t bytes_max) {
  if (!peer_error_ && !wants_write()) return {};
  out_ = &out;
  out_bytes_max_ = bytes_max;
  const int status = nghttp2_session_send(session_);
  out_ = nullptr;
  if (const auto code = std::exchange(peer_error_, {}))
    return fail(*code == NGHTTP2_ENHANCE_YOUR_CALM ? Reason::h2_flood : Reason::h2_protocol_error,
                ErrorSource::kDownstream, nghttp2_http2_strerror(*code));
  if (status != 0)
    return dead(status == NGHTTP2_ERR_FLOODED ? Reason::h2_flood : Reason::h2_protocol_error,
                status);
  return {};
}

bool Session::wants_write() const noexcept {
  return nghttp2_session_want_write(session_) != 0;
}

bool Session::is_finished() const noexcept {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

Result<StreamId> Session::open(const http::MessageHead& request, EndOfMessage end) {
  if (streams_.size() >= peer_streams_max() || nghttp2_session_check_request_allowed(session_) == 0)
    return Failure(Error{Reason::h2_streams_exhausted, ErrorSource::kUpstream, true, 0, ""});
  const FieldList fields = request_fields(request);
  const std::vector<nghttp2_nv> pairs = name_values(fields);
  // The stream's record must exist before nghttp2 asks for its body, and needs the id it gets.
  const StreamId next = nghttp2_session_get_next_stream_id(session_) > INT32_MAX
                            ? 0
                            : static_cast<StreamId>(nghttp2_session_get_next_stream_id(session_));
  if (next <= 0)
    return Failure(Error{Reason::h2_streams_exhausted, ErrorSource::kUpstream, true, 0, ""});
  Stream& stream = make_stream(next);
  nghttp2_data_provider body{{.ptr = &stream}, Callbacks::read_body};
  const StreamId id = nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(),
                                             end == EndOfMessage::kYes ? nullptr : &body, nullptr);
  if (id < 0) {
    streams_.erase(next);
    return dead(Reason::h2_protocol_error, id);
  }
  KS_ASSERT(id == next);
  return id;
}

Result<void> Session::respond(StreamId id, const http::MessageHead& response, EndOfMessage end) {
  Stream* stream = find(id);
  if (stream == nullptr) return fail(Reason::h2_stream_gone, ErrorSource::kDownstream, "respond");
  const FieldList fields = response_fields(response);
  const std::vector<nghttp2_nv> pairs = name_values(fields);
  int status;
  if (response.status < 200) {
    status = nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, pairs.data(),
                                    pairs.size(), nullptr);
  } else {
    nghttp2_data_provider body{{.ptr = stream}, Callbacks::read_body};
    status = nghttp2_submit_response(session_, id, pairs.data(), pairs.size(),
                                     end == EndOfMessage::kYes ? nullptr : &body);
  }
  if (status != 0) return dead(Reason::h2_protocol_error, status);
  return {};
}

Result<void> Session::refuse(StreamId id, const http::MessageHead& response) {
  if (Stream* stream = find(id)) stream->is_refused = true;
  return respond(id, response, EndOfMessage::kYes);
}

Result<size_t> Session::write_body(StreamId id, BufferChain& from) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->end_queued)
    return fail(Reason::h2_stream_gone, ErrorSource::kUpstream, "write_body");
  const size_t held = stream->outbound.size();
  const size_t room =
      held >= settings_.stream_send_bytes_max ? 0 : settings_.stream_send_bytes_max - held;
  const size_t bytes = std::min(room, from.size());
  stream->outbound.move_from(from, bytes);
  if (!from.empty()) stream->refused_bytes = true;
  if (bytes > 0) nghttp2_session_resume_data(session_, id);
  return bytes;
}

Result<void> Session::write_end(StreamId id, const http::HeaderList* trailers) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->end_queued)
    return fail(Reason::h2_stream_gone, ErrorSource::kUpstream, "write_end");
  if (trailers != nullptr)
    for (const auto& field : *trailers) stream->trailers.emplace_back(field.name, field.value);
  stream->end_queued = true;
  nghttp2_session_resume_data(session_, id);
  return {};
}

void Session::reset(StreamId id, ErrorCode code) noexcept {
  if (find(id) == nullptr) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, static_cast<uint32_t>(code));
}

void Session::credit(StreamId id, size_t bytes) noexcept {
  nghttp2_session_consume_stream(session_, id, bytes);
}

void Session::credit_connection(size_t bytes) noexcept {
  nghttp2_session_consume_connection(session_, bytes);
}

void Session::ping() {
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void Session::start_goaway() {
  if (role_ == Role::kServer)
    nghttp2_submit_shutdown_notice(session_);
  else
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
}

void Session::finish_goaway() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Session::goaway(ErrorCode code) {
  is_goaway_ours_ = true;
  nghttp2_session_terminate_session(session_, static_cast<uint32_t>(code));
}

uint32_t Session::peer_streams_max() const noexcept {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

}  // namespace keelson::h2
