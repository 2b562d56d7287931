#include "tls/peer_identity.h"

#include <openssl/x509v3.h>

#include "tls/certificates.h"

namespace keelson::tls {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

Failure broken(std::string rule) {
  return fail(Reason::certificate_not_spiffe, ErrorSource::kInternal, std::move(rule));
}

// X509-SVID section 4.1 and 4.3: not a CA, and the key usage extension present, critical and
// without signing powers over certificates.
Result<void> check_usage(X509* leaf) {
  const uint32_t flags = X509_get_extension_flags(leaf);
  if (flags & (EXFLAG_INVALID | EXFLAG_INVALID_POLICY)) return broken("an extension is malformed");
  if (flags & EXFLAG_V1) return broken("not an X.509 version 3 certificate");
  if (flags & EXFLAG_CRITICAL) return broken("an unknown extension is critical");
  if (flags & EXFLAG_PROXY) return broken("a proxy certificate");
  if (!(flags & EXFLAG_BCONS)) return broken("basicConstraints is missing");
  if (flags & EXFLAG_CA) return broken("CA:true on a leaf");
  if (X509_get_pathlen(leaf) != -1) return broken("a path length on a leaf");  // RFC 5280 4.2.1.9
  if (!(flags & EXFLAG_KUSAGE)) return broken("keyUsage is missing");
  int critical = 0;
  ASN1_BIT_STRING* usage_bits =
      static_cast<ASN1_BIT_STRING*>(X509_get_ext_d2i(leaf, NID_key_usage, &critical, nullptr));
  ASN1_BIT_STRING_free(usage_bits);
  if (usage_bits == nullptr || critical != 1) return broken("keyUsage is not critical");
  const uint32_t usage = X509_get_key_usage(leaf);
  if (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) return broken("keyUsage allows signing");
  if (!(usage & KU_DIGITAL_SIGNATURE)) return broken("keyUsage lacks digitalSignature");
  if (!(flags & EXFLAG_XKUSAGE)) return broken("extendedKeyUsage is missing");
  const uint32_t extended = X509_get_extended_key_usage(leaf);
  if (!(extended & XKU_SSL_SERVER)) return broken("extendedKeyUsage lacks serverAuth");
  if (!(extended & XKU_SSL_CLIENT)) return broken("extendedKeyUsage lacks clientAuth");
  return {};
}

// The one URI SAN. Other kinds of names may stand beside it (X509-SVID section 2) and mean nothing.
Result<std::string_view> only_uri(const GENERAL_NAMES* names) {
  std::string_view uri;
  int count = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    ++count;
    const ASN1_IA5STRING* value = name->d.uniformResourceIdentifier;
    // By length, never as a C string: a NUL inside must reach the parser, which refuses it.
    uri = {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
           static_cast<size_t>(ASN1_STRING_length(value))};
  }
  if (count == 0) return broken("no URI SAN");
  if (count > 1) return broken("more than one URI SAN");
  return uri;
}

}  // namespace

Result<PeerIdentity> peer_identity(const X509* leaf) {
  if (leaf == nullptr) return broken("no certificate");
  // OpenSSL fills its extension cache on first use, under a lock of its own; hence no const.
  auto* cached = const_cast<X509*>(leaf);
  KS_TRY(check_usage(cached));
  int critical = 0;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, nullptr)));
  // -1: absent, -2: twice. Two extensions would let two readers see two names.
  if (!names) return broken(critical == -2 ? "two SAN extensions" : "no readable SAN");
  KS_ASSIGN(const std::string_view uri, only_uri(names.get()));
  KS_ASSIGN(SpiffeId id, SpiffeId::parse(uri));
  return PeerIdentity{std::move(id), not_after(leaf)};
}

bool is_issuer(X509* certificate) noexcept {
  const uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_INVALID) || !(flags & EXFLAG_BCONS) || !(flags & EXFLAG_CA)) return false;
  return !(flags & EXFLAG_KUSAGE) || (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) != 0;
}

}  // namespace keelson::tls
