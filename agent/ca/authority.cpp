#include "ca/authority.h"

#include <openssl/err.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/utc_text.h"
#include "ca/signing_pair.h"
#include "ca/state_folder.h"
#include "tls/certificates.h"

namespace keelson::ca {
namespace {

constexpr const char* kSigningFile = "signing.pem";
constexpr const char* kNextFile = "next.pem";
constexpr const char* kOldFile = "old.pem";
constexpr const char* kLogFile = "issued.log";

Failure invalid(std::string what) {
  ERR_clear_error();
  return fail(Reason::authority_state_invalid, ErrorSource::kConfig, std::move(what));
}

Result<tls::SecretBytes> to_pem(const SigningPair& pair) {
  KS_ASSIGN(const tls::SecretBytes key, key_pem(pair));
  return tls::SecretBytes(std::string(key.view()) + tls::to_pem(pair.certificate.get()));
}

Result<SigningPair> from_pem(std::string_view pem, const char* name) {
  return read_signing_pair(pem, pem, name);
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
  return make_signing_pair(options_.trust_domain,
                           {now - options_.clock_skew, now + options_.root_lifetime});
}

Result<IssuedCertificate> Authority::issue(const CertificateRequest& request,
                                           const tls::SpiffeId& id) {
  const LeafRules rules{options_.trust_domain, options_.leaf_lifetime, options_.clock_skew};
  KS_ASSIGN(const tls::CertPtr leaf, sign_leaf(signing_, rules, request, id, clock_.wall_now()));
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
