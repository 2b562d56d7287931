#include "model/store.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace keelson::model {
namespace {

using testing::SizeIs;

std::string policy(const std::string& name, const std::string& spec,
                   const std::string& ns = "shop") {
  return "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: " + name +
         "\n  namespace: " + ns + "\nspec: " + spec + "\n";
}
std::string pod(const std::string& name, const std::string& spec = "{}") {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: " + spec + "\n";
}

const std::string kDeny = "{action: DENY, rules: [{}]}";
const std::string kAllow = "{rules: [{}]}";
const std::string kUnknown = "{acton: DENY}";

class StoreTest : public testing::Test {
 protected:
  bool apply(const std::string& file, const std::string& text) {
    return store_.apply(decode_file(file, text));
  }
  const AuthorizationPolicy* find_policy(const std::string& name, const std::string& ns = "shop") {
    const auto snapshot = store_.snapshot();
    const auto at = snapshot->authorization_policies.find({Kind::kAuthorizationPolicy, ns, name});
    return at == snapshot->authorization_policies.end() ? nullptr : at->second.get();
  }
  bool is_deny(const std::string& name) {
    const auto* object = find_policy(name);
    return object != nullptr && !object->unreadable && object->action == PolicyAction::kDeny;
  }
  size_t pods() { return store_.snapshot()->pods.size(); }
  size_t policies() { return store_.snapshot()->authorization_policies.size(); }
  uint64_t generation() { return store_.snapshot()->generation; }
  const Finding* finding(Reason reason) {
    findings_ = store_.findings();
    const auto at = std::ranges::find(findings_, reason, &Finding::reason);
    return at == findings_.end() ? nullptr : &*at;
  }

  Store store_;
  std::vector<Finding> findings_;
};

TEST_F(StoreTest, AChangeGrowsTheGenerationByOneAndUnchangedContentKeepsTheSnapshot) {
  EXPECT_EQ(generation(), 0u);
  EXPECT_TRUE(apply("a.yaml", pod("p")));
  EXPECT_EQ(generation(), 1u);
  const auto snapshot = store_.snapshot();
  EXPECT_FALSE(apply("a.yaml", pod("p")));
  EXPECT_EQ(store_.snapshot(), snapshot);
  EXPECT_TRUE(apply("a.yaml", pod("p", "{nodeName: node-n}")));
  EXPECT_EQ(generation(), 2u);
  EXPECT_EQ(snapshot->pods.begin()->second->node_name, "");
}

TEST_F(StoreTest, AFieldThatKeelsonDoesNotReadIsNoChange) {
  apply("a.yaml", pod("p", "{future: 1}"));
  EXPECT_FALSE(apply("a.yaml", pod("p", "{future: 2}")));
}

TEST_F(StoreTest, ABatchIsOneChange) {
  std::vector<DecodedFile> files;
  files.push_back(decode_file("a.yaml", pod("a")));
  files.push_back(decode_file("b.yaml", pod("b")));
  for (DecodedFile& file : files) store_.put(std::move(file));
  EXPECT_TRUE(store_.publish());
  EXPECT_EQ(generation(), 1u);
  files.clear();
  files.push_back(decode_file("c.yaml", pod("a")));
  for (const char* gone : {"a.yaml", "b.yaml"}) store_.forget(gone);
  for (DecodedFile& file : files) store_.put(std::move(file));
  EXPECT_TRUE(store_.publish());
  EXPECT_EQ(pods(), 1u);
  EXPECT_EQ(generation(), 2u);
}

TEST_F(StoreTest, ABadVersionKeepsTheLastGoodOneWhileOthersAdvance) {
  apply("a.yaml", policy("p", kDeny) + "---\n" + pod("w"));
  EXPECT_TRUE(apply("a.yaml", policy("p", kUnknown) + "---\n" + pod("w", "{nodeName: node-n}")));
  EXPECT_TRUE(is_deny("p"));
  EXPECT_EQ(store_.snapshot()->pods.begin()->second->node_name, "node-n");
  ASSERT_NE(finding(Reason::last_good_kept), nullptr);
  EXPECT_EQ(finding(Reason::last_good_kept)->object, "AuthorizationPolicy shop/p");
  EXPECT_EQ(finding(Reason::unknown_field)->where.to_string(), "a.yaml:6");
  EXPECT_TRUE(apply("a.yaml", policy("p", kAllow) + "---\n" + pod("w")));
  EXPECT_FALSE(is_deny("p"));
  EXPECT_THAT(store_.findings(), SizeIs(0));
}

TEST_F(StoreTest, ABadCoreObjectKeepsItsLastGoodVersionToo) {
  apply("a.yaml", pod("w", "{nodeName: node-n}"));
  EXPECT_FALSE(apply("a.yaml", pod("w", "{nodeName: [node-n]}")));
  EXPECT_EQ(store_.snapshot()->pods.begin()->second->node_name, "node-n");
  EXPECT_NE(finding(Reason::last_good_kept), nullptr);
}

TEST_F(StoreTest, APolicyThatNeverHadAGoodVersionDeniesWhatItSelects) {
  apply("a.yaml", policy("p", "{selector: {matchLabels: {app: pay}}, action: AUDIT}"));
  ASSERT_NE(find_policy("p"), nullptr);
  EXPECT_TRUE(find_policy("p")->unreadable);
  EXPECT_EQ(find_policy("p")->selector, (Labels{{"app", "pay"}}));
  EXPECT_NE(finding(Reason::policy_unreadable_denies), nullptr);
  const uint64_t before = generation();
  EXPECT_FALSE(
      apply("a.yaml", policy("p", "{selector: {matchLabels: {app: pay}}, action: CUSTOM}")));
  EXPECT_EQ(generation(), before);
  apply("a.yaml", policy("p", kAllow));
  EXPECT_FALSE(find_policy("p")->unreadable);
  EXPECT_EQ(finding(Reason::policy_unreadable_denies), nullptr);
}

TEST_F(StoreTest, APolicyWithASyntaxErrorThatNeverHadAGoodVersionDeniesItsNamespace) {
  const std::string head = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n";
  const std::string meta = "metadata:\n  name: p\n  namespace: shop\n";
  const std::string broken[] = {
      policy("p", "{rules: [{}"),
      policy("p", "\n  rules:\n\t- from: []"),
      policy("p", "{action: \"DENY}"),
      ": : [\n" + policy("p", kAllow),
      head + "spec: {{{{\n" + meta,
      head + "metadata: {name: p, namespace: shop}\nspec: [\n",
      "{\"kind\": \"AuthorizationPolicy\", \"metadata\": {\"name\": \"p\", \"namespace\": "
      "\"shop\"},",
  };
  for (const std::string& text : broken) {
    apply("a.yaml", "");
    apply("a.yaml", text);
    const auto* stand_in = find_policy("p");
    EXPECT_TRUE(stand_in != nullptr && stand_in->unreadable && !stand_in->selector) << text;
    EXPECT_NE(finding(Reason::policy_unreadable_denies), nullptr) << text;
  }
}

TEST_F(StoreTest, ASyntaxErrorKeepsEveryObjectOfTheFile) {
  apply("a.yaml", policy("p", kDeny) + "---\n" + policy("q", kDeny) + "---\n" + pod("w"));
  EXPECT_FALSE(apply("a.yaml", "{{{{"));
  EXPECT_TRUE(is_deny("p") && is_deny("q"));
  EXPECT_EQ(pods(), 1u);
  EXPECT_EQ(finding(Reason::syntax_error)->where.to_string(), "a.yaml:1");
}

constexpr char kNothingReadable[] = "a: [1\n";

TEST_F(StoreTest, AFileThatNeverToldWhatItHoldsIsUnknownUntilItIsMendedOrGone) {
  const Error denied{Reason::file_unreadable, ErrorSource::kConfig, false, EACCES, "b.yaml"};
  apply("a.yaml", pod("p"));
  EXPECT_THAT(store_.unknown_content(), SizeIs(0));
  store_.apply(unreadable_file("b.yaml", denied));
  ASSERT_THAT(store_.unknown_content(), SizeIs(1));
  EXPECT_EQ(store_.unknown_content()[0].reason, Reason::file_unreadable);
  EXPECT_FALSE(store_.unknown_content()[0].fix.empty());
  apply("b.yaml", kNothingReadable);
  ASSERT_THAT(store_.unknown_content(), SizeIs(1));
  EXPECT_EQ(store_.unknown_content()[0].reason, Reason::syntax_error);
  EXPECT_GT(store_.unknown_content()[0].where.line, 0u);
  apply("b.yaml", pod("q"));
  EXPECT_THAT(store_.unknown_content(), SizeIs(0));
  apply("c.yaml", kNothingReadable);
  EXPECT_THAT(store_.unknown_content(), SizeIs(1));
  store_.remove("c.yaml");
  EXPECT_THAT(store_.unknown_content(), SizeIs(0));
}

TEST_F(StoreTest, WhatWasReadableOnceOrTellsItsKindIsNotUnknown) {
  apply("a.yaml", policy("p", kDeny));
  apply("a.yaml", kNothingReadable);
  EXPECT_TRUE(is_deny("p"));
  EXPECT_THAT(store_.unknown_content(), SizeIs(0));
  apply("b.yaml", policy("q", "{rules: [1"));  // denies its namespace
  EXPECT_THAT(store_.unknown_content(), SizeIs(0));
}

TEST_F(StoreTest, AMissingFolderIsUnknownOnlyWhileNoFileOfItWasRead) {
  const Error missing{Reason::file_unreadable, ErrorSource::kConfig, false, ENOENT, "etc"};
  store_.apply(unreadable_file("etc", missing));
  EXPECT_THAT(store_.unknown_content(), SizeIs(1));
  apply("etc/a.yaml", pod("p"));
  EXPECT_THAT(store_.unknown_content(), SizeIs(0));
}

TEST_F(StoreTest, ASyntaxErrorInOneDocumentLetsTheOthersAdvance) {
  apply("a.yaml", policy("p", kAllow) + "---\n" + policy("q", kAllow));
  apply("a.yaml", policy("p", "[") + "---\n" + policy("q", kDeny));
  EXPECT_TRUE(is_deny("q"));
  ASSERT_NE(find_policy("p"), nullptr);
  EXPECT_FALSE(find_policy("p")->unreadable);
  EXPECT_EQ(policies(), 2u);
}

TEST_F(StoreTest, AFileThatTurnsUnreadableKeepsItsObjects) {
  apply("a.yaml", policy("p", kDeny));
  EXPECT_FALSE(store_.apply(unreadable_file(
      "a.yaml", Error{Reason::file_unreadable, ErrorSource::kKernel, false, EACCES, "a.yaml"})));
  EXPECT_TRUE(is_deny("p"));
  EXPECT_NE(finding(Reason::file_unreadable), nullptr);
  EXPECT_FALSE(apply("a.yaml", std::string(10u << 20, '#')));
  EXPECT_TRUE(is_deny("p"));
  EXPECT_NE(finding(Reason::document_too_large), nullptr);
}

TEST_F(StoreTest, AnUnnamedBrokenPolicyDeniesOnlyWhenNoLastGoodOneExplainsIt) {
  const std::string unnamed = policy("[", kDeny);
  apply("a.yaml", policy("p", kAllow));
  apply("a.yaml", unnamed);
  EXPECT_EQ(policies(), 1u);
  EXPECT_FALSE(find_policy("p")->unreadable);
  apply("a.yaml", unnamed + "---\n" + unnamed);
  EXPECT_EQ(policies(), 2u);
  apply("b.yaml", unnamed);
  EXPECT_EQ(policies(), 3u);
  apply("b.yaml", "# moved\n" + unnamed);
  EXPECT_EQ(policies(), 3u) << "the stand-in of the earlier line must not stay";
  apply("b.yaml", "");
  EXPECT_EQ(policies(), 2u);
}

TEST_F(StoreTest, DeletingAFileOrADocumentRemovesItsObjects) {
  apply("a.yaml", policy("p", kDeny) + "---\n" + policy("q", kDeny));
  EXPECT_TRUE(apply("a.yaml", policy("q", kDeny)));
  EXPECT_EQ(policies(), 1u);
  EXPECT_TRUE(store_.remove("a.yaml"));
  EXPECT_EQ(policies(), 0u);
  EXPECT_FALSE(store_.remove("a.yaml"));
  apply("a.yaml", policy("q", kUnknown));
  EXPECT_TRUE(find_policy("q")->unreadable) << "a deleted object has no last good version";
}

TEST_F(StoreTest, OfTwoFilesTheFirstAcceptedKeepsServing) {
  apply("b.yaml", policy("p", kDeny));
  EXPECT_FALSE(apply("a.yaml", policy("p", kAllow)));
  EXPECT_TRUE(is_deny("p"));
  const Finding* duplicate = finding(Reason::duplicate_object);
  ASSERT_NE(duplicate, nullptr);
  EXPECT_EQ(duplicate->where.to_string(), "a.yaml:1");
  EXPECT_THAT(duplicate->message, testing::HasSubstr("b.yaml:1"));
  EXPECT_TRUE(store_.remove("b.yaml"));
  EXPECT_FALSE(is_deny("p"));
  EXPECT_EQ(finding(Reason::duplicate_object), nullptr);
}

TEST_F(StoreTest, ADuplicateInsideOneFileIsNamedAndTheFirstServes) {
  apply("a.yaml", policy("p", kDeny) + "---\n" + policy("p", kAllow));
  EXPECT_TRUE(is_deny("p"));
  ASSERT_NE(finding(Reason::duplicate_object), nullptr);
  EXPECT_EQ(finding(Reason::duplicate_object)->where.to_string(), "a.yaml:8");
}

TEST_F(StoreTest, ThePodsOwnMeshLabelWinsOverTheNamespaces) {
  const auto labelled = [](const std::string& kind, const std::string& name, const std::string& v) {
    return "apiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name +
           ", namespace: shop, labels: {keelson.dev/mesh: '" + v + "'}}\n---\n";
  };
  apply("a.yaml", labelled("Namespace", "shop", "enabled") + pod("plain") + "---\n" +
                      labelled("Pod", "out", "disabled") + labelled("Pod", "odd", "x"));
  const auto meshed = [this](const std::string& name) {
    const auto snapshot = store_.snapshot();
    return is_meshed(*snapshot, *snapshot->pods.at({Kind::kPod, "shop", name}));
  };
  EXPECT_TRUE(meshed("plain"));
  EXPECT_FALSE(meshed("out"));
  EXPECT_TRUE(meshed("odd"));
  apply("a.yaml", pod("plain") + "---\n" + labelled("Pod", "in", "enabled"));
  EXPECT_FALSE(meshed("plain"));
  EXPECT_TRUE(meshed("in"));
}

// ---- last good copies ------------------------------------------------------------------------

class LastGoodTest : public StoreTest {
 protected:
  LastGoodTest() {
    char path[] = "/tmp/keelson-store-XXXXXX";
    dir_ = std::string(::mkdtemp(path)) + "/last-good";
  }
  ~LastGoodTest() override {
    std::filesystem::remove_all(std::filesystem::path(dir_).parent_path());
  }
  // As an agent that just started: it remembers nothing of the folder.
  Result<void> save(const std::string& dir) {
    return LastGoodFolder(dir).save(store_.last_good_copies());
  }
  void restart() {
    ASSERT_TRUE(save(dir_));
    store_ = Store();
    ASSERT_TRUE(store_.load_last_good(dir_));
    EXPECT_EQ(policies(), 0u) << "a copy must not serve by itself";
  }
  size_t copies() {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(dir_),
                                             std::filesystem::directory_iterator{}));
  }
  std::string dir_;
};

TEST_F(LastGoodTest, ABadVersionFindsTheCopyAfterARestart) {
  apply("a.yaml", "\n\n" + policy("p", kDeny) + "---\n" + pod("w"));
  restart();
  EXPECT_EQ(copies(), 1u) << "of these only the policy is copied";
  apply("a.yaml", policy("p", kUnknown));
  EXPECT_TRUE(is_deny("p"));
  EXPECT_EQ(find_policy("p")->meta.where.to_string(), "a.yaml:3");
  restart();
  apply("a.yaml", policy("p", kUnknown));
  EXPECT_TRUE(is_deny("p")) << "also after a second restart";
}

TEST_F(LastGoodTest, AnObjectOfTheApiFindsItsCopyToo) {
  const auto apply_object = [this](const std::string& spec) {
    store_.apply(
        decode_object("AuthorizationPolicy shop/p",
                      R"({"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy",)"
                      R"("metadata":{"name":"p","namespace":"shop"},"spec":)" +
                          spec + "}"));
  };
  apply_object(R"({"action":"DENY","rules":[{}]})");
  restart();
  apply_object(R"({"acton":"DENY"})");
  EXPECT_TRUE(is_deny("p"));
  EXPECT_EQ(find_policy("p")->meta.where.to_string(), "AuthorizationPolicy shop/p");
}

TEST_F(LastGoodTest, ARouteKeepsItsLastGoodVersionToo) {
  const auto route = [](const std::string& rest) {
    return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
           "metadata: {name: r, namespace: shop}\n"
           "spec:\n  parentRefs: [{group: '', kind: Service, name: pay}]\n" +
           rest;
  };
  const auto rules = [this] {
    const auto& routes = store_.snapshot()->http_routes;
    return routes.empty() ? 0 : routes.begin()->second->rules.size();
  };
  apply("a.yaml", route("  ruels: []\n"));
  EXPECT_EQ(rules(), 0u) << "never had a good version: no route";
  apply("a.yaml", route("  rules: [{}, {}]\n"));
  EXPECT_EQ(rules(), 2u);
  restart();
  apply("a.yaml", route("  ruels: []\n"));
  EXPECT_EQ(rules(), 2u);
}

TEST_F(LastGoodTest, ASyntaxErrorFindsTheCopiesOfItsFileAfterARestart) {
  apply("a.yaml", policy("p", kDeny));
  apply("b.yaml", policy("q", kDeny));
  restart();
  apply("a.yaml", "{{{");
  EXPECT_TRUE(is_deny("p"));
  EXPECT_EQ(find_policy("q"), nullptr) << "its file has not been seen";
}

TEST_F(LastGoodTest, WhatWasDeletedWhileTheAgentWasDownStaysDeleted) {
  apply("a.yaml", policy("p", kDeny) + "---\n" + policy("q", kDeny));
  apply("b.yaml", policy("r", kDeny));
  restart();
  apply("a.yaml", policy("q", kDeny));
  EXPECT_EQ(policies(), 1u);
  ASSERT_TRUE(save(dir_));
  EXPECT_EQ(copies(), 1u);
  apply("a.yaml", policy("p", kUnknown));
  EXPECT_TRUE(find_policy("p")->unreadable);
}

TEST_F(LastGoodTest, CopiesArePrivateAndUnchangedOnesAreNotWrittenAgain) {
  apply("a.yaml", policy("p", kDeny));
  restart();
  apply("a.yaml", policy("p", kDeny));
  const auto path = std::filesystem::directory_iterator(dir_)->path().string();
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  EXPECT_EQ(before.st_mode & 0777, 0600u);
  ASSERT_TRUE(save(dir_));
  struct stat after {};
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  struct stat folder {};
  ASSERT_EQ(::stat(dir_.c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 0777, 0700u);
}

TEST_F(LastGoodTest, ADamagedCopyIsReportedAndSkipped) {
  apply("a.yaml", policy("p", kDeny));
  ASSERT_TRUE(save(dir_));
  std::ofstream(dir_ + "/ffff.json") << "{\"file\": \"a.yaml\"";
  store_ = Store();
  ASSERT_TRUE(store_.load_last_good(dir_));
  EXPECT_NE(finding(Reason::syntax_error), nullptr);
  apply("a.yaml", "{{{");
  EXPECT_TRUE(is_deny("p"));
}

TEST_F(LastGoodTest, AMissingFolderHoldsNothing) {
  EXPECT_TRUE(store_.load_last_good(dir_ + "/none"));
  EXPECT_FALSE(save(dir_ + "/no/parent"));
}

}  // namespace
}  // namespace keelson::model
