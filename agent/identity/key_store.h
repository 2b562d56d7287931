// KeyStore: IdentityStore with its hands: seals key material into memfds, keeps them in hold, takes
// over what hold kept when the agent starts (so that a restart needs no CA), and tells its owner
// which descriptor stands for which identity. Agent loop only; sets no timers, the caller wakes it
// (run_due). Hold out of reach delays nothing but the safekeeping: keys are used at once, and put
// there later. Which accounts are wanted is the caller's decision.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "identity/identity_store.h"
#include "identity/key_vault.h"

namespace keelson::identity {

class KeyStore final : private IdentityObserver {
 public:
  // Null: nobody may use the identity any more. Called from within KeyStore's calls.
  using OnKey = std::function<void(uint64_t identity, std::shared_ptr<const Fd> sealed)>;

  struct Seams {
    const Clock& clock;
    Issuer& issuer;
    KeyVault& vault;
    OnKey on_key;
    IdentityStore::Random random;
  };  // all outlive the store
  KeyStore(std::string trust_domain, Seams seams, RenewalTimes times = {});

  // The complete set of service accounts with a pod on this node. New ones are adopted from the
  // vault or asked for at once; the keys of others are dropped, in the vault too, also those that
  // an earlier agent left there. Before the first call nobody is a stranger: nothing is dropped.
  void set_wanted(const std::set<ServiceAccount>& accounts);
  void set_trust(const std::vector<std::string>& roots) { store_.set_trust(roots); }

  // Does everything that is due; returns when to be called again, nullopt when nothing is wanted.
  std::optional<MonotonicTime> run_due();

  // A key and a certificate that are valid now.
  bool has(const ServiceAccount& account) const { return store_.find(account) != nullptr; }
  std::vector<model::Finding> findings() const;
  std::vector<IdentityStatus> statuses() const { return store_.statuses(); }
  IdentityCounts counts() const { return store_.counts(); }

 private:
  struct Held {
    std::shared_ptr<const Fd> sealed;
    bool is_kept = false;  // in the vault
  };

  void on_identity(const tls::KeyMaterial& material) override;
  void on_identity_gone(const tls::SpiffeId& id, Reason why) override;

  Result<std::shared_ptr<const Fd>> seal(const tls::KeyMaterial& material) const;
  Result<void> synchronize();
  Result<void> adopt_unread();
  Result<void> drop_strangers();
  Result<void> write_index();

  const std::string trust_domain_;
  const Seams seams_;
  IdentityStore store_;
  bool is_wanted_known_ = false;
  std::set<ServiceAccount> wanted_;
  std::set<ServiceAccount> unread_;   // the vault was not asked for them yet
  std::map<uint64_t, Held> held_;     // by identity id
  std::set<uint64_t> to_drop_;        // still in the vault
  std::optional<std::string> index_;  // as the vault has it; nullopt: not known
  bool is_index_read_ = false;
  uint64_t seen_connections_ = 0;
  std::optional<Error> vault_error_;  // of the last run
  std::map<uint64_t, Error> seal_errors_;
};

}  // namespace keelson::identity
