#include "cutting.h"

#include <gtest/gtest.h>

namespace keelson {
namespace {

using compile::bytes_of;
using compile::MapId;
using datapath::Connection;

constexpr uint64_t kPod = 100, kOther = 200, kSet = 5, kFriend = 7, kStranger = 8;

IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

// One set that allows kFriend alone; kOther (10.0.0.2) belongs to kFriend.
class IsRefusedNow : public ::testing::Test {
 protected:
  IsRefusedNow() {
    rows_[{MapId::kSet, bytes_of(kSet)}] = bytes_of(ks_set{0, 1});
    rows_[{MapId::kClassId, bytes_of(ks_class_id_key{kSet, kFriend})}] = bytes_of(uint32_t{2});
    for (const uint32_t identity_class : {0u, 1u, 2u})
      rows_[{MapId::kPolicy, bytes_of(ks_policy_key{kSet, identity_class, 0, 0})}] = bytes_of(
          ks_policy{1, static_cast<uint8_t>(identity_class == 2 ? KS_ALLOW : KS_DENY), 0, {}});
    rows_[{MapId::kAddress, bytes_of(address("10.0.0.1").raw())}] =
        bytes_of(ks_address{kPod, kStranger, KS_ADDRESS_LOCAL, 0});
    rows_[{MapId::kAddress, bytes_of(address("10.0.0.2").raw())}] =
        bytes_of(ks_address{kOther, kFriend, KS_ADDRESS_LOCAL, 0});
    pod_.policy_set[0] = kSet;
  }

  static Connection accepted(const char* from) {
    Connection connection;
    connection.local = {address("10.0.0.1"), 8080};
    connection.remote = {address(from), 40000};
    connection.accepted = true;
    return connection;
  }
  static Connection attested(uint64_t identity, ks_kind kind) {
    Connection connection = accepted("10.0.0.2");
    connection.attestation = ks_attestation{};
    connection.attestation->source_identity = identity;
    connection.attestation->kind = kind;
    return connection;
  }
  bool refused(const Connection& connection) const {
    return is_refused_now(rows_, pod_, kPod, connection);
  }

  compile::Rows rows_;
  ks_pod pod_{};
};

TEST_F(IsRefusedNow, DirectConnectionsAreJudgedByTheirAttestedIdentity) {
  EXPECT_FALSE(refused(attested(kFriend, KS_KIND_DIRECT)));
  EXPECT_TRUE(refused(attested(kStranger, KS_KIND_DIRECT)));
}

TEST_F(IsRefusedNow, PlaintextProvesNoIdentityWhateverItsAddressClaims) {
  EXPECT_TRUE(refused(accepted("10.0.0.2")));
  pod_.policy_set[0] = 0;
  EXPECT_FALSE(refused(accepted("192.168.0.9")));
}

TEST_F(IsRefusedNow, StrictEndsPlaintextButNotWhereAPortIsPermissive) {
  pod_.policy_set[0] = 0;
  pod_.flags = KS_POD_STRICT;
  EXPECT_TRUE(refused(accepted("192.168.0.9")));
  EXPECT_FALSE(refused(attested(kFriend, KS_KIND_DIRECT)));
  rows_[{MapId::kPort, bytes_of(ks_port_key{kPod, 8080, 0, 0})}] =
      bytes_of(ks_port{KS_PORT_PERMISSIVE});
  EXPECT_FALSE(refused(accepted("192.168.0.9")));
}

TEST_F(IsRefusedNow, AnL7PolicySendsDirectConnectionsThroughTheProxy) {
  pod_.flags = KS_POD_L7;
  EXPECT_TRUE(refused(attested(kFriend, KS_KIND_DIRECT)));
}

TEST_F(IsRefusedNow, ProbesTheProxysDeliveriesAndThePodItselfAreLeftAlone) {
  pod_.flags = KS_POD_STRICT;
  EXPECT_FALSE(refused(attested(0, KS_KIND_PROBE)));
  EXPECT_FALSE(refused(attested(0, KS_KIND_DELIVER)));
  EXPECT_FALSE(refused(accepted("10.0.0.1")));
  EXPECT_FALSE(refused(accepted("127.0.0.1")));
}

TEST_F(IsRefusedNow, AnHboneConnectionIsTheProxysToJudge) {
  pod_.flags = KS_POD_STRICT;
  Connection hbone = attested(0, KS_KIND_OUTSIDE);
  EXPECT_TRUE(refused(hbone)) << "plaintext is not";
  hbone.local.port = KS_HBONE_PORT;
  EXPECT_FALSE(refused(hbone)) << "an ALLOW of its caller used to cut the caller's own tunnels";
}

TEST_F(IsRefusedNow, WhatThePodDialledIsNotItsPolicysBusiness) {
  Connection dialled = accepted("10.0.0.2");
  dialled.accepted = false;
  EXPECT_FALSE(refused(dialled));
}

}  // namespace
}  // namespace keelson
