#include "rest/transfer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace keelson::rest {
namespace {

constexpr long kConnectLimitMs = 10'000;
// A server that vanished without a word is given up although nothing is under way.
constexpr unsigned kUnansweredMs = 30'000;
constexpr int kKeepaliveIdleSeconds = 20;
constexpr int kKeepaliveIntervalSeconds = 5;
constexpr size_t kRefusalBytesMax = 64u << 10;  // of a stream's answer that is not 2xx

Reason reason_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return Reason::cannot_reach;
    case CURLE_OPERATION_TIMEDOUT:
      return Reason::server_silent;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return Reason::certificate_untrusted;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
      return Reason::tls_handshake_failed;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return Reason::credentials_unusable;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Reason::http_truncated;
    default:
      return Reason::cannot_reach;
  }
}

curl_blob blob_of(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
}

struct UrlParts {
  std::string host, port, path;  // a literal IPv6 address keeps its brackets
};

UrlParts split_url(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  const size_t slash = std::min(url.find('/', begin), url.size());
  const std::string authority = url.substr(begin, slash - begin);
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == std::string::npos ? 0 : bracket);
  UrlParts parts{authority, "443", url.substr(slash)};
  if (colon == std::string::npos) return parts;
  parts.host = authority.substr(0, colon);
  parts.port = authority.substr(colon + 1);
  return parts;
}

}  // namespace

Transfer::Transfer(const Clock& clock, StreamHandler handler, bool is_stream)
    : clock_(clock),
      easy_(curl_easy_init()),
      handler_(std::make_shared<const StreamHandler>(std::move(handler))),
      is_stream_(is_stream),
      last_byte_(clock.now()) {
  KS_ASSERT(easy_ != nullptr);
}

Transfer::~Transfer() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
}

Result<std::unique_ptr<Transfer>> Transfer::make(const Server& server, const Clock& clock,
                                                 Request request, OnAnswer on_answer) {
  std::unique_ptr<Transfer> transfer(
      new Transfer(clock, {.on_open = {}, .on_line = {}, .on_end = std::move(on_answer)}, false));
  transfer->what_ = request.method + " " + server.url + request.target;
  transfer->bytes_max_ = request.answer_bytes_max;
  transfer->request_body_ = std::move(request.body);
  CURL* easy = transfer->easy_;
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.time_limit.count()));
  if (request.method != "GET" && request.method != "DELETE") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request_body_.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(transfer->request_body_.size()));
  }
  KS_TRY(transfer->prepare(server, request.target, request.accept, request.content_type));
  return transfer;
}

Result<std::unique_ptr<Transfer>> Transfer::make(const Server& server, const Clock& clock,
                                                 StreamRequest request, StreamHandler handler) {
  std::unique_ptr<Transfer> transfer(new Transfer(clock, std::move(handler), true));
  transfer->what_ = "GET " + server.url + request.target;
  transfer->bytes_max_ = request.line_bytes_max;
  transfer->idle_limit_ = request.idle_limit;
  KS_TRY(transfer->prepare(server, request.target, request.accept, ""));
  return transfer;
}

Result<void> Transfer::prepare(const Server& server, const std::string& target,
                               const std::string& accept, const std::string& content_type) {
  const auto add = [this](const std::string& header) {
    headers_ = curl_slist_append(headers_, header.c_str());
  };
  add("Accept: " + accept);
  add("User-Agent: keelson-agent");
  add("Expect:");
  add(content_type.empty() ? "Content-Type:" : "Content-Type: " + content_type);
  if (server.token) {
    KS_ASSIGN(const std::string token, server.token());
    add("Authorization: Bearer " + token);
  }
  address(server, target);
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "https");
  // The environment of a DaemonSet must not send the node's token through somebody's proxy.
  curl_easy_setopt(easy_, CURLOPT_PROXY, "");
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy_, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, kConnectLimitMs);
  curl_easy_setopt(easy_, CURLOPT_SOCKOPTFUNCTION, &Transfer::socket_made);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Transfer::body_arrived);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Transfer::header_arrived);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, curl_error_);
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  trust(server);
  return {};
}

void Transfer::trust(const Server& server) {
  curl_easy_setopt(easy_, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!server.ca_pem.empty()) {
    curl_blob ca = blob_of(server.ca_pem);
    curl_easy_setopt(easy_, CURLOPT_CAINFO_BLOB, &ca);
    // Else the distribution's folder of public roots would vouch for the server as well.
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  }
  if (!server.client_certificate_pem.empty()) {
    curl_blob certificate = blob_of(server.client_certificate_pem);
    curl_blob key = blob_of(server.client_key_pem);
    curl_easy_setopt(easy_, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(easy_, CURLOPT_SSLKEY_BLOB, &key);
  }
}

// With a name of its own in the certificate, the URL carries that name and the connection goes to
// the server's host all the same.
void Transfer::address(const Server& server, const std::string& target) {
  std::string url = server.url + target;
  if (!server.server_name.empty()) {
    const UrlParts parts = split_url(server.url);
    url = "https://" + server.server_name + ":" + parts.port + parts.path + target;
    connect_to_ = curl_slist_append(nullptr, ("::" + parts.host + ":" + parts.port).c_str());
    curl_easy_setopt(easy_, CURLOPT_CONNECT_TO, connect_to_);
  }
  curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
}

int Transfer::socket_made(void*, curl_socket_t socket, curlsocktype) {
  const int on = 1;
  const unsigned unanswered_ms = kUnansweredMs;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveIdleSeconds, sizeof(int));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &kKeepaliveIntervalSeconds, sizeof(int));
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
  return CURL_SOCKOPT_OK;
}

void Transfer::use_new_connection() noexcept {
  curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
}

size_t Transfer::header_arrived(char* data, size_t size, size_t count, void* self) {
  return static_cast<Transfer*>(self)->on_header({data, size * count});
}

size_t Transfer::body_arrived(char* data, size_t size, size_t count, void* self) {
  return static_cast<Transfer*>(self)->on_body({data, size * count});
}

size_t Transfer::on_header(std::string_view line) {
  last_byte_ = clock_.now();
  if (line != "\r\n") return line.size();
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  is_success_ = status >= 200 && status < 300;
  if (is_success_ && is_stream_) is_open_news_ = true;
  return line.size();
}

// Returning less than what came makes libcurl end the exchange.
size_t Transfer::on_body(std::string_view bytes) {
  last_byte_ = clock_.now();
  const bool kept = is_stream_ && is_success_ ? split_lines(bytes) : keep(bytes);
  is_too_large_ = !kept;
  return kept ? bytes.size() : 0;
}

bool Transfer::keep(std::string_view bytes) {
  const size_t bytes_max = is_stream_ ? kRefusalBytesMax : bytes_max_;
  if (bytes.size() > bytes_max - buffer_.size()) return false;
  buffer_.append(bytes);
  return true;
}

bool Transfer::split_lines(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (part.size() > bytes_max_ - buffer_.size()) return false;
    if (end != std::string_view::npos)
      buffer_.reserve(buffer_.size() + part.size() + kPaddingBytes);
    buffer_.append(part);
    if (end == std::string_view::npos) return true;
    bytes.remove_prefix(end + 1);
    if (!buffer_.empty()) lines_.push_back(std::exchange(buffer_, {}));
  }
  return true;
}

bool Transfer::is_idle_too_long() const noexcept {
  return idle_limit_.count() > 0 && !end_ && clock_.now() - last_byte_ >= idle_limit_;
}

Error Transfer::idle_error() const {
  return {Reason::server_silent, ErrorSource::kUpstream, true, 0,
          what_ + ": no byte for " + std::to_string(idle_limit_.count() / 1000) + " s"};
}

void Transfer::end(Error error) {
  end_ = Failure(std::move(error));
}

void Transfer::end(CURLcode code) {
  if (code == CURLE_OK) {
    Answer answer;
    long status = 0;
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
    answer.status = static_cast<int>(status);
    if (seconds > 0) answer.retry_after = std::chrono::seconds(seconds);
    if (!is_stream_ || !is_success_) {
      answer.body = std::move(buffer_);
      answer.body.reserve(answer.body.size() + kPaddingBytes);
    }
    end_ = std::move(answer);
    return;
  }
  Error error{reason_of(code), ErrorSource::kUpstream, true, 0, what_ + ": "};
  error.context += curl_error_[0] != 0 ? curl_error_ : curl_easy_strerror(code);
  if (is_too_large_) {
    error.reason = Reason::server_answer_too_large;
    error.context = what_ + ": the " + (is_stream_ ? "line" : "answer") + " is longer than " +
                    std::to_string(bytes_max_) + " bytes";
  }
  end_ = Failure(std::move(error));
}

std::function<void()> Transfer::take_news() {
  if (is_open_news_) {
    is_open_news_ = false;
    return [handler = handler_] {
      if (handler->on_open) handler->on_open();
    };
  }
  if (!lines_.empty()) {
    auto line = std::make_shared<std::string>(std::move(lines_.front()));
    lines_.pop_front();
    return [handler = handler_, line] {
      if (handler->on_line) handler->on_line(std::move(*line));
    };
  }
  auto result = std::make_shared<Result<Answer>>(std::move(*end_));
  end_.reset();
  return [handler = handler_, result] {
    if (handler->on_end) handler->on_end(std::move(*result));
  };
}

}  // namespace keelson::rest
