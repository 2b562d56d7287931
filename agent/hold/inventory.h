// Inventory: everything keelson-hold keeps: registered pods with their listeners, the fd store and
// the tag map. Answers requests whose caller and size were checked. Owner: the server's only
// thread. Knows no sockets of clients and parses nothing but the fixed request struct.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "hold/pod_namespace.h"
#include "link/hold_messages.h"

namespace keelson::hold {

struct Answer {
  link::HoldReply reply{};
  std::vector<Fd> made;   // made for this answer: closed here once they are sent
  std::vector<int> kept;  // stay ours
};

class Inventory {
 public:
  // `fds` came with the request; what is not kept is closed.
  Result<Answer> answer(const link::HoldRequest& request, std::vector<Fd> fds);

 private:
  struct Pod {
    PodNamespace netns;
    std::array<Fd, KS_LISTENERS_PER_POD> listeners;
  };

  Result<Answer> take_tag_map(std::vector<Fd> fds);
  Result<Answer> register_pod(const link::HoldRequest& request);
  Result<Answer> forget(const link::HoldRequest& request);
  Result<Answer> adopt(const link::HoldRequest& request, std::vector<Fd> fds);
  Result<Answer> put(const link::HoldRequest& request, std::vector<Fd> fds);
  Result<Answer> drop(const link::HoldRequest& request);
  Result<Answer> listeners(const link::HoldRequest& request);
  Result<Answer> get(const link::HoldRequest& request);
  Result<Answer> list(const link::HoldRequest& request);
  Result<Answer> sockets(const link::HoldRequest& request);
  Result<Pod*> find(const link::HoldRequest& request);

  Fd tag_map_;
  std::map<std::string, Pod> pods_;
  std::map<std::string, Fd> store_;
};

}  // namespace keelson::hold
