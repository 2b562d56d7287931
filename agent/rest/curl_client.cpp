#include "rest/curl_client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace keelson::rest {
namespace {

constexpr std::chrono::milliseconds kIdleCheckInterval{500};

}  // namespace

class CurlClient::CurlCall final : public Call {
 public:
  CurlCall(CurlClient& client, Id id) : client_(client), id_(id) {}
  ~CurlCall() override { client_.cancel(id_); }
  CurlCall(const CurlCall&) = delete;
  CurlCall& operator=(const CurlCall&) = delete;

 private:
  CurlClient& client_;
  const Id id_;
};

CurlClient::CurlClient(io::EventLoop& loop, const Clock& clock, Server server)
    : loop_(loop),
      clock_(clock),
      server_(std::move(server)),
      multi_(curl_multi_init()),
      curl_timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }),
      idle_timer_(loop, [this] { check_idle(); }),
      refused_timer_(loop, [this] { deliver(); }) {
  KS_ASSERT(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlClient::socket_wanted);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlClient::timer_wanted);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

CurlClient::~CurlClient() {
  KS_ASSERT(transfers_.empty() && refused_.empty());
  curl_multi_cleanup(multi_);
}

std::unique_ptr<Call> CurlClient::send(Request request, OnAnswer on_answer) {
  auto transfer = Transfer::make(server_, clock_, std::move(request), on_answer);
  return begin(std::move(transfer), std::move(on_answer));
}

std::unique_ptr<Call> CurlClient::open_stream(StreamRequest request, StreamHandler handler) {
  OnAnswer on_end = handler.on_end;
  auto transfer = Transfer::make(server_, clock_, std::move(request), std::move(handler));
  return begin(std::move(transfer), std::move(on_end));
}

std::unique_ptr<Call> CurlClient::begin(Result<std::unique_ptr<Transfer>> transfer,
                                        OnAnswer on_refused) {
  const Id id = next_id_++;
  if (!transfer) {
    refused_[id] = [call = std::move(on_refused), error = std::move(transfer).error()] {
      call(Failure(error));
    };
    refused_timer_.start({});
    return std::make_unique<CurlCall>(*this, id);
  }
  if (std::exchange(is_distrusted_, false)) (*transfer)->use_new_connection();
  const CURLMcode added = curl_multi_add_handle(multi_, (*transfer)->handle());
  KS_ASSERT(added == CURLM_OK);
  transfers_[id] = std::move(*transfer);
  if (!idle_timer_.is_active()) idle_timer_.start_repeating(kIdleCheckInterval);
  return std::make_unique<CurlCall>(*this, id);
}

void CurlClient::cancel(Id id) {
  refused_.erase(id);
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  curl_multi_remove_handle(multi_, found->second->handle());
  transfers_.erase(found);
  if (transfers_.empty()) idle_timer_.stop();
}

int CurlClient::socket_wanted(CURL*, curl_socket_t socket, int wanted, void* self, void*) {
  static_cast<CurlClient*>(self)->watch(socket, wanted);
  return 0;
}

int CurlClient::timer_wanted(CURLM*, long delay_ms, void* self) {
  auto& timer = static_cast<CurlClient*>(self)->curl_timer_;
  if (delay_ms < 0)
    timer.stop();
  else
    timer.start(std::chrono::milliseconds(delay_ms));
  return 0;
}

void CurlClient::watch(curl_socket_t socket, int wanted) {
  if (wanted == CURL_POLL_REMOVE) {
    polls_.erase(socket);
    return;
  }
  auto found = polls_.find(socket);
  if (found == polls_.end()) {
    auto poll = io::Poll::open(loop_, socket, [this, socket](io::Readiness ready) {
      act(socket, (ready.readable ? CURL_CSELECT_IN : 0) | (ready.writable ? CURL_CSELECT_OUT : 0));
    });
    KS_ASSERT(poll);  // a TCP socket that nobody else has
    found = polls_.emplace(socket, std::move(*poll)).first;
  }
  found->second.watch(
      {.readable = (wanted & CURL_POLL_IN) != 0, .writable = (wanted & CURL_POLL_OUT) != 0});
}

void CurlClient::act(curl_socket_t socket, int ready) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, ready, &running);
  collect_ended();
  deliver();
}

void CurlClient::collect_ended() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    char* owner = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    curl_multi_remove_handle(multi_, easy);
    reinterpret_cast<Transfer*>(owner)->end(code);
  }
}

// A callback may begin and cancel calls, so each step looks up what there is.
void CurlClient::deliver() {
  if (std::exchange(is_delivering_, true)) return;
  for (const Id newest = next_id_; !refused_.empty() && refused_.begin()->first < newest;) {
    const auto call = std::move(refused_.begin()->second);
    refused_.erase(refused_.begin());
    call();
  }
  for (Id id = 0;;) {
    const auto next = transfers_.upper_bound(id);
    if (next == transfers_.end()) break;
    id = next->first;
    for (auto at = next; at != transfers_.end() && at->second->has_news();
         at = transfers_.find(id)) {
      const bool is_last = at->second->has_ended();
      const auto call = at->second->take_news();
      if (is_last) cancel(id);
      call();
    }
  }
  is_delivering_ = false;
  if (!refused_.empty()) refused_timer_.start({});
}

void CurlClient::check_idle() {
  for (const auto& [id, transfer] : transfers_) {
    if (!transfer->is_idle_too_long()) continue;
    curl_multi_remove_handle(multi_, transfer->handle());
    transfer->end(transfer->idle_error());
    is_distrusted_ = true;
  }
  deliver();
}

}  // namespace keelson::rest
