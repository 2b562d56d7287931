#include "hold/interfaces.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
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

// Sends a dump request and calls `row` for each answer; mnl_cb_run parses the stream.
template <class Row>
Result<void> dump(const Fd& socket, uint16_t type, Row row) {
  alignas(nlmsghdr) std::array<char, 16384> buffer;
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = type;
  auto* general = static_cast<rtgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtgenmsg)));
  general->rtgen_family = AF_UNSPEC;
  if (::send(socket.get(), request, request->nlmsg_len, 0) < 0)
    return fail_errno(Reason::io_error, errno, "rtnetlink request");
  const auto on_message = [](const nlmsghdr* message, void* context) {
    (*static_cast<Row*>(context))(message);
    return MNL_CB_OK;
  };
  for (;;) {
    const ssize_t received = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return fail_errno(Reason::io_error, errno, "rtnetlink answer");
    const int state =
        mnl_cb_run(buffer.data(), static_cast<size_t>(received), type, 0, on_message, &row);
    if (state < 0) return fail_errno(Reason::io_error, errno, "rtnetlink answer");
    if (state == MNL_CB_STOP) return {};
  }
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

Result<std::vector<Interface>> read_links(const Fd& socket) {
  std::vector<Interface> found;
  KS_TRY(dump(socket, RTM_GETLINK, [&found](const nlmsghdr* message) {
    const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    Interface link;
    link.index = static_cast<uint32_t>(header->ifi_index);
    link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
    each_attribute(message, sizeof(ifinfomsg), [&link](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == IFLA_LINK) link.peer = mnl_attr_get_u32(attribute);
      if (mnl_attr_get_type(attribute) == IFLA_IFNAME) link.name = mnl_attr_get_str(attribute);
    });
    found.push_back(std::move(link));
  }));
  return found;
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
  if (chosen != nullptr) {
    pod.ifindex = chosen->index;
    KS_ASSIGN(const std::vector<Interface> host_links, read_links(at_home));
    for (const Interface& link : host_links)
      if (chosen->peer != 0 && link.index == chosen->peer && link.peer == chosen->index)
        pod.peer_ifindex = link.index;
  }
  return dump(in_pod, RTM_GETADDR, [&pod](const nlmsghdr* message) { add_address(message, pod); });
}

}  // namespace keelson::hold
