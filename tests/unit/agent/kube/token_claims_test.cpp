#include "kube/token_claims.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/base64.h"

namespace keelson::kube {
namespace {

std::string token_with(const std::string& claims) {
  std::string text = base64_encoded(claims);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.resize(text.find_last_not_of('=') + 1);
  return "eyJhbGciOiJSUzI1NiJ9." + text + ".c2lnbmF0dXJl";
}

constexpr const char* kClaims =
    R"({"sub":"system:serviceaccount:keelson-system:keelson-agent","aud":["ÿþ?>"],)"
    R"("kubernetes.io":{"namespace":"keelson-system","node":{"name":"node-a","uid":"7c1-4"}}})";

TEST(TokenClaims, NamesTheNodeThatThePodIsOn) {
  const std::string token = token_with(kClaims);
  ASSERT_NE(token.find_first_of("-_"), std::string::npos) << "base64url has two letters of its own";
  EXPECT_EQ(node_uid(token, "node-a"), "7c1-4");
  EXPECT_EQ(node_uid(token, "node-b"), "") << "not the node that this agent is of";
}

TEST(TokenClaims, WhatNamesNoNodeGivesNothing) {
  for (const std::string& token :
       {std::string(), std::string("opaque"), std::string("a.b"), std::string("a.!.c"),
        std::string("a..c"), token_with("no json"), token_with("[1]"), token_with("{}"),
        token_with(R"({"kubernetes.io":7})"), token_with(R"({"kubernetes.io":{"node":"node-a"}})"),
        token_with(R"({"kubernetes.io":{"node":{"name":"node-a","uid":7}}})"),
        token_with(R"({"kubernetes.io":{"node":{"uid":"7c1-4"}}})")})
    EXPECT_EQ(node_uid(token, "node-a"), "") << token;
}

}  // namespace
}  // namespace keelson::kube
