// AddressClasses: which addresses a set of policies tells apart: regions (every prefix that a
// source names) and, for each, the class of those that all sources match alike. A region asks only
// the prefixes that hold it: one search for each length that occurs, not one question to each
// prefix. Pure.
#pragma once

#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "compile/policy_match.h"

namespace keelson::compile {

class AddressClasses {
 public:
  // `sources` in reading order; they outlive this.
  explicit AddressClasses(std::vector<const model::PolicySource*> sources);

  // Class 0: an address in no prefix that the set names.
  size_t size() const noexcept { return changes_.size(); }
  // How each source matches the members of a class.
  std::vector<Match> signature(size_t number) const;
  // Regions and their classes; the longest prefix that holds an address decides.
  const std::vector<std::pair<IpPrefix, uint32_t>>& rows() const noexcept { return rows_; }

 private:
  struct Membership {  // of a prefix
    uint32_t source;
    bool is_negative;  // in notIpBlocks
  };
  // Sources that match a class otherwise than class 0, in order. Most match alike: this is short.
  using Changes = std::vector<std::pair<uint32_t, Match>>;

  void add_prefixes(uint32_t source);
  void add_prefix(const IpPrefix& prefix, Membership membership);
  Changes changes_of(const IpPrefix& region) const;

  std::vector<const model::PolicySource*> sources_;
  std::vector<Match> base_;  // signature of class 0
  std::map<IpPrefix, std::vector<Membership>> memberships_;
  std::array<std::set<uint8_t>, 2> lengths_;  // that occur: IPv6, IPv4
  std::vector<Changes> changes_;              // by class
  std::vector<std::pair<IpPrefix, uint32_t>> rows_;
};

}  // namespace keelson::compile
