#include "issuing.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "rest/curl_client.h"

namespace keelson {
namespace {

// Kubelet brings a new ConfigMap within two minutes; a root is announced for a day.
constexpr std::chrono::milliseconds kBundleInterval{30'000};

}  // namespace

Issuing::Issuing(io::EventLoop& loop, const Clock& clock, IssuingOptions options,
                 Callbacks callbacks)
    : callbacks_(std::move(callbacks)), bundle_timer_(loop, [this] { look_at_bundle(); }) {
  if (options.ca_address.empty()) {
    standalone_ = std::make_unique<identity::StandaloneIssuer>(options.standalone, clock);
    return;
  }
  token_ = std::make_unique<kube::TokenFile>(options.ca_token_file, clock);
  ca_ = std::make_unique<identity::CaIssuer>(
      identity::CaIssuer::Options{"https://" + options.ca_address, options.trust_bundle_file,
                                  [this] { return token_->token(); }},
      [&loop, &clock](rest::Server server) -> std::unique_ptr<rest::Client> {
        return std::make_unique<rest::CurlClient>(loop, clock, std::move(server));
      },
      callbacks_.on_trust);
}

void Issuing::start() {
  if (ca_) {
    look_at_bundle();
    return bundle_timer_.start_repeating(kBundleInterval);
  }
  if (const auto roots = standalone_->trust())
    callbacks_.on_trust(*roots);
  else
    spdlog::warn("component=identity msg=\"{}\"", roots.error().message());
}

void Issuing::look_at_bundle() {
  const auto refreshed = ca_->refresh_trust();
  const std::string said = refreshed ? std::string() : refreshed.error().message();
  if (said != last_said_ && !said.empty()) spdlog::warn("component=identity msg=\"{}\"", said);
  last_said_ = said;
}

void Issuing::issue(const tls::SpiffeId& id, Done done) {
  if (standalone_) return standalone_->issue(id, std::move(done));
  ca_->issue(id, [this, done = std::move(done)](Result<tls::KeyMaterial> material) {
    done(std::move(material));
    callbacks_.on_answered();
  });
}

}  // namespace keelson
