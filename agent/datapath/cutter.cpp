#include "datapath/cutter.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_set>

namespace keelson::datapath {
namespace {

// Connections that can still carry bytes: half-closed ones too.
constexpr uint32_t kCarrying =
    1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT;
constexpr uint32_t kListening = 1U << TCP_LISTEN;

using Buffer = std::array<char, 32768>;

inet_diag_req_v2* put_request(nlmsghdr* message, uint16_t type, uint16_t flags, uint8_t family) {
  message->nlmsg_type = type;
  message->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  message->nlmsg_seq = 1;
  auto* request =
      static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_req_v2)));
  request->sdiag_family = family;
  request->sdiag_protocol = IPPROTO_TCP;
  return request;
}

template <class Visit>
void each_attribute(const char* begin, const char* end, Visit visit) {
  for (const auto* at = reinterpret_cast<const nlattr*>(begin);
       mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at)));
       at = mnl_attr_next(at))
    visit(at);
}

template <class Visit>
void each_nested(const nlattr* parent, Visit visit) {
  const auto* begin = static_cast<const char*>(mnl_attr_get_payload(parent));
  each_attribute(begin, begin + mnl_attr_get_payload_len(parent), visit);
}

// INET_DIAG_SK_BPF_STORAGES { SK_DIAG_BPF_STORAGE { MAP_ID, MAP_VALUE } }: we asked for one map.
std::optional<ks_attestation> read_attestation(const nlattr* storages) {
  std::optional<ks_attestation> found;
  each_nested(storages, [&](const nlattr* storage) {
    each_nested(storage, [&](const nlattr* field) {
      if (mnl_attr_get_type(field) != SK_DIAG_BPF_STORAGE_MAP_VALUE ||
          mnl_attr_get_payload_len(field) < sizeof(ks_attestation))
        return;
      std::memcpy(&found.emplace(), mnl_attr_get_payload(field), sizeof(ks_attestation));
    });
  });
  return found;
}

IpAddress address_of(uint8_t family, const __be32 (&words)[4]) {
  ks_addr raw{};
  if (family == AF_INET) {
    raw.word[2] = htonl(0xffff);
    raw.word[3] = words[0];
  } else {
    std::memcpy(raw.word, words, sizeof raw.word);
  }
  return IpAddress(raw);
}

Connection read_connection(const nlmsghdr* message) {
  const auto* found = static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
  Connection connection;
  connection.local = {address_of(found->idiag_family, found->id.idiag_src),
                      ntohs(found->id.idiag_sport)};
  connection.remote = {address_of(found->idiag_family, found->id.idiag_dst),
                       ntohs(found->id.idiag_dport)};
  connection.cookie =
      uint64_t{found->id.idiag_cookie[1]} << 32 | uint64_t{found->id.idiag_cookie[0]};
  each_attribute(
      static_cast<const char*>(mnl_nlmsg_get_payload_offset(message, sizeof(inet_diag_msg))),
      static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)), [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) == INET_DIAG_SK_BPF_STORAGES)
          connection.attestation = read_attestation(attribute);
      });
  return connection;
}

// Sends the request in `buffer` and feeds every answer to `visit` until the kernel says it is done.
template <class Visit>
Result<void> converse(const Fd& sock_diag, Buffer& buffer, Visit visit) {
  const timeval limit{1, 0};
  ::setsockopt(sock_diag.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const auto* request = reinterpret_cast<const nlmsghdr*>(buffer.data());
  if (::send(sock_diag.get(), request, request->nlmsg_len, 0) < 0)
    return fail_errno(Reason::io_error, errno, "sock_diag request");
  const auto on_message = [](const nlmsghdr* message, void* context) {
    (*static_cast<Visit*>(context))(message);
    return MNL_CB_OK;
  };
  for (;;) {
    const ssize_t received = ::recv(sock_diag.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return fail_errno(Reason::io_error, errno, "sock_diag answer");
    const int state =
        mnl_cb_run(buffer.data(), static_cast<size_t>(received), 1, 0, on_message, &visit);
    if (state < 0) return fail_errno(Reason::io_error, errno, "sock_diag");
    if (state == MNL_CB_STOP) return {};
  }
}

Result<void> dump(const Fd& sock_diag, uint8_t family, uint32_t states, int socket_map,
                  std::vector<Connection>& found) {
  alignas(nlmsghdr) Buffer buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  put_request(message, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family)->idiag_states = states;
  if (socket_map >= 0) {
    nlattr* nest = mnl_attr_nest_start(message, INET_DIAG_REQ_SK_BPF_STORAGES);
    mnl_attr_put_u32(message, SK_DIAG_BPF_STORAGE_REQ_MAP_FD, static_cast<uint32_t>(socket_map));
    mnl_attr_nest_end(message, nest);
  }
  return converse(sock_diag, buffer, [&found](const nlmsghdr* answer) {
    if (mnl_nlmsg_get_payload_len(answer) >= sizeof(inet_diag_msg))
      found.push_back(read_connection(answer));
  });
}

// Fills the 4-tuple in network order, as the dump gave it.
void put_endpoint(const Endpoint& from, __be16& port, __be32 (&words)[4]) {
  port = htons(from.port);
  const ks_addr raw = from.address.raw();
  if (from.address.is_v4())
    words[0] = raw.word[3];
  else
    std::memcpy(words, raw.word, sizeof raw.word);
}

Result<void> destroy(const Fd& sock_diag, const Connection& connection) {
  alignas(nlmsghdr) Buffer buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  const uint8_t family = connection.local.address.is_v4() ? AF_INET : AF_INET6;
  inet_diag_req_v2* request = put_request(message, SOCK_DESTROY, NLM_F_ACK, family);
  request->idiag_states = kCarrying;
  put_endpoint(connection.local, request->id.idiag_sport, request->id.idiag_src);
  put_endpoint(connection.remote, request->id.idiag_dport, request->id.idiag_dst);
  request->id.idiag_cookie[0] = static_cast<uint32_t>(connection.cookie);
  request->id.idiag_cookie[1] = static_cast<uint32_t>(connection.cookie >> 32);
  return converse(sock_diag, buffer, [](const nlmsghdr*) {});
}

}  // namespace

Result<std::vector<Connection>> list_connections(const Fd& sock_diag, int socket_map) {
  std::vector<Connection> connections;
  std::vector<Connection> listeners;
  for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    KS_TRY(dump(sock_diag, family, kCarrying, socket_map, connections));
    KS_TRY(dump(sock_diag, family, kListening, -1, listeners));
  }
  std::unordered_set<uint16_t> listening;
  for (const Connection& listener : listeners) listening.insert(listener.local.port);
  for (Connection& connection : connections)
    connection.accepted =
        connection.attestation.has_value() || listening.contains(connection.local.port);
  return connections;
}

Result<uint32_t> cut_connections(const Fd& sock_diag, const std::vector<Connection>& connections,
                                 const std::function<bool(const Connection&)>& chosen) {
  constexpr uint64_t kNoCookie = ~uint64_t{0};  // INET_DIAG_NOCOOKIE: would match any socket
  uint32_t cut = 0;
  for (const Connection& connection : connections) {
    if (!chosen(connection)) continue;
    if (connection.cookie == 0 || connection.cookie == kNoCookie)
      return fail(Reason::internal, ErrorSource::kInternal, "a cut needs the socket's cookie");
    const auto destroyed = destroy(sock_diag, connection);
    if (destroyed) {
      ++cut;
    } else if (destroyed.error().os_errno != ENOENT && destroyed.error().os_errno != ESTALE) {
      return Failure(destroyed.error());
    }
  }
  return cut;
}

}  // namespace keelson::datapath
