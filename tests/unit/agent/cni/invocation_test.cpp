#include "cni/invocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cni_call.h"

namespace keelson::cni {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Invocation, ReadsWhatContainerdPasses) {
  const auto call = read_invocation(call_environment("ADD"), call_netconf().dump());
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->command, Command::kAdd);
  EXPECT_EQ(call->cni_version, "1.0.0");
  EXPECT_EQ(call->agent_socket, "/run/k/cni.sock");
  EXPECT_EQ(call->attachment.container_id, "9f3ab2");
  EXPECT_EQ(call->attachment.netns, "/var/run/netns/cni-1234");
  EXPECT_EQ(call->attachment.pod, (PodRef{"shop", "web-1", "0f1e-22"}));
  EXPECT_EQ(call->attachment.timeout_seconds, 7u);
  EXPECT_FALSE(call->is_exempt());
}

TEST(Invocation, TakesOnlyThePodsOwnAddressesOfBothFamilies) {
  const auto call = read_invocation(call_environment("ADD"), call_netconf().dump());
  ASSERT_TRUE(call);
  EXPECT_THAT(call->attachment.addresses, ElementsAre("10.244.1.5", "fd00:10:244::5"));
}

TEST(Invocation, AddressesWithoutInterfacesAreThePods) {
  auto netconf = call_netconf();
  netconf["prevResult"] = {{"ips", {{{"address", "10.0.0.9/16"}}}}};
  const auto call = read_invocation(call_environment("ADD"), netconf.dump());
  ASSERT_TRUE(call);
  EXPECT_THAT(call->attachment.addresses, ElementsAre("10.0.0.9"));
}

TEST(Invocation, KeepsThePreviousResultAsItCame) {
  const auto netconf = call_netconf();
  const auto call = read_invocation(call_environment("ADD"), netconf.dump());
  ASSERT_TRUE(call);
  EXPECT_EQ(*call->prev_result, netconf["prevResult"].dump());  // order and unknown keys too
}

TEST(Invocation, WithoutSettingsTheDefaultsHold) {
  auto netconf = call_netconf();
  for (const char* key : {"agentSocket", "timeoutSeconds", "exemptNamespaces"}) netconf.erase(key);
  const auto call = read_invocation(call_environment("ADD"), netconf.dump());
  ASSERT_TRUE(call);
  EXPECT_EQ(call->agent_socket, "/run/keelson/cni.sock");
  EXPECT_EQ(call->attachment.timeout_seconds, 20u);
  EXPECT_TRUE(call->exempt_namespaces.empty());
}

TEST(Invocation, DelNeedsNeitherNamespaceNorPreviousResult) {
  auto environment = call_environment("DEL");
  environment.erase("CNI_NETNS");
  auto netconf = call_netconf();
  netconf.erase("prevResult");
  EXPECT_TRUE(read_invocation(environment, netconf.dump()));
}

TEST(Invocation, GcListsTheSandboxesThatAreLeft) {
  auto netconf = call_netconf();
  netconf["cni.dev/valid-attachments"] = nlohmann::ordered_json::parse(
      R"([{"containerID": "a1", "ifname": "eth0"}, {"containerID": "b2", "ifname": "eth0"}])");
  const auto call = read_invocation({{"CNI_COMMAND", "GC"}}, netconf.dump());
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_THAT(call->valid_containers, ElementsAre("a1", "b2"));
}

TEST(Invocation, StatusNeedsNoContainer) {
  EXPECT_TRUE(read_invocation({{"CNI_COMMAND", "STATUS"}}, call_netconf().dump()));
}

TEST(Invocation, EveryChainableVersionIsRead) {
  for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    auto netconf = call_netconf();
    netconf["cniVersion"] = version;
    EXPECT_TRUE(read_invocation(call_environment("ADD"), netconf.dump())) << version;
  }
}

struct Refused {
  const char* name;
  std::function<void(Environment&, nlohmann::ordered_json&)> change;
  int code;
  const char* says;
};

class InvocationRefuses : public testing::TestWithParam<Refused> {};

TEST_P(InvocationRefuses, WithTheCodeOfTheSpecification) {
  Environment environment = call_environment("ADD");
  nlohmann::ordered_json netconf = call_netconf();
  GetParam().change(environment, netconf);
  const auto call = read_invocation(environment, netconf.dump());
  ASSERT_FALSE(call);
  EXPECT_EQ(call.error().code, GetParam().code);
  EXPECT_THAT(call.error().message, HasSubstr(GetParam().says));
  EXPECT_FALSE(call.error().details.empty());
}

using Json = nlohmann::ordered_json;
INSTANTIATE_TEST_SUITE_P(
    All, InvocationRefuses,
    testing::Values(
        Refused{"NoCommand", [](Environment& e, Json&) { e.erase("CNI_COMMAND"); }, 4,
                "CNI_COMMAND"},
        Refused{"StrangeCommand", [](Environment& e, Json&) { e["CNI_COMMAND"] = "MOVE"; }, 4,
                "'MOVE'"},
        Refused{"NoContainer", [](Environment& e, Json&) { e.erase("CNI_CONTAINERID"); }, 4,
                "CNI_CONTAINERID"},
        Refused{"MalformedContainer", [](Environment& e, Json&) { e["CNI_CONTAINERID"] = "../a"; },
                4, "CNI_CONTAINERID"},
        Refused{"NoNetns", [](Environment& e, Json&) { e.erase("CNI_NETNS"); }, 4, "CNI_NETNS"},
        Refused{"NoInterface", [](Environment& e, Json&) { e["CNI_IFNAME"] = ""; }, 4,
                "CNI_IFNAME"},
        Refused{"OldVersion", [](Environment&, Json& n) { n["cniVersion"] = "0.2.0"; }, 1, "0.2.0"},
        Refused{"FutureVersion", [](Environment&, Json& n) { n["cniVersion"] = "2.0.0"; }, 1,
                "2.0.0"},
        Refused{"NoVersion", [](Environment&, Json& n) { n.erase("cniVersion"); }, 1, "0.1.0"},
        Refused{"NotChained", [](Environment&, Json& n) { n.erase("prevResult"); }, 7,
                "prevResult"},
        Refused{"WaitsForever", [](Environment&, Json& n) { n["timeoutSeconds"] = 5000; }, 7,
                "timeoutSeconds is 5000"},
        Refused{"WaitsForNothing", [](Environment&, Json& n) { n["timeoutSeconds"] = 0; }, 7,
                "timeoutSeconds is 0"},
        Refused{"WrongType", [](Environment&, Json& n) { n["exemptNamespaces"] = "kube-system"; },
                6, "cannot be read"},
        Refused{"NotAnObject", [](Environment&, Json& n) { n = "text"; }, 6, "cannot be read"},
        Refused{"GcWithoutList", [](Environment& e, Json&) { e["CNI_COMMAND"] = "GC"; }, 7,
                "cni.dev/valid-attachments"}),
    [](const auto& each) { return each.param.name; });

TEST(Invocation, TextThatIsNoJsonIsUndecodable) {
  const auto call = read_invocation(call_environment("ADD"), "{\"cniVersion\":");
  ASSERT_FALSE(call);
  EXPECT_EQ(call.error().code, kUndecodable);
}

TEST(Invocation, AnAnswerCarriesTheVersionOfTheInputWhereThereIsOne) {
  EXPECT_EQ(answered_version(R"({"cniVersion":"0.4.0"})"), "0.4.0");
  EXPECT_EQ(answered_version(R"({"cniVersion":4})"), "1.1.0");
  EXPECT_EQ(answered_version("no json"), "1.1.0");
}

TEST(Messages, SurviveTheWay) {
  const Attachment attachment{
      "9f3a", "/run/netns/x", "eth0", {"shop", "web-1", "u-1"}, {"10.0.0.1", "fd00::1"}, false, 12};
  const auto read = decode_attachment(encode_attachment(attachment));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, attachment);
  const CniError answer{11, "the pod waits for \"hold\"", "start it"};
  EXPECT_EQ(*decode_answer(encode_answer(answer)), answer);
  EXPECT_THAT(*decode_valid_containers(encode_valid_containers({"a", "b"})), ElementsAre("a", "b"));
}

TEST(Messages, OfAnotherShapeAreUndecodable) {
  EXPECT_EQ(decode_attachment("[]").error().code, kUndecodable);
  EXPECT_EQ(decode_attachment(R"({"containerID": 7})").error().code, kUndecodable);
  EXPECT_EQ(decode_answer("").error().code, kUndecodable);
}

}  // namespace
}  // namespace keelson::cni
