// Api: routes admin requests to the views. On the Unix socket everything, on loopback TCP only
// /metrics, /healthz and /readyz. Agent loop only; keeps no state of its own.
//
//   GET /v1/status /v1/version /v1/check /v1/config/{workloads,services,routes,policies}
//   GET /v1/bpf/{programs,links,maps} /v1/bpf/rows?map=ks_pod
//   GET /v1/why?from=NS/POD&to=NS/NAME[&port=N]
//   GET /v1/observe?[last=N][&follow=1][&from=..][&to=..][&verdict=allowed|denied][&reason=..]
//       one flow_json() a line (application/x-ndjson); {"lost":N} where a slow reader missed some
//   GET /metrics /healthz /readyz
// /readyz: 200 or 503 and one line a task; findings are shown and do not matter for the status.
#pragma once

#include "admin/admin_state.h"
#include "admin/flow_log.h"
#include "serving/handler.h"

namespace keelson::admin {

using serving::Request;
using serving::Response;
using serving::Surface;

class Api final : public serving::Handler {
 public:
  // Both outlive the Api.
  Api(const AdminState& state, FlowLog& flows) : state_(state), flows_(flows) {}
  Response handle(const Request& request) override;

 private:
  Response handle_node(const Request& request) const;
  Response handle_owner(const Request& request);
  Response metrics() const;
  Response ready() const;
  Response why_answer(const Request& request) const;
  Response kernel_answer(const Request& request) const;
  Response observe(const Request& request);

  const AdminState& state_;
  FlowLog& flows_;
};

}  // namespace keelson::admin
