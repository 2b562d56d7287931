// The CA's seams over the Kubernetes API: TokenReview, pods of a node, roots in a Secret and their
// bundle in a ConfigMap. Loop's thread. What the CA's service account needs for it, and no more:
//   authentication.k8s.io tokenreviews  create      cluster            KubeTokens
//   ""                    pods          list        cluster            KubePods
//   ""                    secrets       get, patch  keelson-ca-root    KubeRoots
//   ""                    configmaps    get, patch  keelson-trust-bundle  KubeRoots
// Both objects exist before the CA starts (the chart makes them, empty): a right to create cannot
// be limited to a name, and would let the CA write any Secret of its namespace.
#pragma once

#include <memory>
#include <string>

#include "ca/seams.h"
#include "ca/server/api_calls.h"

namespace keelson::ca {

class KubeTokens final : public TokenReviewer {
 public:
  explicit KubeTokens(rest::Client& client) noexcept : calls_(client) {}
  void review(const std::string& token, const std::string& audience, Done done) override;

 private:
  ApiCalls calls_;
};

// Without a resource version the API server answers as of now (a quorum read, or its cache once
// that has caught up), never with the past. Pods that are too many for one answer come in pages.
class KubePods final : public PodLookup {
 public:
  explicit KubePods(rest::Client& client) noexcept : calls_(client) {}
  void pods_on(const std::string& node, const std::string& ns, const std::string& service_account,
               Done done) override;

 private:
  struct Listing;

  void read(std::shared_ptr<Listing> listing, const std::string& from);
  void on_answer(std::shared_ptr<Listing> listing, Result<document::Value> answer);

  ApiCalls calls_;
};

// A rotation is asked for by the Secret's annotation keelson.dev/rotate-root (any value).
class KubeRoots final : public RootStore {
 public:
  KubeRoots(rest::Client& client, std::string ns) : calls_(client), ns_(std::move(ns)) {}
  void load(std::function<void(Result<StoredRoots>)> done) override;
  void save(const StoredRoots& loaded, const RootFiles& files, Done done) override;
  void publish(const StoredRoots& loaded, const std::string& bundle, Done done) override;

 private:
  void load_secret(StoredRoots stored, std::function<void(Result<StoredRoots>)> done);
  void patch(const std::string& target, std::string body, Done done);

  ApiCalls calls_;
  const std::string ns_;
};

}  // namespace keelson::ca
