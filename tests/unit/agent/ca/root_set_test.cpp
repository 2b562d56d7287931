#include "ca/root_set.h"

#include <gtest/gtest.h>

#include "tls/certificates.h"

namespace keelson::ca {
namespace {

using Step = RotationStep;

const RootRules kRules;
const WallTime kNow =
    std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());

RootSet after(std::vector<Step> steps) {
  RootSet roots;
  for (const Step step : steps) roots = std::move(*advance_roots(roots, step, kRules, kNow));
  return roots;
}

TEST(RootSet, SurvivesItsFilesInEveryStateOfARotation) {
  for (const auto& steps : std::vector<std::vector<Step>>{
           {},
           {Step::kMakeRoot},
           {Step::kMakeRoot, Step::kMakeNext},
           {Step::kMakeRoot, Step::kMakeNext, Step::kStamp},
           {Step::kMakeRoot, Step::kMakeNext, Step::kStamp, Step::kSwitch},
           {Step::kMakeRoot, Step::kMakeNext, Step::kStamp, Step::kSwitch, Step::kDropOld},
       }) {
    const RootSet roots = after(steps);
    const auto again = decode_roots(*encode_roots(roots));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->bundle_pem(), roots.bundle_pem());
    EXPECT_EQ(again->has_root(), roots.has_root());
    EXPECT_EQ(again->announced_at, roots.announced_at);
    EXPECT_EQ(again->switched_at, roots.switched_at);
    if (roots.has_root()) {
      EXPECT_EQ(EVP_PKEY_eq(again->signing.key.get(), roots.signing.key.get()), 1);
    }
  }
}

TEST(RootSet, TheFormerRootIsTrustedAfterTheSwitchAndItsKeyIsGone) {
  const RootSet before = after({Step::kMakeRoot, Step::kMakeNext, Step::kStamp});
  const auto switched = advance_roots(before, Step::kSwitch, kRules, kNow);
  ASSERT_TRUE(switched);
  const auto trusted = switched->trusted();
  ASSERT_EQ(trusted.size(), 2U);
  EXPECT_EQ(X509_cmp(trusted[0], before.next.certificate.get()), 0);
  EXPECT_EQ(X509_cmp(trusted[1], before.signing.certificate.get()), 0);
  const auto files = encode_roots(*switched);
  EXPECT_FALSE(files->contains("next.key"));
  const auto former = key_pem(before.signing);
  for (const auto& [name, content] : *files)
    EXPECT_EQ(content.view().find(former->view()), std::string_view::npos) << name;
}

TEST(RootSet, RefusesFilesThatDoNotFit) {
  const auto good = [] {
    return std::move(*encode_roots(after({Step::kMakeRoot, Step::kMakeNext})));
  };
  using Change = std::function<void(RootFiles&)>;
  const auto set = [](const char* name, const char* text) {
    return [name, text](RootFiles& files) {
      files.insert_or_assign(name, tls::SecretBytes(std::string(text)));
    };
  };
  for (const Change& change : std::vector<Change>{
           [](RootFiles& files) { files.erase("tls.key"); },
           [](RootFiles& files) { files.erase("tls.crt"); },
           [](RootFiles& files) { files.erase("tls.key"), files.erase("tls.crt"); },
           [](RootFiles& files) { std::swap(files["tls.crt"], files["next.crt"]); },
           set("tls.crt", "x"),
           set("tls.key", "x"),
           set("old.crt", "x"),
           set("rotation.json", "[1]"),
           set("rotation.json", "{\"announced_at\":\"now\"}"),
           set("rotation.json", "{"),
       }) {
    RootFiles files = good();
    change(files);
    const auto read = decode_roots(files);
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error().reason == Reason::authority_state_invalid ||
                read.error().reason == Reason::certificate_malformed)
        << read.error().message();
  }
}

}  // namespace
}  // namespace keelson::ca
