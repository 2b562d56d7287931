#include "keelsonctl/kube_link.h"

#include "keelsonctl/cli.h"

namespace keelson::ctl {

Result<Reply> read_raw(Ended ended) {
  if (ended.code == 0) return Reply{200, std::move(ended.out)};
  if (!is_remote_exit(ended)) return Failure(kubectl_error(ended));
  if (ended.code == kExitUsage && ended.out.empty())
    return fail(Reason::cannot_reach, ErrorSource::kUpstream,
                "the keelsonctl in its pod is older than this one and does not know `raw`");
  if (ended.code == kExitFindings) return Reply{404, std::move(ended.out)};
  if (ended.code == kExitUsage) return Reply{400, std::move(ended.out)};
  if (ended.code == kExitCannotReach && !ended.out.empty()) return Reply{503, std::move(ended.out)};
  // "error: the agent does not answer: ... (cannot_reach)", as it said there.
  return fail(Reason::cannot_reach, ErrorSource::kUpstream,
              ended.err.substr(0, ended.err.find('\n')));
}

Result<Reply> KubeLink::ask(const std::vector<std::string>& words, const OnLine& on_line) const {
  if (!agent_.problem.empty())
    return fail(Reason::cannot_reach, ErrorSource::kKube, place() + " is " + agent_.problem);
  KS_ASSIGN(Ended ended, kubectl_.keelsonctl(agent_.pod, words, on_line, go_on_));
  return read_raw(std::move(ended));
}

Result<Reply> KubeLink::get(std::string_view path, const Query& query) const {
  return ask({"raw", target_of(path, query)}, nullptr);
}

Result<Reply> KubeLink::stream(std::string_view path, const Query& query,
                               const OnLine& on_line) const {
  // Nobody tells a program in a pod that its reader is gone: the end of its input does.
  return ask({"raw", "--lines", "--until-eof", target_of(path, query)}, on_line);
}

std::string KubeLink::advice() const {
  return kubectl_.hint("get pods --output=wide --field-selector=spec.nodeName=" + agent_.node);
}

}  // namespace keelson::ctl
