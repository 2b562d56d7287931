// The CA's seams over files, so that it can be tried without a cluster: the lab's folder of
// manifests says which pods there are, a file says whose tokens are whose, a folder of its own
// keeps the roots. Read again at each question; blocking, small. Loop's thread; answers at once.
#pragma once

#include <string>

#include "ca/seams.h"

namespace keelson::ca {

// A YAML file, 0600:
//   tokens:
//   - {token: abc, node: node1, pod: keelson-agent-1, podUID: u1}
// and, where they shall differ from a good agent's, `user` and `audience`. What is not in it is not
// authenticated. Error: authority_state_unsafe, file_unreadable, syntax_error.
class FileTokens final : public TokenReviewer {
 public:
  FileTokens(std::string path, AgentAccount agents)
      : path_(std::move(path)), agents_(std::move(agents)) {}
  void review(const std::string& token, const std::string& audience, Done done) override;

 private:
  Result<ReviewedToken> find(const std::string& token) const;

  const std::string path_;
  const AgentAccount agents_;
};

// The Pods in *.yaml of a folder; one without a status runs. Error: file_unreadable, syntax_error:
// with a file that cannot be read nobody can be sure of anything.
class FolderPods final : public PodLookup {
 public:
  explicit FolderPods(std::string folder) : folder_(std::move(folder)) {}
  void pods_on(const std::string& node, const std::string& ns, const std::string& service_account,
               Done done) override;

 private:
  Result<std::vector<PodRecord>> read() const;

  const std::string folder_;
};

// FOLDER/roots.json (0600, in a folder 0700), replaced as a whole; the bundle in a file of its own.
// A rotation is asked for by a file FOLDER/rotate. One process at a time takes a step.
class FolderRoots final : public RootStore {
 public:
  FolderRoots(std::string folder, std::string bundle_path)
      : folder_(std::move(folder)), bundle_path_(std::move(bundle_path)) {}
  void load(std::function<void(Result<StoredRoots>)> done) override;
  void save(const StoredRoots& loaded, const RootFiles& files, Done done) override;
  void publish(const StoredRoots& loaded, const std::string& bundle, Done done) override;

 private:
  Result<StoredRoots> read() const;
  Result<void> write(const StoredRoots& loaded, const RootFiles& files) const;
  Result<void> write_bundle(const std::string& bundle) const;

  const std::string folder_;
  const std::string bundle_path_;
};

}  // namespace keelson::ca
