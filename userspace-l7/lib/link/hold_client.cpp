#include "link/hold_client.h"

#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <cstring>

#include "link/seqpacket.h"

namespace keelson::link {
namespace {

using std::chrono::steady_clock;

HoldRequest request_of(HoldOp op) {
  HoldRequest request{};
  request.version = kHoldProtocolVersion;
  request.op = op;
  return request;
}

template <size_t N>
Result<void> put_text(char (&field)[N], std::string_view text, const char* what) {
  if (text.empty() || text.size() >= N || text.find('\0') != std::string_view::npos)
    return fail(Reason::bad_value, ErrorSource::kConfig,
                std::string(what) + " '" + std::string(text) + "' is empty or too long");
  std::memcpy(field, text.data(), text.size());
  return {};
}

Result<HoldRequest> pod_request(HoldOp op, std::string_view pod) {
  HoldRequest request = request_of(op);
  KS_TRY(put_text(request.pod, pod, "pod key"));
  return request;
}

Result<HoldRequest> store_request(HoldOp op, std::string_view key) {
  HoldRequest request = request_of(op);
  KS_TRY(put_text(request.store_key, key, "store key"));
  return request;
}

Error refusal(const HoldReply& reply) {
  const auto reason = static_cast<Reason>(reply.reason);
  Error error{reason, ErrorSource::kKernel, false, reply.os_errno, "keelson-hold"};
  error.retryable = reason == Reason::io_error;
  return error;
}

Failure unreachable(const std::string& path, Error cause) {
  return Failure(Error{Reason::hold_unreachable, ErrorSource::kInternal, true, cause.os_errno,
                       "keelson-hold at " + path + ": " + cause.context});
}

}  // namespace

Result<void> HoldClient::connect() {
  auto connected = connect_seqpacket(socket_path_);
  if (!connected) return unreachable(socket_path_, connected.error());
  socket_ = std::move(*connected);
  // Non-blocking, so that only wait() waits and the time limit holds.
  if (::fcntl(socket_.get(), F_SETFL, O_NONBLOCK) != 0)
    return fail_errno(Reason::io_error, errno, "fcntl O_NONBLOCK");
  ++connections_;
  return {};
}

Result<void> HoldClient::wait(short events, steady_clock::time_point deadline) const {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    pollfd entry{socket_.get(), events, 0};
    const int ready = ::poll(&entry, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
    if (ready > 0) return {};
    if (ready < 0 && errno == EINTR) continue;
    return fail_errno(Reason::hold_unreachable, ready == 0 ? ETIMEDOUT : errno, "no answer");
  }
}

bool HoldClient::has_ended() const noexcept {
  pollfd entry{socket_.get(), POLLIN, 0};  // nothing comes unasked but the end
  return !socket_ || ::poll(&entry, 1, 0) != 0;
}

Result<HoldClient::Answer> HoldClient::exchange(const HoldRequest& request, int fd) {
  const auto deadline = steady_clock::now() + time_limit_;
  KS_TRY(wait(POLLOUT, deadline));
  const std::span<const int> fds(&fd, fd >= 0 ? 1 : 0);
  KS_TRY(send_message(socket_, std::as_bytes(std::span(&request, 1)), fds));
  KS_TRY(wait(POLLIN, deadline));
  Answer answer{};
  KS_ASSIGN(Received received,
            receive_message(socket_, std::as_writable_bytes(std::span(&answer.reply, 1))));
  if (received.bytes == 0) return fail_errno(Reason::cannot_reach, ECONNRESET, "connection closed");
  if (received.bytes != sizeof answer.reply || answer.reply.version != kHoldProtocolVersion ||
      answer.reply.op != request.op || answer.reply.fd_count != received.fds.size())
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                "answer of another protocol version or size");
  answer.fds = std::move(received.fds);
  return answer;
}

Result<HoldClient::Answer> HoldClient::ask(const HoldRequest& request, int fd) {
  const bool was_connected = static_cast<bool>(socket_);
  if (!was_connected) KS_TRY(connect());
  auto answer = exchange(request, fd);
  const bool stale = !answer && was_connected && answer.error().reason == Reason::cannot_reach;
  if (stale) {  // hold was restarted since the last request; every request may be repeated
    socket_.reset();
    KS_TRY(connect());
    answer = exchange(request, fd);
  }
  if (!answer) {  // a late answer would be taken for the next request's: never reuse the socket
    socket_.reset();
    if (answer.error().reason == Reason::message_malformed) return answer;
    return unreachable(socket_path_, answer.error());
  }
  if (answer->reply.reason != 0) return Failure(refusal(answer->reply));
  return answer;
}

Result<void> HoldClient::give_tag_map(int map_fd) {
  KS_TRY(ask(request_of(HoldOp::kTagMap), map_fd));
  return {};
}

Result<Registration> HoldClient::register_pod(std::string_view pod, std::string_view netns_path) {
  KS_ASSIGN(HoldRequest request, pod_request(HoldOp::kRegister, pod));
  KS_TRY(put_text(request.netns_path, netns_path, "netns path"));
  KS_ASSIGN(Answer answer, ask(request));
  if (answer.fds.size() != 1 || answer.reply.pod.address_count > kPodAddressesMax)
    return fail(Reason::message_malformed, ErrorSource::kInternal, "kRegister answer");
  return Registration{answer.reply.pod, std::move(answer.fds[0])};
}

Result<void> HoldClient::forget(std::string_view pod) {
  KS_ASSIGN(const HoldRequest request, pod_request(HoldOp::kForget, pod));
  KS_TRY(ask(request));
  return {};
}

Result<void> HoldClient::adopt(std::string_view pod, ks_family family, ks_role role, int listener) {
  KS_ASSIGN(HoldRequest request, pod_request(HoldOp::kAdopt, pod));
  request.family = family;
  request.role = role;
  KS_TRY(ask(request, listener));
  return {};
}

Result<PodListeners> HoldClient::listeners(std::string_view pod) {
  KS_ASSIGN(const HoldRequest request, pod_request(HoldOp::kListeners, pod));
  KS_ASSIGN(Answer answer, ask(request));
  PodListeners listeners;
  size_t next = 0;
  for (size_t i = 0; i < listeners.size(); ++i) {
    if ((answer.reply.listener_mask >> i & 1U) == 0) continue;
    if (next == answer.fds.size()) break;
    listeners[i] = std::move(answer.fds[next++]);
  }
  if (next != answer.fds.size() || next == 0)
    return fail(Reason::message_malformed, ErrorSource::kInternal, "kListeners answer");
  return listeners;
}

Result<void> HoldClient::put(std::string_view store_key, int fd) {
  KS_ASSIGN(const HoldRequest request, store_request(HoldOp::kPut, store_key));
  KS_TRY(ask(request, fd));
  return {};
}

Result<void> HoldClient::drop(std::string_view store_key) {
  KS_ASSIGN(const HoldRequest request, store_request(HoldOp::kDrop, store_key));
  KS_TRY(ask(request));
  return {};
}

Result<Fd> HoldClient::get(std::string_view store_key) {
  KS_ASSIGN(const HoldRequest request, store_request(HoldOp::kGet, store_key));
  KS_ASSIGN(Answer answer, ask(request));
  if (answer.fds.size() != 1)
    return fail(Reason::message_malformed, ErrorSource::kInternal, "kGet answer");
  return std::move(answer.fds[0]);
}

Result<ListedPod> HoldClient::list(uint32_t index) {
  HoldRequest request = request_of(HoldOp::kList);
  request.count = index;
  KS_ASSIGN(Answer answer, ask(request));
  if (answer.reply.pod.address_count > kPodAddressesMax)
    return fail(Reason::message_malformed, ErrorSource::kInternal, "kList answer");
  const char* key = answer.reply.key;
  return ListedPod{std::string(key, strnlen(key, sizeof answer.reply.key)), answer.reply.pod};
}

Result<std::vector<ListedPod>> HoldClient::list_all() {
  std::vector<ListedPod> pods;
  for (uint32_t index = 0; index < KS_PODS_MAX; ++index) {
    auto pod = list(index);
    if (!pod && pod.error().reason == Reason::not_found) break;
    if (!pod) return Failure(std::move(pod).error());
    pods.push_back(std::move(*pod));
  }
  return pods;
}

Result<std::vector<Fd>> HoldClient::sockets(std::string_view pod, ks_family family, ks_role role,
                                            uint32_t count) {
  KS_ASSIGN(HoldRequest request, pod_request(HoldOp::kSockets, pod));
  request.family = family;
  request.role = role;
  request.count = count;
  KS_ASSIGN(Answer answer, ask(request));
  return std::move(answer.fds);
}

}  // namespace keelson::link
