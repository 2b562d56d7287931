#include "identity/ca_issuer.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "ca/certificate_request.h"
#include "document/parse.h"
#include "tls/certificates.h"
#include "tls/peer_identity.h"

namespace keelson::identity {
namespace {

constexpr size_t kAnswerBytesMax = 256 * 1024;
constexpr size_t kBundleBytesMax = 256 * 1024;
constexpr std::chrono::milliseconds kCallTime{20'000};  // below IdentityStore's request_timeout

Failure bad_answer(std::string what) {
  return fail(Reason::identity_issue_failed, ErrorSource::kUpstream,
              "keelson-ca's answer: " + std::move(what));
}

Result<std::string> read_bundle(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.view().empty() || text.view().size() > kBundleBytesMax)
    return fail(Reason::trust_bundle_invalid, ErrorSource::kConfig,
                path + ": no trust bundle yet; keelson-ca publishes it");
  return text.str();
}

Result<std::vector<std::string>> to_roots(std::string_view pem) {
  const auto certificates = tls::read_certificates(pem);
  if (!certificates)
    return fail(Reason::trust_bundle_invalid, ErrorSource::kConfig, certificates.error().context);
  std::vector<std::string> roots;
  for (const auto& certificate : *certificates) {
    if (!tls::is_issuer(certificate.get()))
      return fail(Reason::trust_bundle_invalid, ErrorSource::kConfig, "a certificate of no CA");
    roots.push_back(tls::to_der(certificate.get()));
  }
  return roots;
}

std::string to_pem(const std::string& der) {
  const tls::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), PEM_STRING_X509_REQ, "",
                reinterpret_cast<const unsigned char*>(der.data()), static_cast<long>(der.size()));
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string field(const document::Value& value, std::string_view name) {
  const document::Value* found = value.find(name);
  return found == nullptr ? std::string() : found->text();
}

// What a refusal says: {"error":{"code":...,"message":...}}.
Error refusal(const rest::Answer& answer) {
  const auto body = document::parse_json(answer.body, "answer");
  const document::Value* error = body ? body->find("error") : nullptr;
  const std::string said =
      error == nullptr ? "" : ": " + field(*error, "code") + ": " + field(*error, "message");
  return Error{Reason::identity_issue_failed, ErrorSource::kUpstream, true, 0,
               "keelson-ca answers " + std::to_string(answer.status) + said};
}

}  // namespace

struct CaIssuer::Request {
  uint64_t number = 0;
  tls::SpiffeId id;
  Done done;
  tls::KeyPtr key;
  std::shared_ptr<rest::Client> client;
  std::unique_ptr<rest::Call> call;  // before its client
};

CaIssuer::CaIssuer(Options options, MakeClient make_client, OnTrust on_trust)
    : options_(std::move(options)),
      make_client_(std::move(make_client)),
      on_trust_(std::move(on_trust)) {}

CaIssuer::~CaIssuer() = default;

Result<void> CaIssuer::refresh_trust() {
  retired_.clear();
  return read_trust();
}

Result<void> CaIssuer::read_trust() {
  KS_ASSIGN(std::string bundle, read_bundle(options_.bundle_file));
  if (bundle == bundle_) return {};
  KS_ASSIGN(std::vector<std::string> roots, to_roots(bundle));
  bundle_ = bundle;
  use(std::move(roots), std::move(bundle));
  return {};
}

void CaIssuer::use(std::vector<std::string> roots, std::string pem) {
  if (roots == trust_) return;
  trust_ = std::move(roots);
  rest::Server server;
  server.url = options_.url;
  server.ca_pem = std::move(pem);
  server.token = options_.token;
  if (client_) retired_.push_back(client_);
  client_ = make_client_(std::move(server));
  if (on_trust_) on_trust_(trust_);
}

void CaIssuer::issue(const tls::SpiffeId& id, Done done) {
  ++counts_.requests_total;
  const auto request = std::make_shared<Request>();
  request->number = next_number_++;
  request->id = id;
  request->done = std::move(done);
  if (auto begun = begin(request); !begun) {
    ++counts_.unreachable_total;
    request->done(Failure(std::move(begun).error()));
  }
}

Result<void> CaIssuer::begin(const std::shared_ptr<Request>& request) {
  // A file that is gone for a moment is no reason to stop trusting what was read from it.
  if (auto refreshed = read_trust(); !refreshed && !client_) return refreshed;
  KS_ASSIGN(request->key, tls::generate_p256_key());
  KS_ASSIGN(const std::string der, ca::make_certificate_request(request->key.get(), request->id));
  rest::Request call;
  call.method = "POST";
  call.target = "/v1/sign";
  call.content_type = "application/json";
  call.body = "{\"csr\":" + document::quoted(to_pem(der)) +
              ",\"namespace\":" + document::quoted(request->id.ns) +
              ",\"serviceAccount\":" + document::quoted(request->id.service_account) + "}";
  call.answer_bytes_max = kAnswerBytesMax;
  call.time_limit = kCallTime;
  request->client = client_;
  requests_[request->number] = request;
  request->call =
      client_->send(std::move(call), [this, number = request->number](Result<rest::Answer> answer) {
        on_answer(number, std::move(answer));
      });
  return {};
}

void CaIssuer::on_answer(uint64_t number, Result<rest::Answer> answer) {
  const auto node = requests_.extract(number);  // until the end of this call
  if (node.empty()) return;
  const std::shared_ptr<Request> request = node.mapped();
  if (retired_.empty() || retired_.back() != request->client) retired_.push_back(request->client);
  request->done(accept(*request, std::move(answer)));
}

Result<tls::KeyMaterial> CaIssuer::accept(const Request& request, Result<rest::Answer> answer) {
  if (!answer) {
    ++counts_.unreachable_total;
    return Failure(std::move(answer).error());
  }
  if (answer->status != 200) {
    ++counts_.refused_total;
    return Failure(refusal(*answer));
  }
  ++counts_.bad_answers_total;  // until it is found good
  const auto body = document::parse_json(answer->body, "answer");
  if (!body) return bad_answer(body.error().context);
  const auto chain = tls::read_certificates(field(*body, "chain"));
  if (!chain) return bad_answer("chain: " + chain.error().context);
  auto roots = to_roots(field(*body, "trust"));
  if (!roots) return bad_answer("trust: " + roots.error().context);
  X509* leaf = chain->front().get();
  if (X509_check_private_key(leaf, request.key.get()) != 1)
    return bad_answer("a certificate for another key");
  const auto identity = tls::peer_identity(leaf);
  if (!identity) return bad_answer(identity.error().context);
  if (identity->id != request.id)
    return bad_answer("a certificate for " + identity->id.to_string());
  tls::KeyMaterial material;
  material.id = request.id;
  material.key = tls::to_pkcs8_der(request.key.get());
  for (const auto& certificate : *chain) material.chain.push_back(tls::to_der(certificate.get()));
  material.trust = *roots;
  material.not_before = tls::not_before(leaf);
  material.not_after = tls::not_after(leaf);
  --counts_.bad_answers_total;
  ++counts_.issued_total;
  use(std::move(*roots), field(*body, "trust"));
  return material;
}

}  // namespace keelson::identity
