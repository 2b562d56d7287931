#include "pods/runtime/grpc_client.h"

#include <utility>

namespace keelson::pods {
namespace {

constexpr size_t kPrefixBytes = 5;           // flag of compression, length in network byte order
constexpr std::string_view kNotFound = "5";  // gRPC status code NOT_FOUND
constexpr size_t kDrainBytes = 64u << 10;

std::string with_prefix(const std::string& message) {
  const auto length = static_cast<uint32_t>(message.size());
  std::string framed(1, '\0');
  for (const int shift : {24, 16, 8, 0}) framed += static_cast<char>((length >> shift) & 0xff);
  return framed + message;
}

// Exactly one, and not compressed.
bool is_one_message(std::string_view body) {
  if (body.size() < kPrefixBytes || body[0] != '\0') return false;
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i)
    length = length << 8 | static_cast<unsigned char>(body[i]);
  return body.size() - kPrefixBytes == length;
}

http::MessageHead request_head(const std::string& method) {
  http::MessageHead head;
  head.version = http::Version::kHttp2;
  head.method = "POST";
  head.scheme = "http";
  head.authority = "localhost";
  head.target = method;
  head.headers.add("content-type", "application/grpc");
  head.headers.add("te", "trailers");
  return head;
}

Error trouble(std::string context) {
  return {Reason::cannot_reach, ErrorSource::kKube, true, 0, std::move(context)};
}

}  // namespace

GrpcClient::GrpcClient(io::EventLoop& loop, std::string socket_path, GrpcLimits limits)
    : socket_path_(std::move(socket_path)),
      limits_(limits),
      loop_(loop),
      session_(h2::Role::kClient, h2::Settings{}, pool_, *this),
      input_(pool_),
      output_(pool_),
      work_(loop, [this] { work(); }),
      late_(loop, [this] {
        is_late_ = true;
        fail_all(trouble(socket_path_ + " did not answer in time"));
      }) {
  connect_ = io::Connect::start_unix(
      loop, socket_path_, [this](Result<io::Socket> socket) { on_connected(std::move(socket)); });
  late_.start(limits_.answer);
}

GrpcClient::~GrpcClient() {
  if (stream_ != nullptr) stream_->observe(nullptr);
}

void GrpcClient::call(std::string_view method, std::string message, OnAnswer on_answer) {
  waiting_.push_back({std::string(method), std::move(message), std::move(on_answer), {}, {}});
  if (stream_ != nullptr || broken_) work_.start({});
}

void GrpcClient::on_connected(Result<io::Socket> socket) {
  if (!socket) {
    fail_all(socket.error());
    return;
  }
  auto stream = io::TcpStream::open(loop_, std::move(*socket));
  if (!stream) {
    fail_all(stream.error());
    return;
  }
  stream_ = std::move(*stream);
  stream_->observe(this);
  work_.start({});
}

void GrpcClient::work() {
  if (broken_) {
    fail_all(Error(*broken_));
    return;
  }
  do {  // answers make room for calls that wait, and their callbacks may ask more
    if (const auto done = exchange(); !done) {
      fail_all(done.error());
      return;
    }
  } while (deliver());
}

Result<void> GrpcClient::exchange() {
  KS_TRY(open_waiting());
  for (bool progressed = true; progressed;) {
    KS_TRY(write_some());
    KS_ASSIGN(progressed, read_some());
  }
  return write_some();
}

Result<void> GrpcClient::open_waiting() {
  while (!waiting_.empty() && session_.open_streams() < session_.peer_streams_max()) {
    Call call = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    KS_ASSIGN(const h2::StreamId stream,
              session_.open(request_head(call.method), http::EndOfMessage::kNo));
    BufferChain body(pool_);
    const bool taken = body.append(std::string_view(with_prefix(call.message)));
    open_.emplace(stream, std::move(call));
    if (!taken) return fail(Reason::buffer_pool_empty, ErrorSource::kInternal, socket_path_);
    KS_TRY(session_.write_body(stream, body));  // questions are far smaller than what it queues
    KS_TRY(session_.write_end(stream));
  }
  return {};
}

Result<bool> GrpcClient::read_some() {
  KS_ASSIGN(const io::ReadResult read, io::read_into(*stream_, input_));
  if (read.is_eof()) return Failure(trouble(socket_path_ + " closed the connection"));
  while (!input_.empty()) {
    const size_t bytes = input_.front().size();
    KS_TRY(session_.feed(input_.front()));
    input_.consume(bytes);
  }
  return read.is_data();
}

Result<void> GrpcClient::write_some() {
  while (session_.wants_write() || !output_.empty()) {
    if (output_.size() < kDrainBytes) KS_TRY(session_.drain(output_, kDrainBytes));
    if (output_.empty()) return {};
    KS_TRY(stream_->write(output_));
    if (!output_.empty()) return {};  // no room: on_writable() comes
  }
  return {};
}

void GrpcClient::on_head(h2::StreamId stream, http::MessageHead head, http::EndOfMessage end) {
  const auto call = open_.find(stream);
  if (call == open_.end() || head.status < 200) return;
  if (head.status != 200) {
    finish(stream,
           Failure(trouble(socket_path_ + " answers HTTP status " + std::to_string(head.status))));
  } else if (end == http::EndOfMessage::kYes) {
    call->second.trailers = std::move(head.headers);
    finish(stream, answer_of(call->second));
  }
}

void GrpcClient::on_body(h2::StreamId stream, std::span<const std::byte> bytes) {
  session_.credit_connection(bytes.size());
  const auto call = open_.find(stream);
  if (call == open_.end()) return;
  session_.credit(stream, bytes.size());
  std::string& body = call->second.body;
  body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (body.size() > limits_.message_bytes_max + kPrefixBytes)
    finish(stream, Failure(trouble(socket_path_ + " answers more than " +
                                   std::to_string(limits_.message_bytes_max) + " bytes")));
}

void GrpcClient::on_end(h2::StreamId stream, http::HeaderList trailers) {
  const auto call = open_.find(stream);
  if (call == open_.end()) return;
  call->second.trailers = std::move(trailers);
  finish(stream, answer_of(call->second));
}

void GrpcClient::on_reset(h2::StreamId stream, h2::ErrorCode code) {
  finish(stream, Failure(trouble(socket_path_ + " reset the call, HTTP/2 error " +
                                 std::to_string(static_cast<uint32_t>(code)))));
}

Result<std::string> GrpcClient::answer_of(Call& call) const {
  const auto status = call.trailers.first("grpc-status");
  if (status == kNotFound)
    return fail(Reason::not_found, ErrorSource::kKube, socket_path_ + ": " + call.method);
  if (status != "0")
    return Failure(trouble(socket_path_ + " refuses " + call.method + ": gRPC status " +
                           std::string(status.value_or("missing")) + " " +
                           std::string(call.trailers.first("grpc-message").value_or(""))));
  if (!is_one_message(call.body))
    return fail(Reason::message_malformed, ErrorSource::kKube,
                socket_path_ + ": no single uncompressed message in the answer to " + call.method);
  return call.body.substr(kPrefixBytes);
}

// Callbacks wait until the session is at rest.
void GrpcClient::finish(h2::StreamId stream, Result<std::string> answer) {
  const auto call = open_.find(stream);
  if (call == open_.end()) return;
  finished_.emplace_back(std::move(call->second.on_answer), std::move(answer));
  open_.erase(call);
}

void GrpcClient::fail_all(const Error& error) {
  broken_ = error;
  late_.stop();
  if (stream_ != nullptr) stream_->observe(nullptr);
  stream_.reset();
  for (auto& [stream, call] : std::exchange(open_, {}))
    finished_.emplace_back(std::move(call.on_answer), Failure(*broken_));
  for (Call& call : std::exchange(waiting_, {}))
    finished_.emplace_back(std::move(call.on_answer), Failure(*broken_));
  deliver();
}

bool GrpcClient::deliver() {
  auto finished = std::exchange(finished_, {});
  for (auto& [on_answer, answer] : finished) on_answer(std::move(answer));
  return !finished.empty();
}

}  // namespace keelson::pods
