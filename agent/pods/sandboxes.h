// Sandboxes: which network namespace belongs to which pod of this node, as the container runtime
// told it: by CNI ADD and DEL, and by listings (NetnsSource) for pods older than the agent and for
// a DEL that was missed. Of several sandboxes of one pod the newest counts. A listing is older than
// what CNI said after it began. A runtime lists a sandbox only after its ADD was answered, so one
// that no listing had yet is forgotten when several lack it. Where no runtime lists, sandboxes are
// guessed: one a pod, and never beside one that was told. Pure, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"

namespace keelson::pods {

struct Sandbox {
  std::string id;                    // the runtime's; CNI_CONTAINERID
  std::string uid;                   // of the pod
  std::string netns_path;            // empty: it runs, and the runtime does not tell where
  std::vector<IpAddress> addresses;  // as the runtime says; may be empty
  // Found by a process of the pod: `id` is not the runtime's, which has no word in it.
  bool is_guessed = false;
  friend bool operator==(const Sandbox&, const Sandbox&) = default;
};

// Where the sandboxes of pods come from that CNI did not tell about.
class NetnsSource {
 public:
  using OnListed = std::function<void(Result<std::vector<Sandbox>>)>;
  virtual ~NetnsSource() = default;
  // Calls back once, later, with every running sandbox that has a network namespace of its own; not
  // at all when destroyed before. One listing at a time.
  virtual void list(OnListed on_listed) = 0;
  virtual std::string name() const = 0;  // "the runtime at /run/containerd/containerd.sock"
};

class Sandboxes {
 public:
  using Moment = uint64_t;

  // True: the pod has another sandbox than before.
  bool attach(Sandbox sandbox);
  // Ends this sandbox, and what was guessed of its pod (empty: nothing was). True: one was known.
  bool detach(const std::string& id, const std::string& uid);
  // Of GC: ends every other that was told. True: something went.
  bool keep_only(const std::set<std::string>& ids);

  Moment now() const noexcept { return moment_; }
  // A complete listing that began at `began`: adds what is new, forgets what is gone. One without a
  // path keeps the one that it has. A guessed one of a pod that was told only says that the pod is
  // still there. True: changed.
  bool merge(const std::vector<Sandbox>& listed, Moment began);

  const Sandbox* of_pod(std::string_view uid) const;  // one with a path first; null: not known
  const Sandbox* find(std::string_view id) const;
  size_t size() const noexcept { return by_id_.size(); }

 private:
  struct Known {
    Sandbox sandbox;
    Moment since = 0;
    bool was_listed = false;
    int misses = 0;  // listings since then that lack it
  };
  bool drop_guess(std::string_view uid);
  bool ended_after(const Sandbox& sandbox, Moment began) const;

  std::map<std::string, Known, std::less<>> by_id_;
  // Sandboxes, and pods for what is guessed of them: since when, until a listing began after it.
  std::map<std::string, Moment> detached_;
  Moment moment_ = 0;
};

}  // namespace keelson::pods
