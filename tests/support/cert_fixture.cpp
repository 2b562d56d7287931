#include "cert_fixture.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace keelson::test {
namespace {

using tls::Freer;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

void require(bool ok) {
  if (!ok) std::abort();  // a fixture that cannot be made is a bug in the test
}

void add_name(GENERAL_NAMES* names, int type, const std::string& bytes) {
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  require(ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) == 1);
  GENERAL_NAME* name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, type, text);
  require(sk_GENERAL_NAME_push(names, name) > 0);
}

void add_sans(X509* certificate, const CertSpec& spec) {
  const NamesPtr names(sk_GENERAL_NAME_new_null());
  for (const auto& uri : spec.uris) add_name(names.get(), GEN_URI, uri);
  for (const auto& name : spec.dns_names) add_name(names.get(), GEN_DNS, name);
  for (const auto& email : spec.emails) add_name(names.get(), GEN_EMAIL, email);
  if (sk_GENERAL_NAME_num(names.get()) == 0) return;
  for (int i = 0; i < (spec.is_san_twice ? 2 : 1); ++i)
    require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1,
                              X509V3_ADD_APPEND) == 1);
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void add_unknown_critical(X509* certificate, const std::string& oid) {
  if (oid.empty()) return;
  using ObjectPtr = std::unique_ptr<ASN1_OBJECT, Freer<ASN1_OBJECT_free>>;
  using OctetsPtr = std::unique_ptr<ASN1_OCTET_STRING, Freer<ASN1_OCTET_STRING_free>>;
  const ObjectPtr object(OBJ_txt2obj(oid.c_str(), 1));
  const OctetsPtr octets(ASN1_OCTET_STRING_new());
  require(ASN1_OCTET_STRING_set(octets.get(), reinterpret_cast<const unsigned char*>("\5\0"), 2));
  const ExtensionPtr extension(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 1, octets.get()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

TestIdentity build(tls::KeyPtr key, const CertSpec& spec, const TestIdentity* issuer) {
  TestIdentity made{tls::CertPtr(X509_new()), std::move(key)};
  X509* certificate = made.certificate.get();
  require(X509_set_version(certificate, spec.version) == 1);
  uint64_t serial = 0;
  require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), spec.not_before_from_now.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), spec.not_after_from_now.count());
  require(X509_set_pubkey(certificate, made.key.get()) == 1);
  X509_NAME* name = X509_get_subject_name(certificate);
  if (!spec.common_name.empty())
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(spec.common_name.data()),
                               static_cast<int>(spec.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate,
                       issuer == nullptr ? name : X509_get_subject_name(issuer->certificate.get()));
  if (spec.version == X509_VERSION_3) {
    add_extension(certificate, NID_basic_constraints, spec.basic_constraints);
    add_extension(certificate, NID_key_usage, spec.key_usage);
    add_extension(certificate, NID_ext_key_usage, spec.extended_key_usage);
    for (const auto& [nid, value] : spec.extensions) add_extension(certificate, nid, value);
    add_unknown_critical(certificate, spec.unknown_critical_oid);
    add_sans(certificate, spec);
  }
  EVP_PKEY* signing_key = issuer == nullptr ? made.key.get() : issuer->key.get();
  require(X509_sign(certificate, signing_key, EVP_sha256()) > 0);
  return made;
}

tls::KeyPtr new_key() {
  auto key = tls::generate_p256_key();
  require(key.has_value());
  return std::move(*key);
}

}  // namespace

CertSpec CertSpec::of(const std::string& uri) {
  CertSpec spec;
  spec.uris = {uri};
  return spec;
}

CertSpec CertSpec::ca(const std::string& name) {
  CertSpec spec;
  spec.uris.clear();
  spec.common_name = name;
  spec.basic_constraints = "critical,CA:TRUE";
  spec.key_usage = "critical,keyCertSign,cRLSign";
  spec.extended_key_usage.clear();
  return spec;
}

std::string TestIdentity::cert_pem() const {
  return tls::to_pem(certificate.get());
}

std::string TestIdentity::key_pem() const {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

TestIdentity make_self_signed(const CertSpec& spec) {
  return build(new_key(), spec, nullptr);
}

TestIdentity make_signed(const CertSpec& spec, const TestIdentity& issuer) {
  return build(new_key(), spec, &issuer);
}

TestIdentity make_signed_with(tls::KeyPtr key, const CertSpec& spec, const TestIdentity& issuer) {
  return build(std::move(key), spec, &issuer);
}

tls::SpiffeId spiffe_id(const std::string& ns, const std::string& account,
                        const std::string& trust_domain) {
  return tls::SpiffeId{trust_domain, ns, account};
}

tls::KeyMaterial to_material(const TestIdentity& leaf, const TestIdentity& root,
                             const tls::SpiffeId& id) {
  tls::KeyMaterial material;
  material.id = id;
  material.key = tls::to_pkcs8_der(leaf.key.get());
  material.chain = {tls::to_der(leaf.certificate.get())};
  material.trust = {tls::to_der(root.certificate.get())};
  material.not_before = tls::not_before(leaf.certificate.get());
  material.not_after = tls::not_after(leaf.certificate.get());
  return material;
}

tls::KeyMaterial TestMesh::material(const std::string& ns, const std::string& account) const {
  const tls::SpiffeId id = spiffe_id(ns, account);
  return to_material(make_signed(CertSpec::of(id.to_string()), root), root, id);
}

}  // namespace keelson::test
