#include "keelsonctl/admin_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "base/percent_encoding.h"

namespace keelson::ctl {
namespace {

struct CurlDeleter {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
using Curl = std::unique_ptr<CURL, CurlDeleter>;

std::string url_of(std::string_view path, const Query& query) {
  return "http://agent" + target_of(path, query);
}

// Collects the body, or hands out its lines. libcurl calls it with whatever arrived.
struct Receiver {
  CURL* handle = nullptr;
  const OnLine* on_line = nullptr;  // null: collect
  const std::function<bool()>* is_over = nullptr;
  std::string body;  // or the line that is not complete yet
  bool stopped = false;
  bool too_large = false;

  bool take(std::string_view bytes) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    body += bytes;
    const bool lines = on_line != nullptr && status == 200;
    too_large = !lines && body.size() > AdminClient::kReplyBytesMax;
    return lines ? pass_lines() : !too_large;
  }

  bool pass_lines() {
    size_t begin = 0;
    for (size_t end; (end = body.find('\n', begin)) != std::string::npos; begin = end + 1) {
      stopped = !(*on_line)(std::string_view(body).substr(begin, end - begin));
      if (stopped) return false;
    }
    body.erase(0, begin);
    too_large = body.size() > AdminClient::kLineBytesMax;
    return !too_large;
  }

  // libcurl calls it now and then, whether bytes come or not; what is not 0 ends the transfer.
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
    auto& receiver = *static_cast<Receiver*>(self);
    receiver.stopped = receiver.stopped || (*receiver.is_over)();
    return receiver.stopped ? 1 : 0;
  }

  static size_t on_bytes(char* bytes, size_t size, size_t count, void* self) noexcept {
    return static_cast<Receiver*>(self)->take({bytes, size * count}) ? size * count : 0;
  }
};

pid_t listener_of(CURL* handle) {
  curl_socket_t socket = CURL_SOCKET_BAD;
  ucred peer{};
  socklen_t length = sizeof peer;
  const bool is_known = curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
                        socket != CURL_SOCKET_BAD &&
                        ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  return is_known ? peer.pid : 0;
}

Result<Reply> perform(const std::string& socket_path, std::chrono::milliseconds timeout,
                      bool whole_within_timeout, const std::string& url, const OnLine* on_line,
                      const std::function<bool()>& is_over, const std::string* posted = nullptr) {
  const Curl handle(curl_easy_init());
  if (!handle) return fail(Reason::internal, ErrorSource::kInternal, "libcurl");
  Receiver receiver;
  receiver.handle = handle.get();
  receiver.on_line = on_line;
  char why[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(handle.get(), CURLOPT_UNIX_SOCKET_PATH, socket_path.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  // The environment may name a proxy for http:// URLs; this one never leaves the machine.
  curl_easy_setopt(handle.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &Receiver::on_bytes);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &receiver);
  if (is_over) {
    receiver.is_over = &is_over;
    curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, &Receiver::on_progress);
    curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &receiver);
  }
  if (posted != nullptr) {
    curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(posted->size()));
    curl_easy_setopt(handle.get(), CURLOPT_COPYPOSTFIELDS, posted->c_str());
  }
  const long limit_ms = static_cast<long>(timeout.count());
  curl_easy_setopt(handle.get(), CURLOPT_CONNECTTIMEOUT_MS, limit_ms);
  if (whole_within_timeout) curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, limit_ms);
  const CURLcode code = curl_easy_perform(handle.get());
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (receiver.too_large)
    return fail(Reason::bad_value, ErrorSource::kUpstream, "the answer is too large");
  if (code != CURLE_OK && !receiver.stopped) {
    // libcurl's own text for a failed connect names a TCP port, which here there is not.
    long os_errno = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_OS_ERRNO, &os_errno);
    const char* cause = code == CURLE_COULDNT_CONNECT && os_errno != 0
                            ? std::strerror(static_cast<int>(os_errno))
                        : why[0] != '\0' ? why
                                         : curl_easy_strerror(code);
    return fail(Reason::cannot_reach, ErrorSource::kUpstream, socket_path + ": " + cause);
  }
  if (receiver.stopped && status == 0) status = 200;  // before the head came: nothing went wrong
  return Reply{static_cast<int>(status), std::move(receiver.body), listener_of(handle.get())};
}

}  // namespace

std::string target_of(std::string_view path, const Query& query) {
  std::string target(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator + percent_encoded(name, "/") + "=" + percent_encoded(value, "/");
    separator = '&';
  }
  return target;
}

AdminClient::AdminClient(std::string socket_path, std::chrono::milliseconds timeout,
                         std::string advice)
    : socket_path_(std::move(socket_path)), timeout_(timeout), advice_(std::move(advice)) {}

Result<Reply> AdminClient::get(std::string_view path, const Query& query) const {
  return perform(socket_path_, timeout_, true, url_of(path, query), nullptr, is_over_);
}

Result<Reply> AdminClient::post(std::string_view path, const std::string& body) const {
  return perform(socket_path_, timeout_, true, url_of(path, {}), nullptr, is_over_, &body);
}

Result<Reply> AdminClient::stream(std::string_view path, const Query& query,
                                  const OnLine& on_line) const {
  return perform(socket_path_, timeout_, false, url_of(path, query), &on_line, is_over_);
}

}  // namespace keelson::ctl
