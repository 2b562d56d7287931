#include "proxy/downstream/capture.h"

namespace keelson::proxy {

Result<Capture> read_capture(const Services& services, const config::LocalPod& pod,
                             const io::Socket& socket) {
  if (!services.facts)
    return fail(Reason::attestation_missing, ErrorSource::kInternal, "no map from the agent yet");
  KS_ASSIGN(const ks_attestation facts, services.facts->attestation(socket.fd()));
  Capture capture;
  capture.original = Endpoint::from_raw(facts.original);
  if (!is_captured_by(facts, pod.netns_cookie))
    return fail(Reason::attestation_mismatch, ErrorSource::kKernel,
                capture.original.to_string() + ": kind " + std::to_string(facts.kind) +
                    " on the outbound listener");
  KS_ASSIGN(capture.client, socket.remote());
  capture.chosen = Endpoint::from_raw(facts.chosen);
  capture.service_id = facts.service;
  const auto& known = services.config->runtime->services;
  if (const auto found = known.find(facts.service); found != known.end())
    capture.service = found->second;
  if (capture.is_per_request() && !capture.service)
    return fail(Reason::destination_unknown, ErrorSource::kConfig,
                capture.original.to_string() + ": the Service is not known here");
  return capture;
}

}  // namespace keelson::proxy
