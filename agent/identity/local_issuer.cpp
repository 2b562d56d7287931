#include "identity/local_issuer.h"

#include <utility>

#include "tls/certificates.h"

namespace keelson::identity {

void LocalIssuer::issue(const tls::SpiffeId& id, Done done) {
  done(issue_now(id));
}

Result<tls::KeyMaterial> LocalIssuer::issue_now(const tls::SpiffeId& id) {
  KS_ASSIGN(const tls::KeyPtr key, tls::generate_p256_key());
  KS_ASSIGN(const std::string der, ca::make_certificate_request(key.get(), id));
  KS_ASSIGN(const ca::CertificateRequest request, ca::CertificateRequest::parse(der));
  KS_ASSIGN(ca::IssuedCertificate issued, authority_.issue(request, id));
  return tls::KeyMaterial{id,
                          tls::to_pkcs8_der(key.get()),
                          std::move(issued.chain),
                          std::move(issued.trust),
                          issued.not_before,
                          issued.not_after};
}

}  // namespace keelson::identity
