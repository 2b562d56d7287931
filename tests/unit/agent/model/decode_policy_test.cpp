#include <gmock/gmock.h>

#include "model/decode.h"

namespace keelson::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string policy(const std::string& spec) {
  return "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\n"
         "  namespace: shop\n" +
         spec;
}

Shared<AuthorizationPolicy> good(const std::string& spec) {
  DecodedFile file = decode_file("t.yaml", policy(spec));
  for (const Finding& finding : file.findings) ADD_FAILURE() << finding.message;
  if (file.objects.size() != 1 || !file.objects[0].object) {
    ADD_FAILURE() << spec;
    return std::make_shared<AuthorizationPolicy>();
  }
  return std::get<Shared<AuthorizationPolicy>>(*file.objects[0].object);
}

TEST(DecodeAuthorizationPolicy, ReadsSourcesOperationsAndSelector) {
  const auto object = good(R"(spec:
  selector: {matchLabels: {app: pay}}
  action: DENY
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/shop/sa/web", "*"]
        notPrincipals: ["cluster.local/ns/evil*"]
        namespaces: [shop]
        ipBlocks: [10.0.0.0/8, 'fd00::1']
    - source: {serviceAccounts: [web, other/cart]}
    to:
    - operation: {ports: ["8080"], notPorts: ["9090"]}
  - {}
)");
  EXPECT_EQ(object->action, PolicyAction::kDeny);
  EXPECT_EQ(object->selector, (Labels{{"app", "pay"}}));
  ASSERT_EQ(object->rules.size(), 2u);
  const PolicyRule& rule = object->rules[0];
  ASSERT_EQ(rule.from->size(), 2u);
  EXPECT_EQ((*rule.from)[0].principals->size(), 2u);
  EXPECT_EQ((*rule.from)[0].ip_blocks->at(1).to_string(), IpPrefix::parse("fd00::1")->to_string());
  EXPECT_THAT(*(*rule.from)[1].service_accounts, ElementsAre("web", "other/cart"));
  EXPECT_THAT(*(*rule.to)[0].ports, ElementsAre(8080));
  EXPECT_EQ(object->rules[1], PolicyRule{});
  EXPECT_FALSE(object->unreadable);
}

TEST(DecodeAuthorizationPolicy, EmptySpecIsAllowWithoutRules) {
  for (const char* spec : {"", "spec:\n", "spec: {}\n", "spec: {rules: []}\n"}) {
    const auto object = good(spec);
    EXPECT_EQ(object->action, PolicyAction::kAllow);
    EXPECT_TRUE(object->rules.empty());
    EXPECT_FALSE(object->selector);
  }
  EXPECT_EQ(good("spec: {rules: [{}]}\n")->rules.size(), 1u);
  EXPECT_EQ(good("spec: {selector: {}}\n")->selector, Labels{});
}

struct BadPolicy {
  const char* spec;
  Reason reason;
  const char* message;
  const char* fix;
};

const BadPolicy kBadPolicies[] = {
    {"sepc: {}\n", Reason::unknown_field, "unknown field sepc", "did you mean 'spec'?"},
    {"spec: {rules: [{form: []}]}\n", Reason::unknown_field, "spec.rules[0].form", "'from'"},
    {"spec: {rules: [{from: [{source: {principal: [a]}}]}]}\n", Reason::unknown_field,
     "spec.rules[0].from[0].source.principal", "'principals'"},
    {"spec: {rules: [{from: [{source: {}}]}]}\n", Reason::bad_value, "is empty", "add a condition"},
    {"spec: {rules: [{from: [{}]}]}\n", Reason::missing_field, "source is missing", "add it"},
    {"spec: {rules: [{from: []}]}\n", Reason::bad_value, "from is empty", "add an item"},
    {"spec: {rules: [{from: }]}\n", Reason::bad_value, "from is empty", "add an item"},
    {"spec: {rules: [~]}\n", Reason::wrong_type, "spec.rules[0] is null", "write {}"},
    {"spec: {rules: {}}\n", Reason::wrong_type, "spec.rules must be a list", ""},
    {"spec: {rules: [{from: [{source: {principals: [\"spiffe://a/ns/b/sa/c\"]}}]}]}\n",
     Reason::bad_value, "can never match", "leave out spiffe://"},
    {"spec: {rules: [{from: [{source: {principals: [\"a*b\"]}}]}]}\n", Reason::bad_value,
     "cannot match", "prefix*"},
    {"spec: {rules: [{from: [{source: {namespaces: [\"\"]}}]}]}\n", Reason::bad_value,
     "cannot match", ""},
    {"spec: {rules: [{from: [{source: {namespaces: [no]}}]}]}\n", Reason::wrong_type,
     "not boolean (no)", "\"no\""},
    {"spec: {rules: [{from: [{source: {serviceAccounts: [\"a/b/c\"]}}]}]}\n", Reason::bad_value,
     "not a service account", ""},
    {"spec: {rules: [{from: [{source: {ipBlocks: [10.0.0.1/8]}}]}]}\n", Reason::bad_value,
     "not an address block", ""},
    {"spec: {rules: [{to: [{operation: {ports: [8080]}}]}]}\n", Reason::wrong_type,
     "not number (8080)", "\"8080\""},
    {"spec: {rules: [{to: [{operation: {ports: [\"0\"]}}]}]}\n", Reason::bad_value, "not a port",
     ""},
    {"spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\n", Reason::unsupported_field,
     "spec.rules[0].to[0].operation.methods is not implemented", ""},
    {"spec: {rules: [{when: [{key: a}]}]}\n", Reason::unsupported_field, "rules[0].when", ""},
    {"spec: {rules: [{from: [{source: {requestPrincipals: [a]}}]}]}\n", Reason::unsupported_field,
     "requestPrincipals", ""},
    {"spec: {action: CUSTOM, provider: {name: x}}\n", Reason::unsupported_field, "CUSTOM", ""},
    {"spec: {action: AUDIT}\n", Reason::unsupported_field, "AUDIT", "ALLOW or DENY"},
    {"spec: {action: Allow}\n", Reason::bad_value, "not an action", "ALLOW or DENY"},
    {"spec: {targetRefs: [{kind: Service, name: a}]}\n", Reason::unsupported_field, "targetRefs",
     ""},
    {"spec: {selector: {matchExpressions: []}}\n", Reason::unknown_field, "matchExpressions", ""},
    {"spec: {selector: {matchLabels: {app: 1}}}\n", Reason::wrong_type, "matchLabels.app", ""},
    {"spec: [\n", Reason::syntax_error, "", ""},
    {"spec: {action: DENY, action: ALLOW}\n", Reason::duplicate_key, "'action'", "remove one"},
};

TEST(DecodeAuthorizationPolicy, RefusedOnesNameFieldAndFixAndBringAStandInThatDenies) {
  for (const BadPolicy& row : kBadPolicies) {
    const DecodedFile file = decode_file("t.yaml", policy(row.spec));
    ASSERT_EQ(file.objects.size(), 1u) << row.spec;
    EXPECT_EQ(file.objects[0].key.to_string(), "AuthorizationPolicy shop/p") << row.spec;
    EXPECT_FALSE(file.objects[0].object) << row.spec;
    ASSERT_TRUE(file.objects[0].fallback) << row.spec;
    EXPECT_TRUE(std::get<Shared<AuthorizationPolicy>>(*file.objects[0].fallback)->unreadable);
    const auto matches = [&row](const Finding& finding) {
      return finding.reason == row.reason && finding.where == SourceRef{"t.yaml", 6} &&
             finding.object == "AuthorizationPolicy shop/p" &&
             finding.message.find(row.message) != std::string::npos &&
             finding.fix.find(row.fix) != std::string::npos;
    };
    EXPECT_TRUE(std::ranges::any_of(file.findings, matches))
        << row.spec << file.findings.at(0).message << " / " << file.findings[0].fix << " / "
        << file.findings[0].where.line;
  }
}

TEST(DecodeAuthorizationPolicy, TheStandInKeepsASelectorThatCouldBeRead) {
  const auto selector = [](const std::string& spec) {
    const DecodedFile file = decode_file("t.yaml", policy(spec));
    return std::get<Shared<AuthorizationPolicy>>(*file.objects.at(0).fallback)->selector;
  };
  EXPECT_EQ(selector("spec: {selector: {matchLabels: {app: pay}}, action: AUDIT}\n"),
            (Labels{{"app", "pay"}}));
  EXPECT_EQ(selector("spec: {action: AUDIT, bogus: 1, selector: {matchLabels: {app: pay}}}\n"),
            (Labels{{"app", "pay"}}));
  EXPECT_EQ(selector("spec: {selector: {matchLabels: {app: pay}, more: 1}}\n"), std::nullopt);
  EXPECT_EQ(selector("spec: {selector: {matchLabels: {app: pay}}, targetRef: {}}\n"), std::nullopt);
  EXPECT_EQ(selector("spec: {selector: {matchLabels: {app: pay}}\n"), std::nullopt);
}

TEST(DecodeAuthorizationPolicy, AnUnnamedOneDeniesInItsNamespaceOrInDefault) {
  const auto key = [](const std::string& text) {
    const DecodedFile file = decode_file("t.yaml", text);
    EXPECT_FALSE(file.complete);
    EXPECT_TRUE(file.objects.at(0).unnamed);
    EXPECT_TRUE(file.objects.at(0).fallback);
    return file.objects.at(0).key.to_string();
  };
  const std::string head = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n";
  EXPECT_EQ(key(head), "AuthorizationPolicy default/unreadable-at-t.yaml-1");
  EXPECT_EQ(key(head + "metadata: {namespace: shop}\n"),
            "AuthorizationPolicy shop/unreadable-at-t.yaml-1");
  EXPECT_EQ(key(head + "metadata:\n  namespace: shop\n  name: [\n"),
            "AuthorizationPolicy shop/unreadable-at-t.yaml-1");
}

TEST(DecodeAuthorizationPolicy, AWrongApiVersionIsRefusedUnlessItIsAnotherApi) {
  const auto count = [](const std::string& api, bool* has_fallback) {
    const DecodedFile file = decode_file(
        "t.yaml", api + "kind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\n");
    *has_fallback = !file.objects.empty() && file.objects[0].fallback.has_value();
    return file.objects.size();
  };
  bool has_fallback = false;
  for (const char* api : {"", "apiVersion: v1\n", "apiVersion: security.istio.io/v2\n",
                          "apiVersion: security.istoi.io/v1\n", "apiVersion: 3\n"}) {
    EXPECT_EQ(count(api, &has_fallback), 1u) << api;
    EXPECT_TRUE(has_fallback) << api;
  }
  EXPECT_EQ(count("apiVersion: policy.linkerd.io/v1alpha1\n", &has_fallback), 0u);
  EXPECT_EQ(count("apiVersion: security.istio.io/v1beta1\n", &has_fallback), 1u);
  EXPECT_FALSE(has_fallback);
}

TEST(DecodeAuthorizationPolicy, ADryRunIsNotEnforcedAndSaysSo) {
  const DecodedFile file =
      decode_file("t.yaml", policy("  annotations: {istio.io/dry-run: 'true'}\nspec: {}\n"));
  EXPECT_TRUE(file.objects.empty());
  ASSERT_EQ(file.findings.size(), 1u);
  EXPECT_EQ(file.findings[0].severity, Severity::kWarning);
}

std::string peer(const std::string& spec) {
  return "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, "
         "namespace: shop}\n" +
         spec;
}

TEST(DecodePeerAuthentication, ReadsModes) {
  const DecodedFile file = decode_file("t.yaml", peer(R"(spec:
  selector: {matchLabels: {app: pay}}
  mtls: {mode: STRICT}
  portLevelMtls: {8080: {mode: PERMISSIVE}, "9090": {mode: DISABLE}, 1: {}}
)"));
  ASSERT_TRUE(file.objects.at(0).object) << file.findings.at(0).message;
  const auto object = std::get<Shared<PeerAuthentication>>(*file.objects[0].object);
  EXPECT_EQ(object->mode, MtlsMode::kStrict);
  EXPECT_EQ(object->port_modes,
            (std::map<uint16_t, MtlsMode>{
                {8080, MtlsMode::kPermissive}, {9090, MtlsMode::kDisable}, {1, MtlsMode::kUnset}}));
}

TEST(DecodePeerAuthentication, AnUnreadableOneStandsInAsStrict) {
  for (const char* spec : {"spec: {mtls: {mode: strict}}\n", "spec: {mtls: {mod: STRICT}}\n",
                           "spec: {mtls: [}\n", "spec: {portLevelMtls: {80: {mode: STRICT}}}\n",
                           "spec: {selector: {matchLabels: {a: b}}, portLevelMtls: {x: {}}}\n"}) {
    const DecodedFile file = decode_file("t.yaml", peer(spec));
    ASSERT_EQ(file.objects.size(), 1u) << spec;
    EXPECT_FALSE(file.objects[0].object) << spec;
    EXPECT_EQ(std::get<Shared<PeerAuthentication>>(*file.objects[0].fallback)->mode,
              MtlsMode::kStrict)
        << spec;
    EXPECT_FALSE(file.findings.empty()) << spec;
  }
}

}  // namespace
}  // namespace keelson::model
