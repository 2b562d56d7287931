// SourceSide: where the agent's objects come from, a folder or the API server, with what that needs
// on the loop, and what there is to say about it. Only wiring, like App, which owns it. Agent loop
// only.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "admin/admin_state.h"
#include "base/clock.h"
#include "io/poll.h"
#include "io/timer.h"
#include "rest/curl_client.h"
#include "source/directory/directory_source.h"
#include "source/kube/kube_source.h"

namespace keelson {

struct SourceSideOptions {
  std::vector<std::string> folders;  // empty: the API server
  std::string kubeconfig;            // empty: as a pod of the cluster
  std::string node;
};

class SourceSide {
 public:
  SourceSide(io::EventLoop& loop, const Clock& clock, SourceSideOptions options);
  ~SourceSide();

  // Error: what was configured cannot be used. An API server that is away is no error.
  Result<void> start(source::ObjectSource::OnChange on_change);
  // Null with folders, and before start().
  rest::Client* client() noexcept { return client_ ? &*client_ : nullptr; }
  // Of the own Node object, as the token of this pod tells; empty where it tells none.
  const std::string& node_uid() const noexcept { return node_uid_; }
  // False: nothing is known yet, which must not be taken for an empty cluster.
  bool has_delivered() const noexcept { return has_delivered_; }
  // Why nothing was delivered yet, for people.
  std::string waiting_for() const;
  std::vector<model::Finding> findings() const;
  admin::SourceState state() const;

 private:
  Result<void> start_folders();
  Result<void> start_kube();
  void arm();
  source::ObjectSource::OnChange deliver();

  io::EventLoop& loop_;
  const Clock& clock_;
  const SourceSideOptions options_;
  std::mt19937_64 random_;
  source::ObjectSource::OnChange on_change_;
  bool has_delivered_ = false;
  std::string url_, node_uid_;
  std::optional<source::DirectorySource> directory_;
  std::optional<io::Poll> poll_;
  std::optional<rest::CurlClient> client_;
  std::optional<source::KubeSource> kube_;  // its calls end before the client
  io::Timer timer_;
};

// What is wrong between the agent and the API server at `url`. Pure.
std::vector<model::Finding> source_findings(const source::KubeState& state, const std::string& url,
                                            MonotonicTime now, WallTime wall_now);
admin::SourceState source_state(const source::KubeState& state, MonotonicTime now);

}  // namespace keelson
