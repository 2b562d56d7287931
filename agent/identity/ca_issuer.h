// CaIssuer: an Issuer over HTTPS to keelson-ca: a fresh key here, a request with this node's
// projected token, a certificate back; the key never leaves. Trusts the CA by the mesh's own bundle
// (a file that kubelet keeps up to date), never at first sight. The bundle that comes with a
// certificate is news too: it may be newer than the file. Tries once: IdentityStore retries with
// jittered backoff and lets what is valid serve meanwhile. Agent loop only; answers later.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "identity/issuer.h"
#include "rest/client.h"
#include "rest/server.h"

namespace keelson::identity {

class CaIssuer final : public Issuer {
 public:
  struct Options {
    std::string url;                             // "https://keelson-ca.keelson-system.svc:15012"
    std::string bundle_file;                     // PEM roots
    std::function<Result<std::string>()> token;  // read for each request: kubelet renews it
  };
  using MakeClient = std::function<std::unique_ptr<rest::Client>(rest::Server)>;
  // DER roots, when they are others than before.
  using OnTrust = std::function<void(const std::vector<std::string>&)>;

  struct Counts {
    uint64_t requests_total = 0;
    uint64_t issued_total = 0;
    uint64_t refused_total = 0;      // the CA answered, with a refusal
    uint64_t unreachable_total = 0;  // no answer, or no trust bundle or token to ask with
    uint64_t bad_answers_total = 0;
  };

  CaIssuer(Options options, MakeClient make_client, OnTrust on_trust);
  ~CaIssuer() override;

  void issue(const tls::SpiffeId& id, Done done) override;
  // Reads the bundle's file; wants to be called now and then by a timer, never from within an
  // answer. Error: trust_bundle_invalid.
  Result<void> refresh_trust();
  const Counts& counts() const noexcept { return counts_; }

 private:
  struct Request;
  Result<void> read_trust();
  Result<void> begin(const std::shared_ptr<Request>& request);
  void on_answer(uint64_t number, Result<rest::Answer> answer);
  Result<tls::KeyMaterial> accept(const Request& request, Result<rest::Answer> answer);
  void use(std::vector<std::string> roots, std::string pem);

  const Options options_;
  const MakeClient make_client_;
  const OnTrust on_trust_;
  std::string bundle_;              // the file, as last read and found good
  std::vector<std::string> trust_;  // of the file or of an answer, whichever came last
  // Shared with the calls that are under way, which a new bundle does not cancel.
  std::shared_ptr<rest::Client> client_;
  // Replaced, but perhaps on the stack: let go by refresh_trust().
  std::vector<std::shared_ptr<rest::Client>> retired_;
  std::map<uint64_t, std::shared_ptr<Request>> requests_;
  uint64_t next_number_ = 1;
  Counts counts_;
};

}  // namespace keelson::identity
