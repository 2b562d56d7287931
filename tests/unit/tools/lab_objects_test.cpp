#include "lab_objects.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lab_yaml.h"

namespace keelson::lab {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kShop[] = R"yaml(
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec:
  selector: {app: pay}
  ports: [{name: http, port: 80, targetPort: web}]
---
apiVersion: v1
kind: Pod
metadata: {name: pay-1, namespace: shop, labels: {app: pay, version: "1"}}
spec:
  containers:
  - name: main
    command: [serve, "$(WHAT)"]
    env: [{name: WHAT, value: it}]
    ports: [{name: web, containerPort: 8080}]
)yaml";

struct ObjectBookTest : ::testing::Test {
  Layout layout;
  ObjectBook book{layout};

  json object(const std::string& file) {
    auto files = book.files();
    EXPECT_TRUE(files.contains(file)) << file;
    auto parsed = parse_yaml(files[file]);
    EXPECT_TRUE(parsed) << files[file];
    return parsed ? *parsed : json();
  }
  std::string refusal(const std::string& yaml) {
    auto done = book.apply({{"x.yaml", yaml}});
    return done ? "accepted" : done.error().context;
  }
};

TEST_F(ObjectBookTest, APodGetsNodeAddressesNetnsAndConditions) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  const json pod = object("lab-pod-shop-pay-1.yaml");
  EXPECT_EQ(pod["spec"]["nodeName"], "node1");
  EXPECT_EQ(pod["spec"]["serviceAccountName"], "default");
  EXPECT_EQ(pod["status"]["podIPs"],
            json::parse(R"([{"ip":"10.244.1.10"},{"ip":"fd44:0:0:1::a"}])"));
  EXPECT_EQ(pod["metadata"]["annotations"]["keelson.dev/netns"],
            "/run/netns/keelson-lab-node1-pay-1");
  EXPECT_EQ(pod["metadata"]["uid"].get<std::string>().size(), 36u);
  EXPECT_EQ(pod["status"]["conditions"].back()["status"], "False");
  book.set_ready("pay-1", true);
  EXPECT_EQ(object("lab-pod-shop-pay-1.yaml")["status"]["conditions"].back()["status"], "True");
}

TEST_F(ObjectBookTest, AQuotedNumberStaysAString) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  EXPECT_EQ(object("lab-pod-shop-pay-1.yaml")["metadata"]["labels"]["version"], "1");
}

TEST_F(ObjectBookTest, PodsWithoutANodeGoRound) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  for (std::string name : {"a", "b", "c"})
    ASSERT_TRUE(book.apply(
        {{"pods.yaml", "kind: Pod\nmetadata: {name: " + name + ", namespace: shop}\nspec: {}\n"}}));
  EXPECT_EQ(book.pods().at("a").node, "node2");
  EXPECT_EQ(book.pods().at("b").node, "node1");
  EXPECT_EQ(book.pods().at("c").node, "node2");
}

TEST_F(ObjectBookTest, OnlyReadyPodsAreEndpointsAndNamedPortsAreResolved) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  EXPECT_EQ(object("lab-endpointslice-shop-pay-ipv4.yaml")["endpoints"][0]["conditions"]["ready"],
            false);
  ASSERT_EQ(book.virtual_services().size(), 2u);
  EXPECT_TRUE(book.virtual_services()[0].endpoints.empty());
  book.set_ready("pay-1", true);
  const json slice = object("lab-endpointslice-shop-pay-ipv6.yaml");
  EXPECT_EQ(slice["addressType"], "IPv6");
  EXPECT_EQ(slice["ports"], json::parse(R"([{"name":"http","port":8080,"protocol":"TCP"}])"));
  EXPECT_EQ(slice["endpoints"][0]["addresses"][0], "fd44:0:0:1::a");
  const auto services = book.virtual_services();
  EXPECT_EQ(services[0].cluster.to_string(), "10.96.0.1:80");
  ASSERT_EQ(services[0].endpoints.size(), 1u);
  EXPECT_EQ(services[0].endpoints[0].to_string(), "10.244.1.10:8080");
}

TEST_F(ObjectBookTest, NamesResolveShortOnlyInTheirOwnNamespace) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  EXPECT_THAT(book.hosts()["shop"],
              HasSubstr("10.96.0.1 pay.shop.svc.cluster.local pay.shop.svc pay.shop pay\n"));
  EXPECT_THAT(book.hosts()["default"],
              HasSubstr("10.96.0.1 pay.shop.svc.cluster.local pay.shop.svc pay.shop\n"));
}

TEST_F(ObjectBookTest, ProgramsSeeTheirVariablesExpanded) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  ASSERT_EQ(book.pods().at("pay-1").programs.size(), 1u);
  EXPECT_EQ(book.pods().at("pay-1").programs[0].argv, (std::vector<std::string>{"serve", "it"}));
}

TEST_F(ObjectBookTest, ALabelChangeKeepsThePodAndASpecChangeReplacesIt) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  const std::string uid = book.pods().at("pay-1").uid;
  std::string text = kShop;
  text.replace(text.find("version: \"1\""), 12, "version: \"2\"");
  ASSERT_TRUE(book.apply({{"shop.yaml", text}}));
  EXPECT_EQ(book.pods().at("pay-1").uid, uid);
  EXPECT_EQ(object("lab-pod-shop-pay-1.yaml")["metadata"]["labels"]["version"], "2");
  text.replace(text.find("serve"), 5, "other");
  ASSERT_TRUE(book.apply({{"shop.yaml", text}}));
  EXPECT_NE(book.pods().at("pay-1").uid, uid);
}

TEST_F(ObjectBookTest, PoliciesAndBrokenTextPassThroughOnTheirOwnLines) {
  const std::string policy =
      "kind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {acton: DENY}\n";
  const std::string broken = "kind: AuthorizationPolicy\n  metadata: [\n";
  ASSERT_TRUE(
      book.apply({{"mixed.yaml", std::string(kShop) + "---\n" + policy + "---\n" + broken}}));
  const std::string text = book.files()["mixed.yaml"];
  const size_t policy_at = text.find("kind: AuthorizationPolicy");
  ASSERT_NE(policy_at, std::string::npos);
  const auto lines_before = [](const std::string& all, size_t at) {
    return std::count(all.begin(), all.begin() + static_cast<ptrdiff_t>(at), '\n');
  };
  const std::string whole = std::string(kShop) + "---\n" + policy + "---\n" + broken;
  EXPECT_EQ(lines_before(text, policy_at), lines_before(whole, whole.find("kind: Authorization")));
  EXPECT_EQ(lines_before(text, text.find("  metadata: [")),
            lines_before(whole, whole.find("  metadata: [")));
  EXPECT_EQ(text.find("kind: Pod"), std::string::npos);
}

TEST_F(ObjectBookTest, APolicyMovesToTheFileAppliedLastAndIsDeletedByName) {
  const std::string policy =
      "kind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {}\n";
  ASSERT_TRUE(book.apply({{"a.yaml", policy}}));
  ASSERT_TRUE(book.apply({{"b.yaml", policy}}));
  EXPECT_FALSE(book.files().contains("a.yaml"));
  EXPECT_TRUE(book.files().contains("b.yaml"));
  ASSERT_TRUE(book.remove("AuthorizationPolicy", "shop/p"));
  EXPECT_FALSE(book.files().contains("b.yaml"));
  EXPECT_FALSE(book.remove("AuthorizationPolicy", "shop/p"));
}

TEST_F(ObjectBookTest, ARefusedApplyChangesNothingAndSaysWhere) {
  EXPECT_THAT(refusal("kind: Pod\nmetadata: {name: a, namespace: nowhere}\n"),
              HasSubstr("namespace nowhere does not exist"));
  EXPECT_THAT(refusal("kind: Pod\nmetadata: {name: a}\nspec: {nodeName: mars}\n"),
              HasSubstr("x.yaml:1: Pod a: there is no node mars"));
  EXPECT_THAT(refusal("kind: Pod\nmetadata: {name: a}\nspec: {serviceAccountName: who}\n"),
              HasSubstr("ServiceAccount default/who does not exist"));
  EXPECT_TRUE(book.pods().empty());
}

TEST_F(ObjectBookTest, DeletingANamespaceTakesItsObjectsAlong) {
  ASSERT_TRUE(book.apply({{"shop.yaml", kShop}}));
  ASSERT_TRUE(book.remove("Namespace", "shop"));
  EXPECT_TRUE(book.pods().empty());
  for (const auto& [name, text] : book.files())
    EXPECT_EQ(name.find("shop"), std::string::npos) << name;
}

TEST(Layout, TheProxyStartsAsManyWorkersAsAskedFor) {
  using ::testing::ElementsAre, ::testing::Contains, ::testing::Not;
  Layout layout;
  EXPECT_THAT(layout.component_command("node1", Component::kProxy), Not(Contains("--workers")));
  layout.proxy_workers = 2;
  const auto command = layout.component_command("node1", Component::kProxy);
  ASSERT_GE(command.size(), 2u);
  EXPECT_THAT(std::vector(command.end() - 2, command.end()), ElementsAre("--workers", "2"));
}

TEST(ServiceRules, AServiceWithoutEndpointsHasNoRule) {
  const Endpoint cluster{*IpAddress::parse("10.96.0.1"), 80};
  EXPECT_EQ(service_rules({{cluster, {}}}).find("10.96.0.1"), std::string::npos);
  const Endpoint backend{*IpAddress::parse("10.244.1.10"), 8080};
  EXPECT_THAT(service_rules({{cluster, {backend}}}),
              HasSubstr("ip daddr 10.96.0.1 tcp dport 80 dnat ip to numgen random mod 1 map { 0 : "
                        "10.244.1.10 . 8080 }"));
}

}  // namespace
}  // namespace keelson::lab
