#include "ca/authority.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "ca/state_folder.h"
#include "tls/certificates.h"
#include "tls/peer_identity.h"

namespace keelson::ca {
namespace {

constexpr const char* kSigningFile = "signing.pem";
constexpr const char* kNextFile = "next.pem";
constexpr const char* kOldFile = "old.pem";
constexpr const char* kLogFile = "issued.log";
constexpr const char* kKeyMark = "-----BEGIN PRIVATE KEY-----";

Failure invalid(std::string what) {
  ERR_clear_error();
  return fail(Reason::authority_state_invalid, ErrorSource::kConfig, std::move(what));
}

Result<tls::SecretBytes> to_pem(const SigningPair& pair) {
  const tls::BioPtr bio(BIO_new(BIO_s_secmem()));
  char* data = nullptr;
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), pair.key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1 ||
      PEM_write_bio_X509(bio.get(), pair.certificate.get()) != 1)
    return tls::fail_openssl(Reason::internal, ErrorSource::kInternal, "encoding the CA's key");
  const long size = BIO_get_mem_data(bio.get(), &data);
  return tls::SecretBytes(std::string(data, static_cast<size_t>(size)));
}

Result<SigningPair> from_pem(std::string_view pem, const char* name) {
  const std::string shown(name);
  if (!pem.starts_with(kKeyMark)) return invalid(shown + " does not begin with a private key");
  auto key = tls::read_private_key(pem);
  if (!key || !tls::is_p256(key->get())) return invalid(shown + " holds no P-256 key");
  auto certificates = tls::read_certificates(pem);
  if (!certificates || certificates->size() != 1)
    return invalid(shown + " does not hold exactly one certificate");
  X509* certificate = certificates->front().get();
  if (X509_check_private_key(certificate, key->get()) != 1)
    return invalid(shown + ": the key does not belong to the certificate");
  if (!tls::is_issuer(certificate)) return invalid(shown + " is not a CA certificate");
  return SigningPair{std::move(certificates->front()), std::move(*key)};
}

std::string utc_text(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32] = {};
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, size);
}

}  // namespace

Result<std::unique_ptr<Authority>> Authority::open(AuthorityOptions options, const Clock& clock) {
  if (!tls::is_trust_domain(options.trust_domain))
    return fail(Reason::spiffe_id_malformed, ErrorSource::kConfig,
                "trust domain '" + options.trust_domain + "'");
  std::unique_ptr<Authority> authority(new Authority(std::move(options), clock));
  KS_TRY(authority->load());
  return authority;
}

Result<void> Authority::load() {
  KS_ASSIGN(folder_, open_state_folder(options_.folder));
  // Nodes of a lab share one folder and start at once: the first makes the root, the rest read it.
  KS_ASSIGN(const FolderLock lock, FolderLock::take(folder_));
  KS_ASSIGN(log_, open_state_log(folder_, kLogFile));
  KS_ASSIGN(const auto signing, read_state_file(folder_, kSigningFile));
  KS_ASSIGN(const auto next, read_state_file(folder_, kNextFile));
  KS_ASSIGN(const auto old, read_state_file(folder_, kOldFile));
  if (!signing) {
    // Making a new root beside traces of another would silently split the mesh in two.
    if (next || old) return invalid("signing.pem is missing but other CA files are there");
    KS_ASSIGN(signing_, make_root());
    KS_ASSIGN(const tls::SecretBytes pem, to_pem(signing_));
    return replace_state_file(folder_, kSigningFile, pem.view());
  }
  KS_ASSIGN(signing_, from_pem(signing->view(), kSigningFile));
  if (next) {
    KS_ASSIGN(next_, from_pem(next->view(), kNextFile));
  }
  if (old) {
    KS_ASSIGN(old_, tls::read_certificates(old->view()));
  }
  return {};
}

Result<SigningPair> Authority::make_root() const {
  const WallTime now = clock_.wall_now();
  SigningPair pair;
  KS_ASSIGN(pair.key, tls::generate_p256_key());
  KS_ASSIGN(pair.certificate,
            build_root(pair.key.get(), options_.trust_domain,
                       {now - options_.clock_skew, now + options_.root_lifetime}));
  return pair;
}

Result<IssuedCertificate> Authority::issue(const CertificateRequest& request,
                                           const tls::SpiffeId& id) {
  if (id.trust_domain != options_.trust_domain)
    return fail(Reason::trust_domain_mismatch, ErrorSource::kInternal, id.to_string());
  KS_TRY(tls::SpiffeId::make(id.trust_domain, id.ns, id.service_account));
  if (request.claimed_id() && *request.claimed_id() != id)
    return fail(Reason::csr_identity_mismatch, ErrorSource::kInternal,
                request.claimed_id()->to_string());
  const WallTime now = clock_.wall_now();
  const WallTime root_end = tls::not_after(signing_.certificate.get());
  if (now >= root_end || now < tls::not_before(signing_.certificate.get()))
    return fail(Reason::certificate_expired, ErrorSource::kInternal, "the signing root");
  const Validity validity{now - options_.clock_skew,
                          std::min(now + options_.leaf_lifetime, root_end)};
  KS_ASSIGN(const tls::CertPtr leaf, build_leaf(request.public_key(), id, validity, signing_));
  KS_TRY(append_log(leaf.get(), id, request));
  return IssuedCertificate{{tls::to_der(leaf.get())},
                           trust_bundle(),
                           tls::not_before(leaf.get()),
                           tls::not_after(leaf.get())};
}

// One write per line: with O_APPEND a line is never torn by another writer. All values come from
// closed character sets, so a line cannot be forged through one of them.
Result<void> Authority::append_log(const X509* leaf, const tls::SpiffeId& id,
                                   const CertificateRequest& request) {
  const std::string line = "time=" + utc_text(clock_.wall_now()) +
                           " serial=" + tls::serial_hex(leaf) + " id=" + id.to_string() +
                           " not_after=" + utc_text(tls::not_after(leaf)) +
                           " request_sha256=" + request.sha256_hex() + "\n";
  const ssize_t written = ::write(log_.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size()) || fdatasync(log_.get()) != 0)
    return fail_errno(Reason::issuance_log_failed, errno, kLogFile);
  return {};
}

std::vector<const X509*> Authority::roots() const {
  std::vector<const X509*> all{signing_.certificate.get()};
  const auto add = [&all](const X509* root) {
    // A crash between the two steps of finish_rotation() leaves the signing root in old.pem too.
    const auto same = [root](const X509* other) { return X509_cmp(other, root) == 0; };
    if (root != nullptr && std::none_of(all.begin(), all.end(), same)) all.push_back(root);
  };
  add(next_.certificate.get());
  for (const auto& root : old_) add(root.get());
  return all;
}

std::vector<std::string> Authority::trust_bundle() const {
  std::vector<std::string> bundle;
  for (const X509* root : roots()) bundle.push_back(tls::to_der(root));
  return bundle;
}

std::string Authority::trust_bundle_pem() const {
  std::string pem;
  for (const X509* root : roots()) pem += tls::to_pem(root);
  return pem;
}

Result<void> Authority::begin_rotation() {
  if (next_.certificate) return {};  // begun already: asking twice must not add a third root
  KS_ASSIGN(const FolderLock lock, FolderLock::take(folder_));
  KS_ASSIGN(SigningPair next, make_root());
  KS_ASSIGN(const tls::SecretBytes pem, to_pem(next));
  KS_TRY(replace_state_file(folder_, kNextFile, pem.view()));
  next_ = std::move(next);
  return {};
}

Result<void> Authority::finish_rotation() {
  if (!next_.certificate)
    return fail(Reason::not_found, ErrorSource::kConfig, "no root rotation has begun");
  KS_ASSIGN(const FolderLock lock, FolderLock::take(folder_));
  std::string old_pem = tls::to_pem(signing_.certificate.get());
  for (const auto& root : old_) old_pem += tls::to_pem(root.get());
  KS_TRY(replace_state_file(folder_, kOldFile, old_pem));
  KS_TRY(rename_state_file(folder_, kNextFile, kSigningFile));
  old_.insert(old_.begin(), std::move(signing_.certificate));
  signing_ = std::exchange(next_, SigningPair{});
  return {};
}

Result<void> Authority::drop_old_roots() {
  KS_TRY(remove_state_file(folder_, kOldFile));
  old_.clear();
  return {};
}

}  // namespace keelson::ca
