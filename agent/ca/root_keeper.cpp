#include "ca/root_keeper.h"

#include <algorithm>
#include <utility>

#include "tls/certificates.h"

namespace keelson::ca {
namespace {

constexpr int kStepsPerRun = 8;  // a whole rotation has six

}  // namespace

RootKeeper::RootKeeper(Options options, RootStore& store, const Clock& clock)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      self_(std::make_shared<RootKeeper*>(this)) {}

const RootSet* RootKeeper::usable() const noexcept {
  const bool is_fresh = read_at_ && clock_.now() - *read_at_ < kFreshFor;
  return is_fresh && roots_.has_root() ? &roots_ : nullptr;
}

void RootKeeper::run() {
  if (is_running_) return;
  is_running_ = true;
  steps_left_ = kStepsPerRun;
  load();
}

void RootKeeper::load() {
  const std::weak_ptr<RootKeeper*> self = self_;
  store_.load([self](Result<StoredRoots> stored) {
    const auto keeper = self.lock();
    if (!keeper) return;
    if (!stored) return (*keeper)->end(std::move(stored).error());
    (*keeper)->on_loaded(std::move(*stored));
  });
}

void RootKeeper::on_loaded(StoredRoots stored) {
  auto roots = decode_roots(stored.files);
  if (!roots) return end(std::move(roots).error());
  if (roots_.has_root() && !roots->has_root())
    return end(Error{Reason::authority_state_invalid, ErrorSource::kConfig, false, 0,
                     "the root was taken out of its store: put it back, or end every keelson-ca "
                     "to start with another"});
  if (is_replaced(*roots, stored.bundle))
    return end(Error{Reason::authority_state_invalid, ErrorSource::kConfig, false, 0,
                     "another root lies in its store than the published bundle trusts: put the "
                     "former back, or empty the bundle to start with this one"});
  roots_ = std::move(*roots);
  read_at_ = clock_.now();
  const auto step = choose_step(stored);
  if (!step) return end(step.error());
  if (*step == RotationStep::kNone || steps_left_-- == 0) return end(std::nullopt);
  take(*step, stored);
}

// A rotation publishes a root before it signs with it; so one that the bundle does not have came
// from elsewhere (a backup, a second installation), and would cut off all that the former signed.
// A bundle that was edited while the root stayed is published again.
bool RootKeeper::is_replaced(const RootSet& by, const std::string& bundle) const {
  if (!by.has_root() || bundle.empty()) return false;
  const auto der = [](const RootSet& roots) {
    return tls::to_der(roots.signing.certificate.get());
  };
  if (roots_.has_root() && der(roots_) == der(by)) return false;
  const auto published = tls::read_certificates(bundle);
  return published && std::none_of(published->begin(), published->end(), [&](const auto& root) {
           return tls::to_der(root.get()) == der(by);
         });
}

Result<RotationStep> RootKeeper::choose_step(const StoredRoots& stored) const {
  RotationState state;
  state.has_signing = roots_.has_root();
  state.has_next = roots_.next.key != nullptr;
  state.has_old = !roots_.old.empty();
  if (state.has_signing) state.signing_ends = tls::not_after(roots_.signing.certificate.get());
  state.announced_at = roots_.announced_at;
  state.switched_at = roots_.switched_at;
  state.is_published = state.has_signing && stored.bundle == roots_.bundle_pem();
  state.is_asked = stored.is_rotation_asked;
  const RotationStep step = next_rotation_step(state, options_.times, clock_.wall_now());
  if (step == RotationStep::kMakeRoot && !stored.bundle.empty())
    return fail(Reason::authority_state_invalid, ErrorSource::kConfig,
                "a trust bundle is published but the root's key is gone: put it back, or empty "
                "the bundle to start with another root");
  return step;
}

void RootKeeper::take(RotationStep step, const StoredRoots& stored) {
  const std::weak_ptr<RootKeeper*> self = self_;
  const auto done = [self](Result<void> result) {
    if (const auto keeper = self.lock()) (*keeper)->on_step(std::move(result));
  };
  if (step == RotationStep::kPublish) return store_.publish(stored, roots_.bundle_pem(), done);
  const auto advanced = advance_roots(roots_, step, options_.rules, clock_.wall_now());
  if (!advanced) return end(advanced.error());
  const auto files = encode_roots(*advanced);
  if (!files) return end(files.error());
  store_.save(stored, *files, done);
}

void RootKeeper::on_step(Result<void> result) {
  if (!result) return end(std::move(result).error());
  ++steps_total_;
  load();  // what is used is what was read, never what was meant to be written
}

void RootKeeper::end(std::optional<Error> error) {
  is_running_ = false;
  if (error) ++failures_total_;
  last_error_ = std::move(error);
}

}  // namespace keelson::ca
