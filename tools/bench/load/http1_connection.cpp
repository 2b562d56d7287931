#include "http1_connection.h"

namespace keelson::load {

void Http1Connection::reset() {
  reader_.next();
  is_begun_ = is_last_ = ends_there_ = false;
}

void Http1Connection::begin(uint64_t since_ns) {
  is_begun_ = true;
  since_ns_ = since_ns;
  sent_bytes_ = 0;
}

std::string_view Http1Connection::output() {
  if (!is_begun_) return {};
  return std::string_view(surroundings_.request.http1).substr(sent_bytes_);
}

bool Http1Connection::take(std::string_view bytes) {
  if (!is_begun_) return false;
  switch (reader_.feed(bytes)) {
    case ResponseReader::Step::kMore:
      return true;
    case ResponseReader::Step::kBad:
      return false;
    case ResponseReader::Step::kComplete:
      break;
  }
  const bool is_all = reader_.rest().empty();
  on_complete();
  return is_all;
}

bool Http1Connection::take_end() {
  if (!is_begun_) return ends_there_;
  if (!reader_.has_begun() || reader_.finish() != ResponseReader::Step::kComplete) return false;
  on_complete();
  return true;
}

std::optional<uint64_t> Http1Connection::unanswered() const {
  return is_begun_ && !reader_.has_begun() ? std::optional(since_ns_) : std::nullopt;
}

void Http1Connection::on_complete() {
  // An answer that overtook its request leaves a rest that nobody will read.
  const bool is_early = sent_bytes_ < surroundings_.request.http1.size();
  ends_there_ = !reader_.keeps_alive();
  is_last_ = ends_there_ || is_early || surroundings_.is_connection_each;
  is_begun_ = false;
  const uint16_t status = reader_.status();
  reader_.next();
  tell_answer(since_ns_, status);
}

void Http1Connection::each_begun(const std::function<void(uint64_t)>& visit) const {
  if (is_begun_) visit(since_ns_);
}

}  // namespace keelson::load
