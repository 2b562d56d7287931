#include "ca/root_set.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tls/certificates.h"

namespace keelson::ca {
namespace {

Failure invalid(std::string what) {
  return fail(Reason::authority_state_invalid, ErrorSource::kConfig, std::move(what));
}

std::string_view text_of(const RootFiles& files, const char* name) {
  const auto found = files.find(name);
  return found == files.end() ? std::string_view() : found->second.view();
}

tls::CertPtr shared(const tls::CertPtr& certificate) {
  if (!certificate) return nullptr;
  X509_up_ref(certificate.get());
  return tls::CertPtr(certificate.get());
}

SigningPair shared(const SigningPair& pair) {
  SigningPair copy;
  copy.certificate = shared(pair.certificate);
  if (pair.key) {
    EVP_PKEY_up_ref(pair.key.get());
    copy.key.reset(pair.key.get());
  }
  return copy;
}

int64_t to_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

Result<void> read_times(std::string_view text, RootSet& roots) {
  if (text.empty()) return {};
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return invalid("rotation.json is not a JSON object");
  const auto read = [&json](const char* name, std::optional<WallTime>& into) {
    const auto found = json.find(name);
    if (found == json.end()) return true;
    if (!found->is_number_integer()) return false;
    into = WallTime(std::chrono::seconds(found->get<int64_t>()));
    return true;
  };
  if (!read("announced_at", roots.announced_at) || !read("switched_at", roots.switched_at))
    return invalid("rotation.json: a time is not a number of seconds");
  return {};
}

}  // namespace

std::vector<const X509*> RootSet::trusted() const {
  std::vector<const X509*> all;
  const auto add = [&all](const X509* root) {
    const auto same = [root](const X509* other) { return X509_cmp(other, root) == 0; };
    if (root != nullptr && std::none_of(all.begin(), all.end(), same)) all.push_back(root);
  };
  add(signing.certificate.get());
  add(next.certificate.get());
  for (const auto& root : old) add(root.get());
  return all;
}

std::string RootSet::bundle_pem() const {
  std::string pem;
  for (const X509* root : trusted()) pem += tls::to_pem(root);
  return pem;
}

RootSet RootSet::share() const {
  RootSet copy;
  copy.signing = shared(signing);
  copy.next = shared(next);
  for (const auto& root : old) copy.old.push_back(shared(root));
  copy.announced_at = announced_at;
  copy.switched_at = switched_at;
  return copy;
}

Result<RootSet> decode_roots(const RootFiles& files) {
  RootSet roots;
  const auto read_pair = [&files](const char* key, const char* certificate,
                                  SigningPair& into) -> Result<void> {
    if (text_of(files, key).empty() && text_of(files, certificate).empty()) return {};
    KS_ASSIGN(into, read_signing_pair(text_of(files, key), text_of(files, certificate), key));
    return {};
  };
  KS_TRY(read_pair("tls.key", "tls.crt", roots.signing));
  KS_TRY(read_pair("next.key", "next.crt", roots.next));
  if (const auto old = text_of(files, "old.crt"); !old.empty()) {
    KS_ASSIGN(roots.old, tls::read_certificates(old));
  }
  KS_TRY(read_times(text_of(files, "rotation.json"), roots));
  // Making a new root beside traces of another would silently split the mesh in two.
  if (!roots.has_root() && (roots.next.key || !roots.old.empty()))
    return invalid("tls.crt and tls.key are missing but other roots are there");
  return roots;
}

Result<RootFiles> encode_roots(const RootSet& roots) {
  RootFiles files;
  const auto put = [&files](const char* name, std::string text) {
    files.emplace(name, tls::SecretBytes(std::move(text)));
  };
  const auto put_pair = [&](const char* key, const char* certificate,
                            const SigningPair& pair) -> Result<void> {
    if (!pair.key) return {};
    KS_ASSIGN(tls::SecretBytes pem, key_pem(pair));
    files.emplace(key, std::move(pem));
    put(certificate, tls::to_pem(pair.certificate.get()));
    return {};
  };
  KS_TRY(put_pair("tls.key", "tls.crt", roots.signing));
  KS_TRY(put_pair("next.key", "next.crt", roots.next));
  std::string old;
  for (const auto& root : roots.old) old += tls::to_pem(root.get());
  if (!old.empty()) put("old.crt", std::move(old));
  nlohmann::json times = nlohmann::json::object();
  if (roots.announced_at) times["announced_at"] = to_seconds(*roots.announced_at);
  if (roots.switched_at) times["switched_at"] = to_seconds(*roots.switched_at);
  if (!times.empty()) put("rotation.json", times.dump());
  return files;
}

Result<RootSet> advance_roots(const RootSet& roots, RotationStep step, const RootRules& rules,
                              WallTime now) {
  RootSet advanced = roots.share();
  const Validity validity{now - rules.clock_skew, now + rules.lifetime};
  switch (step) {
    case RotationStep::kNone:
    case RotationStep::kPublish:
      break;
    case RotationStep::kMakeRoot: {
      KS_ASSIGN(advanced.signing, make_signing_pair(rules.trust_domain, validity));
      break;
    }
    case RotationStep::kMakeNext: {
      KS_ASSIGN(advanced.next, make_signing_pair(rules.trust_domain, validity));
      advanced.announced_at.reset();
      break;
    }
    case RotationStep::kStamp:
      advanced.announced_at = now;
      break;
    case RotationStep::kSwitch:
      advanced.old.insert(advanced.old.begin(), std::move(advanced.signing.certificate));
      advanced.signing = std::exchange(advanced.next, SigningPair{});
      advanced.announced_at.reset();
      advanced.switched_at = now;
      break;
    case RotationStep::kDropOld:
      advanced.old.clear();
      advanced.switched_at.reset();
      break;
  }
  return advanced;
}

}  // namespace keelson::ca
