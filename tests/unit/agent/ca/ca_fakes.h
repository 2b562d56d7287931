// Fakes of what the CA asks, and requests to it. A test says what they answer; they answer at once,
// or when told to.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ca/certificate_request.h"
#include "ca/seams.h"
#include "tls/certificates.h"

namespace keelson::test {

class FakeTokens final : public ca::TokenReviewer {
 public:
  void review(const std::string& token, const std::string& audience, Done done) override {
    asked_audience = audience;
    const auto found = known.find(token);
    auto answer = failure                ? Result<ca::ReviewedToken>(Failure(*failure))
                  : found == known.end() ? Result<ca::ReviewedToken>(ca::ReviewedToken{})
                                         : Result<ca::ReviewedToken>(found->second);
    if (!answers_later) return done(std::move(answer));
    later.push_back([done = std::move(done), answer = std::move(answer)] { done(answer); });
  }
  std::map<std::string, ca::ReviewedToken> known;
  std::optional<Error> failure;
  std::string asked_audience;
  bool answers_later = false;
  std::deque<std::function<void()>> later;
};

// Answers with every pod of the world, whatever was asked: who asks must judge.
class FakePods final : public ca::PodLookup {
 public:
  void pods_on(const std::string& node, const std::string& ns, const std::string& account,
               Done done) override {
    asked.push_back(node + "/" + ns + "/" + account);
    if (on_ask) on_ask();
    if (failure) return done(Failure(*failure));
    done(pods);
  }
  std::vector<ca::PodRecord> pods;
  std::optional<Error> failure;
  std::function<void()> on_ask;
  std::vector<std::string> asked;
};

class FakeRoots final : public ca::RootStore {
 public:
  ca::StoredRoots stored() const {
    ca::StoredRoots copy;
    for (const auto& [name, content] : files) copy.files.emplace(name, content.clone());
    copy.version = std::to_string(version);
    copy.bundle = bundle;
    copy.is_rotation_asked = is_rotation_asked;
    return copy;
  }
  void load(std::function<void(Result<ca::StoredRoots>)> done) override {
    ++loads;
    if (failure) return done(Failure(*failure));
    done(stored());
  }
  void save(const ca::StoredRoots& loaded, const ca::RootFiles& next, Done done) override {
    if (before_write) std::exchange(before_write, nullptr)();
    if (loaded.version != std::to_string(version)) return done(conflict());
    files.clear();
    for (const auto& [name, content] : next) files.emplace(name, content.clone());
    is_rotation_asked = false;
    ++version;
    done({});
  }
  void publish(const ca::StoredRoots& loaded, const std::string& text, Done done) override {
    if (before_write) std::exchange(before_write, nullptr)();
    if (publish_failure) return done(Failure(*publish_failure));
    if (loaded.version != std::to_string(version)) return done(conflict());
    bundle = text;
    ++version;
    done({});
  }
  static Failure conflict() { return fail(Reason::api_refused, ErrorSource::kKube, "conflict"); }

  ca::RootFiles files;
  std::string bundle;
  bool is_rotation_asked = false;
  int version = 1;
  int loads = 0;
  std::optional<Error> failure, publish_failure;
  std::function<void()> before_write;  // once: another replica is faster
};

inline ca::ReviewedToken agent_token(const std::string& node, const std::string& pod,
                                     const std::string& pod_uid) {
  return {true,
          "",
          "system:serviceaccount:keelson-system:keelson-agent",
          {"keelson-ca"},
          {{"authentication.kubernetes.io/node-name", {node}},
           {"authentication.kubernetes.io/node-uid", {"uid-" + node}},
           {"authentication.kubernetes.io/pod-name", {pod}},
           {"authentication.kubernetes.io/pod-uid", {pod_uid}}}};
}

inline ca::PodRecord agent_pod(const std::string& node, const std::string& pod,
                               const std::string& uid) {
  return {"keelson-system",
          pod,
          uid,
          node,
          "keelson-agent",
          ca::PodRecord::Phase::kRunning,
          true,
          false,
          std::nullopt};
}

// A request with extensions as in openssl.cnf, DER; signed by `signer` (the key itself when null).
inline std::string make_csr(EVP_PKEY* key,
                            const std::vector<std::pair<int, std::string>>& extensions,
                            EVP_PKEY* signer = nullptr) {
  const tls::RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key);
  STACK_OF(X509_EXTENSION)* stack = sk_X509_EXTENSION_new_null();
  for (const auto& [nid, value] : extensions)
    sk_X509_EXTENSION_push(stack, X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  if (!extensions.empty()) X509_REQ_add_extensions(request.get(), stack);
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  X509_REQ_sign(request.get(), signer != nullptr ? signer : key, EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request.get(), &der);
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace keelson::test
