#include "ca/server/api_calls.h"

#include <utility>

#include "document/parse.h"
#include "kube/api_error.h"

namespace keelson::ca {
namespace {

Result<document::Value> read(const std::string& call, Result<rest::Answer> answer) {
  if (!answer) return Failure(std::move(answer).error());
  if (answer->status < 200 || answer->status > 299)
    return Failure(kube::api_error(call, std::move(*answer)).error);
  auto value = document::parse_json(answer->body, call);
  if (!value) return fail(Reason::api_answer_malformed, ErrorSource::kKube, value.error().context);
  return value;
}

}  // namespace

void ApiCalls::ask(rest::Request request, Done done) {
  const uint64_t id = next_id_++;
  const std::string call = request.method + " " + request.target;
  request.time_limit = kCallTime;
  request.answer_bytes_max = document::kDocumentBytesMax;
  calls_[id] = client_.send(std::move(request),
                            [this, id, call, done = std::move(done)](Result<rest::Answer> answer) {
                              const auto ended = calls_.extract(id);  // until the end of this call
                              done(read(call, std::move(answer)));
                            });
}

}  // namespace keelson::ca
