#include "link/seqpacket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace keelson::link {
namespace {

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(Reason::bad_value, ErrorSource::kConfig,
                "socket path '" + path + "' is empty or longer than 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> make_socket(int flags) {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
  if (!socket) return fail_errno(Reason::io_error, errno, "socket(AF_UNIX, SOCK_SEQPACKET)");
  return socket;
}

std::vector<Fd> take_fds(msghdr& message) {
  std::vector<Fd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Result<Fd> listen_seqpacket(const std::string& path, mode_t mode) {
  const std::string fresh = path + ".new";
  KS_ASSIGN(const sockaddr_un address, unix_address(fresh));
  KS_TRY(unix_address(path));
  KS_ASSIGN(Fd socket, make_socket(SOCK_NONBLOCK));
  ::unlink(fresh.c_str());
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(Reason::io_error, errno, "bind " + fresh);
  if (::chmod(fresh.c_str(), mode) != 0)
    return fail_errno(Reason::io_error, errno, "chmod " + fresh);
  if (::listen(socket.get(), 64) != 0) return fail_errno(Reason::io_error, errno, "listen " + path);
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return fail_errno(Reason::io_error, errno, "rename " + fresh + " to " + path);
  return socket;
}

Result<Fd> connect_seqpacket(const std::string& path) {
  KS_ASSIGN(const sockaddr_un address, unix_address(path));
  KS_ASSIGN(Fd socket, make_socket(0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(Reason::cannot_reach, errno, "connect " + path);
  return socket;
}

Result<Fd> accept_seqpacket(const Fd& listener) {
  Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return fail_errno(Reason::io_error, errno, "accept4");
  return socket;
}

Result<PeerCredentials> peer_credentials(const Fd& socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    return fail_errno(Reason::io_error, errno, "SO_PEERCRED");
  return PeerCredentials{credentials.uid, credentials.gid, credentials.pid};
}

Result<void> send_message(const Fd& socket, std::span<const std::byte> bytes,
                          std::span<const int> fds) {
  if (bytes.empty() || fds.size() > kFdsPerMessageMax)
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                "empty message or more than 64 fds");
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsPerMessageMax * sizeof(int))] = {};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return fail_errno(Reason::cannot_reach, errno, "sendmsg");
  return {};
}

Result<Received> receive_message(const Fd& socket, std::span<std::byte> into) {
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsPerMessageMax * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received;
  do {
    received = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return fail_errno(Reason::cannot_reach, errno, "recvmsg");
  Received result{static_cast<size_t>(received), take_fds(message)};
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Reason::message_malformed, ErrorSource::kInternal,
                "message or its fds do not fit the receiver");
  return result;
}

}  // namespace keelson::link
