#include "successor.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace keelson {

bool Successor::is_gone(const FileIdentity& own) {
  misses_ = listens(own) ? 0 : misses_ + 1;
  return misses_ >= kMissesMax;
}

// What cannot be found out counts as there.
bool Successor::listens(const FileIdentity& own) const {
  if (own.is_there()) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path_.size() >= sizeof address.sun_path) return true;
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return true;
  const int connected =
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return connected == 0 || (errno != ECONNREFUSED && errno != ENOENT);
}

}  // namespace keelson
