#include "hold/interfaces.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace keelson::hold {
namespace {

struct Interface {
  uint32_t index = 0;
  uint32_t peer = 0;  // IFLA_LINK
  bool loopback = false;
  std::string name;
};

using Buffer = std::array<char, 16384>;

// Of a dump whose subject changes all the time.
constexpr int kDumpTries = 5;

Result<void> send_request(const Fd& socket, const nlmsghdr* request) {
  if (::send(socket.get(), request, request->nlmsg_len, 0) < 0)
    return fail_errno(Reason::io_error, errno, "rtnetlink request");
  return {};
}

Result<size_t> receive(const Fd& socket, Buffer& buffer) {
  for (;;) {
    const ssize_t received = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (received > 0) return static_cast<size_t>(received);
    if (received == 0 || errno != EINTR)
      return fail_errno(Reason::io_error, errno, "rtnetlink answer");
  }
}

// Calls `row` for each message of an answer. As mnl_cb_run: below 0 errno tells why.
template <class Row>
int each_message(const Buffer& buffer, size_t bytes, uint32_t sequence, Row& row) {
  const auto on_message = [](const nlmsghdr* message, void* context) {
    (*static_cast<Row*>(context))(message);
    return MNL_CB_OK;
  };
  return mnl_cb_run(buffer.data(), bytes, sequence, 0, on_message, &row);
}

// libmnl would stop at the mark, and the rest of the dump be taken for the next answer.
bool clear_interrupted(Buffer& buffer, size_t bytes) {
  bool is_marked = false;
  int left = static_cast<int>(bytes);
  auto* message = static_cast<nlmsghdr*>(static_cast<void*>(buffer.data()));
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    is_marked |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    message->nlmsg_flags = static_cast<uint16_t>(message->nlmsg_flags & ~NLM_F_DUMP_INTR);
  }
  return is_marked;
}

// False: what is dumped changed meanwhile, so that parts may be missing.
template <class Row>
Result<bool> dump_once(const Fd& socket, uint16_t type, Row& row) {
  alignas(nlmsghdr) Buffer buffer;
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = type;
  auto* general = static_cast<rtgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtgenmsg)));
  general->rtgen_family = AF_UNSPEC;
  KS_TRY(send_request(socket, request));
  bool is_whole = true;
  for (;;) {
    KS_ASSIGN(const size_t received, receive(socket, buffer));
    if (clear_interrupted(buffer, received)) is_whole = false;
    const int state = each_message(buffer, received, type, row);
    if (state < 0) return fail_errno(Reason::io_error, errno, "rtnetlink answer");
    if (state == MNL_CB_STOP) return is_whole;
  }
}

// Calls `row` for each answer to a dump request. `begin` comes first, and again before each further
// try: what the last one told is void.
template <class Begin, class Row>
Result<void> dump(const Fd& socket, uint16_t type, Begin begin, Row row) {
  for (int tries = 0; tries < kDumpTries; ++tries) {
    begin();
    KS_ASSIGN(const bool is_whole, dump_once(socket, type, row));
    if (is_whole) return {};
  }
  return fail_errno(
      Reason::io_error, EINTR,
      "rtnetlink dump: interfaces changed during each of " + std::to_string(kDumpTries) + " tries");
}

// libmnl's mnl_attr_for_each relies on C's conversion from void*.
template <class Visit>
void each_attribute(const nlmsghdr* message, size_t header_bytes, Visit visit) {
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute =
      static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, header_bytes));
  for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute))
    visit(attribute);
}

Interface link_of(const nlmsghdr* message) {
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  Interface link;
  link.index = static_cast<uint32_t>(header->ifi_index);
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  each_attribute(message, sizeof(ifinfomsg), [&link](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == IFLA_LINK) link.peer = mnl_attr_get_u32(attribute);
    if (mnl_attr_get_type(attribute) == IFLA_IFNAME) link.name = mnl_attr_get_str(attribute);
  });
  return link;
}

Result<std::vector<Interface>> read_links(const Fd& socket) {
  std::vector<Interface> found;
  KS_TRY(dump(
      socket, RTM_GETLINK, [&found] { found.clear(); },
      [&found](const nlmsghdr* message) { found.push_back(link_of(message)); }));
  return found;
}

// Not a dump: a node has a link for each of its pods. Nothing: it has none of this index.
Result<std::optional<Interface>> read_link(const Fd& socket, uint32_t index) {
  alignas(nlmsghdr) Buffer buffer;
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = RTM_GETLINK;
  request->nlmsg_flags = NLM_F_REQUEST;
  request->nlmsg_seq = RTM_GETLINK;
  auto* which = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg)));
  which->ifi_family = AF_UNSPEC;
  which->ifi_index = static_cast<int>(index);
  KS_TRY(send_request(socket, request));
  KS_ASSIGN(const size_t received, receive(socket, buffer));
  std::optional<Interface> found;
  auto row = [&found](const nlmsghdr* message) { found = link_of(message); };
  if (each_message(buffer, received, RTM_GETLINK, row) >= 0) return found;
  if (errno == ENODEV) return std::optional<Interface>();
  return fail_errno(Reason::io_error, errno, "rtnetlink answer");
}

void add_address(const nlmsghdr* message, link::HoldPod& pod) {
  const auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  const nlattr* own = nullptr;  // IFA_LOCAL where there is one: IFA_ADDRESS may be the far end
  each_attribute(message, sizeof(ifaddrmsg), [&own](const nlattr* attribute) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && own == nullptr)) own = attribute;
  });
  ks_addr address{};
  if (own == nullptr || pod.address_count == link::kPodAddressesMax) return;
  if (header->ifa_family == AF_INET && mnl_attr_get_payload_len(own) == 4) {
    constexpr unsigned char kMapped[2] = {0xff, 0xff};
    std::memcpy(reinterpret_cast<char*>(&address) + 10, kMapped, sizeof kMapped);
    std::memcpy(&address.word[3], mnl_attr_get_payload(own), 4);
  } else if (header->ifa_family == AF_INET6 && mnl_attr_get_payload_len(own) == 16) {
    std::memcpy(&address, mnl_attr_get_payload(own), 16);
  } else {
    return;
  }
  if (!IpAddress(address).is_loopback()) pod.addresses[pod.address_count++] = address;
}

}  // namespace

Result<void> read_interfaces(const Fd& in_pod, const Fd& at_home, link::HoldPod& pod) {
  KS_ASSIGN(const std::vector<Interface> links, read_links(in_pod));
  const Interface* chosen = nullptr;
  for (const Interface& link : links) {
    if (link.loopback) continue;
    if (chosen == nullptr || link.name == "eth0" || (chosen->peer == 0 && link.peer != 0))
      chosen = &link;
    if (link.name == "eth0") break;
  }
  if (chosen != nullptr) pod.ifindex = chosen->index;
  if (chosen != nullptr && chosen->peer != 0) {
    KS_ASSIGN(const std::optional<Interface> host, read_link(at_home, chosen->peer));
    if (host && host->index == chosen->peer && host->peer == chosen->index)
      pod.peer_ifindex = host->index;
  }
  return dump(
      in_pod, RTM_GETADDR, [&pod] { pod.address_count = 0; },
      [&pod](const nlmsghdr* message) { add_address(message, pod); });
}

}  // namespace keelson::hold
