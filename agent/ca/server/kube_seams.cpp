#include "ca/server/kube_seams.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/base64.h"
#include "base/percent_encoding.h"
#include "ca/server/pod_text.h"
#include "kube/resource.h"

namespace keelson::ca {
namespace {

using document::Value;
using Json = nlohmann::json;

constexpr const char* kRotateAnnotation = "keelson.dev/rotate-root";
constexpr int kPagePods = 50;

rest::Request json_request(const char* method, std::string target, std::string body,
                           const char* content_type = "application/json") {
  rest::Request request;
  request.method = method;
  request.target = std::move(target);
  if (!body.empty()) request.content_type = content_type;
  request.body = std::move(body);
  return request;
}

Failure malformed(std::string what) {
  return fail(Reason::api_answer_malformed, ErrorSource::kKube, std::move(what));
}

std::vector<std::string> texts_of(const Value* list) {
  std::vector<std::string> all;
  if (list == nullptr || !list->is_list()) return all;
  for (const Value& item : list->items()) all.push_back(item.text());
  return all;
}

ReviewedToken decode_review(const Value& review) {
  ReviewedToken token;
  const Value* authenticated = value_at(review, {"status", "authenticated"});
  token.authenticated = authenticated != nullptr && authenticated->type() == Value::Type::kBool &&
                        authenticated->as_bool();
  token.error = text_at(review, {"status", "error"});
  token.username = text_at(review, {"status", "user", "username"});
  token.audiences = texts_of(value_at(review, {"status", "audiences"}));
  if (const Value* extra = value_at(review, {"status", "user", "extra"}); extra != nullptr)
    for (const auto& member : extra->members()) token.extra[member.key] = texts_of(&member.value);
  return token;
}

// "secret resourceVersion/bundle resourceVersion"
std::pair<std::string, std::string> split_version(const std::string& version) {
  const size_t slash = version.find('/');
  return {version.substr(0, slash), version.substr(slash + 1)};
}

}  // namespace

void KubeTokens::review(const std::string& token, const std::string& audience, Done done) {
  const Json body{{"apiVersion", "authentication.k8s.io/v1"},
                  {"kind", "TokenReview"},
                  {"spec", {{"token", token}, {"audiences", {audience}}}}};
  calls_.ask(json_request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body.dump()),
             [done = std::move(done)](Result<Value> answer) {
               if (!answer) return done(Failure(std::move(answer).error()));
               done(decode_review(*answer));
             });
}

struct KubePods::Listing {
  std::string target;
  Done done;
  bool is_paged = false;
  std::vector<PodRecord> pods;  // of the pages so far
};

void KubePods::pods_on(const std::string& node, const std::string& ns,
                       const std::string& service_account, Done done) {
  const std::string selector =
      "spec.nodeName=" + node + ",spec.serviceAccountName=" + service_account;
  auto listing = std::make_shared<Listing>();
  listing->target = "/api/v1/namespaces/" + percent_encoded(ns) +
                    "/pods?fieldSelector=" + percent_encoded(selector);
  listing->done = std::move(done);
  read(std::move(listing), "");
}

void KubePods::read(std::shared_ptr<Listing> listing, const std::string& from) {
  std::string target = listing->target;
  if (listing->is_paged) target += "&limit=" + std::to_string(kPagePods);
  if (!from.empty()) target += "&continue=" + percent_encoded(from);
  calls_.ask(json_request("GET", target, {}),
             [this, listing](Result<Value> answer) { on_answer(listing, std::move(answer)); });
}

// In one piece if it fits: some API servers read pages from etcd, not from their cache.
void KubePods::on_answer(std::shared_ptr<Listing> listing, Result<Value> answer) {
  const bool is_too_large = !answer && answer.error().reason == Reason::server_answer_too_large;
  if (is_too_large && !std::exchange(listing->is_paged, true)) return read(std::move(listing), "");
  if (!answer) return listing->done(Failure(std::move(answer).error()));
  const Value* items = answer->find("items");
  if (items == nullptr || !(items->is_list() || items->is_null()))
    return listing->done(malformed("a list of pods without items"));
  for (const Value& pod : items->items())
    listing->pods.push_back(decode_pod(pod, PodRecord::Phase::kUnknown));
  const std::string next = text_at(*answer, {"metadata", "continue"});
  if (!next.empty()) return read(std::move(listing), next);
  listing->done(std::move(listing->pods));
}

// The bundle first: if another replica takes a step between the two reads, the bundle's version is
// the old one, and publish() with it fails instead of undoing the step.
void KubeRoots::load(std::function<void(Result<StoredRoots>)> done) {
  const std::string target = "/api/v1/namespaces/" + ns_ + "/configmaps/keelson-trust-bundle";
  calls_.ask(json_request("GET", target, {}), [this, done = std::move(done)](Result<Value> answer) {
    if (!answer) return done(Failure(std::move(answer).error()));
    StoredRoots stored;
    stored.bundle = text_at(*answer, {"data", "ca.crt"});
    stored.version = text_at(*answer, {"metadata", "resourceVersion"});
    load_secret(std::move(stored), done);
  });
}

void KubeRoots::load_secret(StoredRoots stored, std::function<void(Result<StoredRoots>)> done) {
  const auto kept = std::make_shared<StoredRoots>(std::move(stored));
  calls_.ask(
      json_request("GET", "/api/v1/namespaces/" + ns_ + "/secrets/keelson-ca-root", {}),
      [kept, done = std::move(done)](Result<Value> answer) {
        if (!answer) return done(Failure(std::move(answer).error()));
        kept->version = text_at(*answer, {"metadata", "resourceVersion"}) + "/" + kept->version;
        kept->is_rotation_asked =
            value_at(*answer, {"metadata", "annotations", kRotateAnnotation}) != nullptr;
        if (const Value* data = answer->find("data"); data != nullptr)
          for (const auto& member : data->members()) {
            auto bytes = base64_decoded(member.value.text());
            if (!bytes) return done(malformed(member.key + " is not base64"));
            kept->files.insert_or_assign(member.key, tls::SecretBytes(std::move(*bytes)));
          }
        done(std::move(*kept));
      });
}

// A merge patch that names the version it was made from: refused (409) once that is not the newest.
void KubeRoots::save(const StoredRoots& loaded, const RootFiles& files, Done done) {
  Json data = Json::object();
  for (const auto& [name, content] : loaded.files)
    if (!files.contains(name)) data[name] = nullptr;
  for (const auto& [name, content] : files) data[name] = base64_encoded(content.view());
  const Json body{{"metadata",
                   {{"resourceVersion", split_version(loaded.version).first},
                    {"annotations", {{kRotateAnnotation, nullptr}}}}},
                  {"data", std::move(data)}};
  patch("/api/v1/namespaces/" + ns_ + "/secrets/keelson-ca-root", body.dump(), std::move(done));
}

void KubeRoots::publish(const StoredRoots& loaded, const std::string& bundle, Done done) {
  const Json body{{"metadata", {{"resourceVersion", split_version(loaded.version).second}}},
                  {"data", {{"ca.crt", bundle}}}};
  patch("/api/v1/namespaces/" + ns_ + "/configmaps/keelson-trust-bundle", body.dump(),
        std::move(done));
}

void KubeRoots::patch(const std::string& target, std::string body, Done done) {
  calls_.ask(json_request("PATCH", target, std::move(body), "application/merge-patch+json"),
             [done = std::move(done)](Result<Value> answer) {
               if (!answer) return done(Failure(std::move(answer).error()));
               done({});
             });
}

}  // namespace keelson::ca
