#include "tls/key_material.h"

#include <gtest/gtest.h>

#include "cert_fixture.h"

namespace keelson::tls {
namespace {

TEST(KeyMaterial, SurvivesTheJourneyThroughItsPayload) {
  const KeyMaterial sent = test::TestMesh().material("shop", "cart");
  const auto payload = encode_key_material(sent);
  ASSERT_TRUE(payload) << payload.error().message();
  const auto got = decode_key_material(payload->view());
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(got->id, sent.id);
  EXPECT_EQ(got->key.view(), sent.key.view());
  EXPECT_EQ(got->chain, sent.chain);
  EXPECT_EQ(got->trust, sent.trust);
  EXPECT_EQ(got->not_before, sent.not_before);
  EXPECT_EQ(got->not_after, sent.not_after);
}

TEST(KeyMaterial, RefusesEveryTruncationAndEveryAddition) {
  const auto payload = encode_key_material(test::TestMesh().material("shop", "cart"));
  ASSERT_TRUE(payload);
  const std::string whole(payload->view());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto got = decode_key_material(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(got) << size;
    EXPECT_TRUE(got.error().reason == Reason::key_material_malformed ||
                got.error().reason == Reason::spiffe_id_malformed);
  }
  EXPECT_FALSE(decode_key_material(whole + "x"));
}

TEST(KeyMaterial, RefusesLengthsThatPointBeyondThePayload) {
  const auto payload = encode_key_material(test::TestMesh().material("shop", "cart"));
  ASSERT_TRUE(payload);
  std::string whole(payload->view());
  constexpr size_t kIdLengthAt = 4 + 4 + 8 + 8;
  for (size_t i = 0; i < 4; ++i) whole[kIdLengthAt + i] = '\xff';
  EXPECT_FALSE(decode_key_material(whole));
}

TEST(KeyMaterial, RefusesToEncodeAnIncompleteOrOversizedIdentity) {
  const test::TestMesh mesh;
  KeyMaterial no_key = mesh.material("shop", "cart");
  no_key.key = SecretBytes();
  EXPECT_FALSE(encode_key_material(no_key));
  KeyMaterial no_trust = mesh.material("shop", "cart");
  no_trust.trust.clear();
  EXPECT_FALSE(encode_key_material(no_trust));
  KeyMaterial huge = mesh.material("shop", "cart");
  huge.trust.push_back(std::string(kKeyMaterialBytesMax, 'x'));
  EXPECT_FALSE(encode_key_material(huge));
}

TEST(SecretBytes, LeaveNothingBehindWhenMoved) {
  SecretBytes secret(std::string("short"));
  const SecretBytes moved = std::move(secret);
  EXPECT_EQ(moved.view(), "short");
  EXPECT_TRUE(secret.empty());  // NOLINT: the moved-from state is the point
}

}  // namespace
}  // namespace keelson::tls
