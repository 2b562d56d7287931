#include "ca/server/serving_certificate.h"

#include <algorithm>

#include "tls/certificates.h"

namespace keelson::ca {
namespace {

constexpr std::chrono::minutes kClockSkew{5};

}  // namespace

Result<std::shared_ptr<const tls::TlsContext>> ServingCertificate::context(const RootSet* roots,
                                                                           WallTime now) {
  if (roots != nullptr && roots->has_root()) {
    const bool is_other = root_ != tls::to_der(roots->signing.certificate.get());
    if (!context_ || is_other || is_stale(now)) KS_TRY(make(*roots, now));
  }
  if (!context_ || now >= context_->not_after())
    return fail(Reason::ca_root_missing, ErrorSource::kInternal, "no certificate to serve with");
  return context_;
}

// A clock that was ahead has made one that is not valid yet.
bool ServingCertificate::is_stale(WallTime now) const noexcept {
  return now < made_at_ || now >= made_at_ + kLifetime / 2;
}

Result<void> ServingCertificate::make(const RootSet& roots, WallTime now) {
  const SigningPair& signing = roots.signing;
  const Validity validity{now - kClockSkew,
                          std::min(now + kLifetime, tls::not_after(signing.certificate.get()))};
  KS_ASSIGN(const tls::KeyPtr key, tls::generate_p256_key());
  KS_ASSIGN(const tls::CertPtr leaf, build_server_leaf(key.get(), dns_names_, validity, signing));
  const tls::SecretBytes key_der = tls::to_pkcs8_der(key.get());
  const std::string chain = tls::to_pem(leaf.get());
  KS_ASSIGN(context_, tls::TlsContext::make_server({key_der.view(), chain}));
  root_ = tls::to_der(signing.certificate.get());
  made_at_ = now;
  return {};
}

}  // namespace keelson::ca
