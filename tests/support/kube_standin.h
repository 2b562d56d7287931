// KubeStandin: one kube-standin process (tests/support/apiserver) with its folder, on free ports of
// 127.0.0.1. The constructor returns when it serves; whatever fails throws std::runtime_error with
// what the process said. It ends with the object, and with the thread that made it, also by a
// crash: make it on a thread that outlives it. Calls block; one thread at a time. Needs
// KEELSON_BIN. The control API and the faults: tests/support/apiserver/README.md.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace keelson::test {

struct StandinAnswer {
  long status = 0;
  std::string body;
};

class KubeStandin {
 public:
  // `arguments` are further ones of `kube-standin serve`.
  explicit KubeStandin(std::vector<std::string> arguments = {});
  ~KubeStandin();
  KubeStandin(const KubeStandin&) = delete;
  KubeStandin& operator=(const KubeStandin&) = delete;

  const std::string& url() const { return api_; }  // https://127.0.0.1:PORT
  const std::string& token() const { return token_; }
  const std::string& folder() const { return folder_; }
  std::string kubeconfig() const { return folder_ + "/kubeconfig"; }
  std::string ca_file() const { return folder_ + "/ca.crt"; }
  std::string account_folder() const { return folder_ + "/serviceaccount"; }  // as in a pod
  pid_t pid() const { return pid_; }

  // One call of the control API; anything but success throws. Answers with the JSON text.
  std::string steer(const std::string& method, const std::string& path,
                    const std::string& body = "") const;
  // Objects as JSON, one a line, created or replaced as they are.
  void load(const std::string& lines) const { steer("POST", "/standin/load", lines); }
  void generate(size_t nodes, size_t namespaces, size_t services, size_t pods) const;
  int add_fault(const std::string& fault) const;  // its id
  void clear_faults() const { steer("DELETE", "/standin/faults"); }
  void refuse_for(std::chrono::milliseconds duration) const;
  void expire(const std::string& kind) const { steer("POST", "/standin/expire/" + kind); }
  void hide(const std::string& kind) const { steer("DELETE", "/standin/kinds/" + kind); }
  void show(const std::string& kind) const { steer("PUT", "/standin/kinds/" + kind); }
  std::string counts() const { return steer("GET", "/standin/counts"); }

  // A request to the API itself, as admin: `media` is the Content-Type of `body`.
  StandinAnswer request(const std::string& method, const std::string& path,
                        const std::string& body = "",
                        const std::string& media = "application/json") const;

  // The process dies at once, as of a power cut.
  void kill();
  // Another one takes its place for its clients: address, certificate and token are the same. It
  // knows no object but those of `arguments`.
  void restart(std::vector<std::string> arguments = {});

 private:
  void start(std::vector<std::string> arguments);
  void read_ready_line(int from);

  pid_t pid_ = -1;
  std::string folder_, api_, control_, token_;
};

}  // namespace keelson::test
