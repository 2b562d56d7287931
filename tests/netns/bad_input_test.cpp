// Every kind of bad input: said with file, line and fix; what was good goes on serving.
#include "support/netns_lab.h"

namespace keelson::test {
namespace {

constexpr char kFile[] = "bad.yaml";

struct BadInput : LabTest<BadInput> {
  static NetnsLabOptions options() {
    return {.manifest = namespace_yaml("shop", true) + namespace_yaml("outlaw", true) +
                        account_yaml("outlaw", "mallory") + service_yaml("shop", "pay", 80, 8080) +
                        pod_yaml("shop", "pay", "node1") + pod_yaml("shop", "web", "node1") +
                        pod_yaml("outlaw", "mallory", "node1", "mallory")};
  }

  void TearDown() override {
    lab().drop_raw(kFile);
    LabTest<BadInput>::TearDown();
  }

  nlohmann::json finding(std::string_view reason) {
    const auto now = lab().agent_status("node1");
    for (const auto& entry : now.value("findings", nlohmann::json::array())) {
      const std::string file = entry.value("file", "");
      if (file.ends_with(kFile) && entry.value("reason", "") == reason) return entry;
    }
    return nullptr;
  }

  // The reason appears with a line and a fix, and traffic goes on. Readiness stays, unless nobody
  // can know whether the file holds a policy.
  enum class Holds { kKnown, kAnything };
  void expect_said(const std::string& text, std::string_view reason, int line,
                   Holds holds = Holds::kKnown) {
    ASSERT_TRUE(lab().wait_settled());
    TcpServer pay(lab().netns("pay"), 8080);
    lab().put_raw(kFile, text);
    ASSERT_TRUE(wait_until([&] { return !finding(reason).is_null(); }))
        << lab().agent_status("node1")["findings"].dump(1);
    const auto said = finding(reason);
    EXPECT_FALSE(said.value("message", "").empty());
    EXPECT_FALSE(said.value("fix", "").empty()) << said.dump();
    EXPECT_TRUE(line == 0 || said.value("line", 0) == line) << said.dump();
    const AdminAnswer ready = lab().admin("node1", "/readyz");
    EXPECT_EQ(ready.status, holds == Holds::kKnown ? 200 : 503) << ready.body;
    EXPECT_EQ(ready.body.find("missing files_known: /") != std::string::npos,
              holds == Holds::kAnything)
        << ready.body;
    auto connection = connect_in(lab().netns("web"), lab().service4("shop", "pay", 80));
    EXPECT_EQ(connection.receive(6), "hello\n") << strerror(connection.error);
    lab().drop_raw(kFile);
    EXPECT_TRUE(wait_until([&] { return finding(reason).is_null(); })) << "mended, but still said";
    EXPECT_EQ(lab().admin("node1", "/readyz").status, 200);
  }
};

std::string with(std::string text, const std::string& old_text, const std::string& new_text) {
  const size_t at = text.find(old_text);
  EXPECT_NE(at, std::string::npos) << old_text;
  return at == std::string::npos ? text : text.replace(at, old_text.size(), new_text);
}

const std::string kPolicy =
    deny_yaml("shop", "no-mallory", "pay", "cluster.local/ns/outlaw/sa/mallory");

TEST_F(BadInput, ASyntaxError) {
  expect_said("apiVersion: v1\nkind: Namespace\nmetadata: {name: x\nfoo: [1\n", "syntax_error", 0);
}

TEST_F(BadInput, ASyntaxErrorThatHidesTheKind) {
  expect_said("metadata: {name: x\nfoo: [1\n", "syntax_error", 0, Holds::kAnything);
}

// Selects a pod that is not there: a policy that never was good denies what it selects.
TEST_F(BadInput, AnUnknownFieldOfAPolicy) {
  const std::string elsewhere = with(kPolicy, "app: pay", "app: nobody");
  expect_said(with(elsewhere, "  action: DENY\n", "  action: DENY\n  acton: DENY\n"),
              "unknown_field", 7);
}

TEST_F(BadInput, ADanglingReference) {
  expect_said(with(kPolicy, "sa/mallory", "sa/nobody"), "dangling_reference", 0);
}

// Not a policy: one that was never good denies, see below.
TEST_F(BadInput, ADuplicateKey) {
  expect_said(
      "apiVersion: v1\nkind: Service\nmetadata:\n  name: twice\n  namespace: shop\n"
      "spec:\n  clusterIP: None\nspec:\n  clusterIP: None\n",
      "duplicate_key", 8);
}

TEST_F(BadInput, ADuplicateObject) {
  expect_said(kPolicy + kPolicy, "duplicate_object", 0);
}

TEST_F(BadInput, ATenMegabyteFile) {
  std::string text = "# filler\n";
  constexpr size_t kTenMegabytes = 10u << 20;
  text.reserve(kTenMegabytes + 100);
  while (text.size() < kTenMegabytes) text += "# filler line of a far too large file\n";
  expect_said(text + kPolicy, "document_too_large", 0, Holds::kAnything);
}

TEST_F(BadInput, AThousandLevelsOfNesting) {
  expect_said("a: " + std::string(1000, '[') + std::string(1000, ']') + "\n", "document_too_deep",
              0, Holds::kAnything);
}

TEST_F(BadInput, ABrokenNewVersionOfAPolicyKeepsTheLastGoodOneServing) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  const Endpoint to = lab().service4("shop", "pay", 80);
  const auto is_denied = [&] { return !connect_in(lab().netns("mallory"), to).is_open(); };
  lab().put_raw(kFile, kPolicy);
  ASSERT_TRUE(wait_until(is_denied));
  lab().put_raw(kFile, with(kPolicy, "action: DENY", "action: DENIED"));
  ASSERT_TRUE(wait_until([&] { return !finding("bad_value").is_null(); }));
  EXPECT_TRUE(is_denied());
  EXPECT_TRUE(connect_in(lab().netns("web"), to).is_open());
  // Also after a restart: the last good version is in the state folder.
  const int before = lab().agent_status("node1").value("pid", 0);
  lab().kill(lab::Component::kAgent, "node1");
  ASSERT_TRUE(wait_until([&] {
    const int now = lab().agent_status("node1").value("pid", 0);
    return now != 0 && now != before;
  }));
  ASSERT_TRUE(lab().wait_settled());
  EXPECT_TRUE(is_denied());
  lab().drop_raw(kFile);
  EXPECT_TRUE(wait_until([&] { return !is_denied(); }));
}

TEST_F(BadInput, APolicyThatNeverHadAGoodVersionDeniesWhatItSelects) {
  ASSERT_TRUE(lab().wait_settled());
  TcpServer pay(lab().netns("pay"), 8080);
  const Endpoint to = lab().service4("shop", "pay", 80);
  ASSERT_TRUE(connect_in(lab().netns("web"), to).is_open());
  lab().put_raw(kFile, with(with(kPolicy, "no-mallory", "never-good"), "rules:", "rulez:"));
  EXPECT_TRUE(wait_until([&] { return !connect_in(lab().netns("web"), to).is_open(); }));
}

}  // namespace
}  // namespace keelson::test
