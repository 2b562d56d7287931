#include "identity/key_store.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "base/content_id.h"
#include "link/memfd.h"

namespace keelson::identity {
namespace {

constexpr std::chrono::seconds kVaultRetry{5};
constexpr size_t kIndexBytesMax = 1 << 20;
// Hold lists no keys, and must not need to: which ones are there is itself kept there.
constexpr std::string_view kIndexKey = "identity-index";

std::string hexadecimal(uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

std::string store_key(uint64_t identity) {
  return "identity/" + hexadecimal(identity);
}

// Lines of hexadecimal ids.
std::set<uint64_t> parse_index(std::string_view text) {
  std::set<uint64_t> ids;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    uint64_t id = 0;
    if (std::from_chars(text.data(), text.data() + end, id, 16).ec == std::errc()) ids.insert(id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

}  // namespace

KeyStore::KeyStore(std::string trust_domain, Seams seams, RenewalTimes times)
    : trust_domain_(trust_domain),
      seams_(std::move(seams)),
      store_(std::move(trust_domain),
             {seams_.clock, seams_.issuer, static_cast<IdentityObserver&>(*this), seams_.random},
             times) {}

void KeyStore::set_wanted(const std::set<ServiceAccount>& accounts) {
  for (const ServiceAccount& account : accounts)
    if (!wanted_.contains(account)) unread_.insert(account);
  std::erase_if(unread_, [&](const auto& account) { return !accounts.contains(account); });
  wanted_ = accounts;
  is_wanted_known_ = true;
  store_.set_wanted(accounts);
  run_due();
}

std::optional<MonotonicTime> KeyStore::run_due() {
  if (!is_wanted_known_) return std::nullopt;
  vault_error_.reset();
  // Before anything is asked of the CA.
  if (auto adopted = adopt_unread(); !adopted) vault_error_ = std::move(adopted).error();
  std::optional<MonotonicTime> next = store_.run_due();
  if (!vault_error_)
    if (auto kept = synchronize(); !kept) vault_error_ = std::move(kept).error();
  if (vault_error_ || !seal_errors_.empty() || seams_.vault.connections() != seen_connections_) {
    const MonotonicTime retry = seams_.clock.now() + kVaultRetry;
    next = next ? std::min(*next, retry) : retry;
  }
  return next;
}

Result<void> KeyStore::adopt_unread() {
  while (!unread_.empty()) {
    const ServiceAccount account = *unread_.begin();
    const auto id = tls::SpiffeId::make(trust_domain_, account.ns, account.name);
    if (id) {
      auto sealed = seams_.vault.get(store_key(content_id(id->to_string())));
      if (!sealed && sealed.error().reason != Reason::not_found)
        return Failure(std::move(sealed).error());
      // What cannot be read is as good as not there: the CA is asked.
      if (sealed) {
        auto text = link::read_sealed_memfd(*sealed, tls::kKeyMaterialBytesMax);
        const tls::SecretBytes payload(text ? std::move(*text) : std::string());
        if (auto material = tls::decode_key_material(payload.view()))
          store_.adopt(std::move(*material));
      }
    }
    unread_.erase(account);
  }
  return {};
}

void KeyStore::on_identity(const tls::KeyMaterial& material) {
  const uint64_t identity = content_id(material.id.to_string());
  auto sealed = seal(material);
  if (!sealed) {
    seal_errors_.insert_or_assign(identity, std::move(sealed).error());
    return;
  }
  seal_errors_.erase(identity);
  to_drop_.erase(identity);
  held_[identity] = {*sealed, false};
  seams_.on_key(identity, std::move(*sealed));
}

void KeyStore::on_identity_gone(const tls::SpiffeId& id, Reason) {
  const uint64_t identity = content_id(id.to_string());
  held_.erase(identity);
  seal_errors_.erase(identity);
  to_drop_.insert(identity);
  seams_.on_key(identity, nullptr);
}

Result<std::shared_ptr<const Fd>> KeyStore::seal(const tls::KeyMaterial& material) const {
  KS_ASSIGN(const tls::SecretBytes payload, tls::encode_key_material(material));
  KS_ASSIGN(Fd sealed, link::make_sealed_memfd("keelson-identity", payload.view()));
  return std::make_shared<const Fd>(std::move(sealed));
}

// Makes the vault hold exactly what is held here. Error: of the vault; the rest waits.
Result<void> KeyStore::synchronize() {
  for (const ServiceAccount& account : wanted_) {
    const tls::KeyMaterial* material = store_.find(account);
    if (material != nullptr && seal_errors_.contains(content_id(material->id.to_string())))
      on_identity(*material);
  }
  // If hold restarts while this runs, the next run sees it and puts everything there again.
  const uint64_t connections = seams_.vault.connections();
  if (connections != seen_connections_) {
    for (auto& [identity, held] : held_) held.is_kept = false;
    index_.reset();
  }
  KS_TRY(drop_strangers());
  while (!to_drop_.empty()) {
    KS_TRY(seams_.vault.drop(store_key(*to_drop_.begin())));
    to_drop_.erase(to_drop_.begin());
  }
  KS_TRY(write_index());  // first: what is not in the index is never cleaned up
  for (auto& [identity, held] : held_) {
    if (held.is_kept) continue;
    KS_TRY(seams_.vault.put(store_key(identity), *held.sealed));
    held.is_kept = true;
  }
  seen_connections_ = connections;
  return {};
}

// Keys that an earlier agent left and whose last pod went while no agent ran.
Result<void> KeyStore::drop_strangers() {
  if (is_index_read_) return {};
  auto sealed = seams_.vault.get(kIndexKey);
  if (!sealed && sealed.error().reason != Reason::not_found)
    return Failure(std::move(sealed).error());
  is_index_read_ = true;
  if (!sealed) return {};
  const auto text = link::read_sealed_memfd(*sealed, kIndexBytesMax);
  if (!text) return {};
  for (const uint64_t identity : parse_index(*text))
    if (!held_.contains(identity)) to_drop_.insert(identity);
  return {};
}

Result<void> KeyStore::write_index() {
  std::string index;
  for (const auto& [identity, held] : held_) index += hexadecimal(identity) + "\n";
  if (index == index_) return {};
  if (index.empty()) {
    KS_TRY(seams_.vault.drop(kIndexKey));
  } else {
    KS_ASSIGN(const Fd sealed, link::make_sealed_memfd("keelson-identity-index", index));
    KS_TRY(seams_.vault.put(kIndexKey, sealed));
  }
  index_ = std::move(index);
  return {};
}

std::vector<model::Finding> KeyStore::findings() const {
  std::vector<model::Finding> all = store_.findings();
  if (vault_error_)
    all.push_back({model::Severity::kWarning,
                   vault_error_->reason,
                   {},
                   "keelson-hold",
                   "workload keys are not safe over a restart: " + vault_error_->message(),
                   "is keelson-hold running?"});
  for (const auto& [identity, error] : seal_errors_)
    all.push_back({model::Severity::kError,
                   error.reason,
                   {},
                   "identity " + hexadecimal(identity),
                   "its key cannot be handed to the proxy: " + error.message(),
                   ""});
  return all;
}

}  // namespace keelson::identity
