// KubeLink: one agent through `kubectl exec`: keelsonctl in its pod fetches the answer (`keelsonctl
// raw`), this one renders it, so that colours, tables, exit codes and streams are as on the node.
// Blocking; one thread each.
#pragma once

#include "keelsonctl/kubectl.h"

namespace keelson::ctl {

class KubeLink final : public AgentLink {
 public:
  // `kubectl` outlives it. `go_on` (may be null): false ends a stream.
  KubeLink(const Kubectl& kubectl, NodeAgent agent, Runner::GoOn go_on = nullptr)
      : kubectl_(kubectl), agent_(std::move(agent)), go_on_(std::move(go_on)) {}

  Result<Reply> get(std::string_view path, const Query& query) const override;
  Result<Reply> stream(std::string_view path, const Query& query,
                       const OnLine& on_line) const override;
  std::string place() const override { return "pod " + agent_.pod + " of " + agent_.node; }
  std::string advice() const override;

 private:
  Result<Reply> ask(const std::vector<std::string>& words, const OnLine& on_line) const;

  const Kubectl& kubectl_;
  NodeAgent agent_;
  Runner::GoOn go_on_;
};

// What `keelsonctl raw` in a pod brought: its exit code stands for the status. Pure.
Result<Reply> read_raw(Ended ended);

}  // namespace keelson::ctl
