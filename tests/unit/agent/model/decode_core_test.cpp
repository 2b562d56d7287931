#include <gmock/gmock.h>

#include "model/decode.h"
#include "model/node_state_yaml.h"

namespace keelson::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class T>
Shared<T> decoded(const std::string& text) {
  DecodedFile file = decode_file("t.yaml", text);
  for (const Finding& finding : file.findings)
    EXPECT_LT(finding.severity, Severity::kError) << finding.message;
  if (file.objects.size() != 1 || !file.objects[0].object) {
    ADD_FAILURE() << "not one good object";
    return std::make_shared<T>();
  }
  return std::get<Shared<T>>(*file.objects[0].object);
}

std::string doc(const std::string& kind, const std::string& rest, const std::string& api = "v1") {
  return "apiVersion: " + api + "\nkind: " + kind + "\nmetadata:\n  name: x\n  namespace: shop\n" +
         rest;
}

TEST(DecodeNamespace, IsClusterScopedAndKeepsLabels) {
  const auto ns = decoded<Namespace>(
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {keelson.dev/mesh: "
      "enabled}\n");
  EXPECT_EQ(ns->meta.key, (ObjectKey{Kind::kNamespace, "", "shop"}));
  EXPECT_EQ(ns->meta.labels.at("keelson.dev/mesh"), "enabled");
  EXPECT_EQ(ns->meta.where.to_string(), "t.yaml:1");
}

TEST(DecodeNamespace, AMeshLabelWithoutEffectIsPointedOut) {
  const DecodedFile file =
      decode_file("t.yaml", doc("Namespace", "  labels: {keelson.dev/mesh: enable}\n"));
  ASSERT_EQ(file.findings.size(), 1u);
  EXPECT_EQ(file.findings[0].severity, Severity::kWarning);
  EXPECT_TRUE(file.objects.at(0).object);
}

TEST(DecodeNode, TakesInternalAddressesOnly) {
  const auto node = decoded<Node>(
      doc("Node",
          "status:\n  addresses:\n  - {type: InternalIP, address: 10.0.0.1}\n"
          "  - {type: Hostname, address: node-a}\n  - {type: InternalIP, address: 'fd00::1'}\n"));
  ASSERT_EQ(node->addresses.size(), 2u);
  EXPECT_EQ(node->addresses[1].to_string(), "fd00::1");
  EXPECT_EQ(node->meta.key.ns, "");
}

constexpr const char* kPod = R"(apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  uid: u-1
  annotations:
    keelson.dev/netns: /run/netns/web-1
    keelson.dev/exclude-outbound-ports: 6379, 3306
spec:
  nodeName: node-a
  serviceAccountName: web
  futureField: {a: 1}
  containers:
  - name: app
    ports:
    - {name: http, containerPort: 8080}
    - {name: dns, containerPort: 53, protocol: UDP}
    livenessProbe: {httpGet: {port: http, path: /}}
    readinessProbe: {tcpSocket: {port: 9000}}
    startupProbe: {exec: {command: [ls]}}
    lifecycle: {preStop: {httpGet: {port: 8081}}}
status:
  podIPs: [{ip: 10.0.1.2}, {ip: 'fd00::2'}]
)";

TEST(DecodePod, ReadsWhatTheNodeNeeds) {
  const auto pod = decoded<Pod>(kPod);
  EXPECT_EQ(pod->node_name, "node-a");
  EXPECT_EQ(pod->service_account, "web");
  EXPECT_EQ(pod->meta.uid, "u-1");
  EXPECT_EQ(pod->netns_path, "/run/netns/web-1");
  EXPECT_THAT(pod->excluded_outbound_ports, ElementsAre(3306, 6379));
  EXPECT_THAT(pod->probe_ports, ElementsAre(8080, 8081, 9000));
  ASSERT_EQ(pod->ports.size(), 2u);
  EXPECT_FALSE(pod->ports[1].is_tcp);
  EXPECT_EQ(pod->addresses.size(), 2u);
  EXPECT_TRUE(pod->ready);
  EXPECT_FALSE(pod->terminal);
  EXPECT_FALSE(pod->deleting);
}

// A refused pod is in no snapshot after a restart of the agent, which took it out of the mesh.
TEST(DecodePod, AnExcludedPortThatIsNoneCostsThePodNothingElse) {
  const DecodedFile file = decode_file(
      "f.yaml",
      doc("Pod",
          "  annotations: {keelson.dev/exclude-outbound-ports: '3306;6379, 0,,80-90,443'}\n"));
  ASSERT_EQ(file.objects.size(), 1u);
  ASSERT_TRUE(file.objects[0].object);
  EXPECT_THAT(std::get<Shared<Pod>>(*file.objects[0].object)->excluded_outbound_ports,
              ElementsAre(443));
  ASSERT_EQ(file.findings.size(), 4u);
  for (const Finding& finding : file.findings) {
    EXPECT_EQ(finding.severity, Severity::kWarning);
    EXPECT_EQ(finding.reason, Reason::bad_value);
  }
  EXPECT_NE(file.findings[0].message.find("'3306;6379' is not a port"), std::string::npos);
}

TEST(DecodePod, ReadinessComesFromConditionsWhereThereAreSome) {
  const std::string ip = "status:\n  podIP: 10.0.0.2\n";
  EXPECT_TRUE(decoded<Pod>(doc("Pod", ip))->ready);
  EXPECT_FALSE(decoded<Pod>(doc("Pod", ""))->ready);
  EXPECT_FALSE(
      decoded<Pod>(doc("Pod", ip + "  conditions: [{type: Ready, status: 'False'}]\n"))->ready);
  EXPECT_TRUE(
      decoded<Pod>(doc("Pod", ip + "  conditions: [{type: Ready, status: 'True'}]\n"))->ready);
  EXPECT_FALSE(decoded<Pod>(doc("Pod", ip + "  conditions: []\n"))->ready);
  const auto done = decoded<Pod>(doc("Pod", ip + "  phase: Succeeded\n"));
  EXPECT_TRUE(done->terminal);
  EXPECT_FALSE(done->ready);
  EXPECT_EQ(done->service_account, "default");
}

TEST(DecodePod, OfItsOwnersOnlyTheControllerCounts) {
  const auto owned = [](const std::string& owners) {
    return decoded<Pod>(doc("Pod", "  ownerReferences: [" + owners + "]\n"))->controller_uid;
  };
  EXPECT_EQ(owned("{kind: Node, uid: n-1}, {kind: DaemonSet, uid: d-1, controller: true}"), "d-1");
  EXPECT_EQ(owned("{kind: Node, uid: n-1}, {kind: Node, uid: n-2, controller: false}"), "");
  EXPECT_EQ(decoded<Pod>(doc("Pod", ""))->controller_uid, "");
}

TEST(DecodeService, ReadsPortsAndProtocols) {
  const auto service = decoded<Service>(doc("Service", R"(spec:
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, 'fd00:96::1']
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: web}
  - {name: grpc-api, port: 81, targetPort: 9090}
  - {name: https, port: 443}
  - {name: db, port: 5432, appProtocol: kubernetes.io/h2c}
  - {name: grpc-web, port: 82}
  - {name: httpx, port: 83}
  - {name: dns, port: 53, protocol: UDP}
)"));
  EXPECT_EQ(service->cluster_ips.size(), 2u);
  ASSERT_EQ(service->ports.size(), 7u);
  EXPECT_EQ(service->ports[0].target_port, 0);
  EXPECT_EQ(service->ports[0].target_name, "web");
  EXPECT_EQ(service->ports[0].app_protocol, AppProtocol::kHttp1);
  EXPECT_EQ(service->ports[1].app_protocol, AppProtocol::kHttp2);
  EXPECT_EQ(service->ports[2].app_protocol, AppProtocol::kTcp);
  EXPECT_EQ(service->ports[2].target_port, 443);
  EXPECT_EQ(service->ports[3].app_protocol, AppProtocol::kHttp2);
  EXPECT_EQ(service->ports[4].app_protocol, AppProtocol::kHttp1);
  EXPECT_EQ(service->ports[5].app_protocol, AppProtocol::kTcp);
  EXPECT_FALSE(service->ports[6].is_tcp);
}

TEST(DecodeService, RecordsWhatIsLeftToKubeProxy) {
  const auto service = decoded<Service>(doc("Service", R"(spec:
  clusterIP: None
  sessionAffinity: ClientIP
  internalTrafficPolicy: Local
  publishNotReadyAddresses: true
)"));
  EXPECT_TRUE(service->headless && service->session_affinity && service->internal_traffic_local &&
              service->publish_not_ready);
  EXPECT_TRUE(decoded<Service>(doc("Service", "spec: {type: ExternalName, externalName: a.b}\n"))
                  ->external_name);
}

TEST(DecodeEndpointSlice, NilConditionsMeanReadyAndServing) {
  const auto slice = decoded<EndpointSlice>(doc("EndpointSlice", R"(  labels:
    kubernetes.io/service-name: web
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- addresses: [10.0.1.2]
  nodeName: node-a
  targetRef: {kind: Pod, name: web-1}
- addresses: [10.0.1.3]
  conditions: {ready: false, serving: true, terminating: true}
)",
                                                "discovery.k8s.io/v1"));
  EXPECT_EQ(slice->service_name, "web");
  EXPECT_EQ(slice->ports.at(0).port, 8080);
  ASSERT_EQ(slice->endpoints.size(), 2u);
  EXPECT_TRUE(slice->endpoints[0].ready && slice->endpoints[0].serving);
  EXPECT_EQ(slice->endpoints[0].pod_name, "web-1");
  EXPECT_FALSE(slice->endpoints[1].ready);
  EXPECT_TRUE(slice->endpoints[1].serving && slice->endpoints[1].terminating);
}

TEST(DecodeNodeState, ReadsBackWhatTheAgentWrites) {
  NodeState state;
  state.meta.key = {Kind::kNodeState, "", "node-a"};
  state.pods.push_back({"0123e4",
                        "shop",
                        "web-1",
                        "web",
                        {IpAddress::parse("10.0.1.2").value(), IpAddress::parse("fd00::2").value()},
                        PodState::kReady});
  state.pods.push_back({"yes", "shop", "web-2", "web", {}, PodState::kLeaving});
  EXPECT_EQ(decoded<NodeState>(to_yaml(state))->pods, state.pods);
  state.pods.clear();
  EXPECT_THAT(decoded<NodeState>(to_yaml(state))->pods, IsEmpty());
  EXPECT_EQ(decoded<NodeState>(to_yaml(state))->retired, "");
  state.retired = "d-1";
  EXPECT_EQ(decoded<NodeState>(to_yaml(state))->retired, "d-1");
}

TEST(DecodeFile, ListsAreFlattened) {
  const DecodedFile file = decode_file("t.yaml", R"(apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- apiVersion: v1
  kind: PodList
  items:
  - {metadata: {name: p, namespace: a}}
)");
  EXPECT_THAT(file.findings, IsEmpty());
  ASSERT_EQ(file.objects.size(), 2u);
  EXPECT_EQ(file.objects[1].key.to_string(), "Pod a/p");
  EXPECT_EQ(file.objects[1].where.line, 8u);
}

TEST(DecodeFile, OtherKindsAreNamedButHarmlessOnesOnlyInPassing) {
  const DecodedFile file =
      decode_file("t.yaml", doc("Deployment", "", "apps/v1") + "---\n" +
                                doc("AuthorisationPolicy", "", "security.istio.io/v1") + "---\n" +
                                doc("Service", "", "serving.knative.dev/v1"));
  EXPECT_THAT(file.objects, IsEmpty());
  ASSERT_EQ(file.findings.size(), 3u);
  EXPECT_EQ(file.findings[0].severity, Severity::kInfo);
  EXPECT_EQ(file.findings[1].severity, Severity::kWarning);
  EXPECT_EQ(file.findings[1].fix, "did you mean 'AuthorizationPolicy'?");
  EXPECT_EQ(file.findings[2].severity, Severity::kWarning);
}

struct BadCase {
  const char* kind;
  const char* api;
  const char* rest;
  Reason reason;
  uint32_t line;
  const char* message;
};

TEST(DecodeFile, BadValuesAreRefusedWithLineAndMessage) {
  const std::vector<BadCase> table = {
      {"Pod", "v1", "spec: {hostNetwork: 'true'}\n", Reason::wrong_type, 6, "spec.hostNetwork"},
      {"Pod", "v1", "spec: {nodeName: yes}\n", Reason::wrong_type, 6, "not boolean (yes)"},
      {"Pod", "v1", "spec: []\n", Reason::wrong_type, 6, "spec must be a mapping"},
      {"Pod", "v1", "status: {podIP: 10.0.0.300}\n", Reason::bad_value, 6, "not an IP address"},
      {"Pod", "v1", "spec:\n  containers:\n  - ports: [{containerPort: 70000}]\n",
       Reason::bad_value, 8, "spec.containers[0].ports[0].containerPort"},
      {"Pod", "v1", "  labels: {app: -x}\n", Reason::bad_value, 6, "not a label value"},
      {"Pod", "v1", "  labels: {app: 1}\n", Reason::wrong_type, 6, "metadata.labels.app"},
      {"Service", "v1", "spec: {ports: [{port: '80'}]}\n", Reason::wrong_type, 6, "port number"},
      {"Service", "v1", "spec: {ports: [{name: a}]}\n", Reason::missing_field, 6,
       "port is missing"},
      {"Service", "v1", "spec: {ports: [{port: 1}, {port: 2}]}\n", Reason::missing_field, 6,
       "name"},
      {"Service", "v1", "spec: {ports: [{port: 1, protocol: tcp}]}\n", Reason::bad_value, 6, "tcp"},
      {"Service", "v2", "", Reason::bad_value, 1, "apiVersion 'v2'"},
      {"EndpointSlice", "discovery.k8s.io/v1", "endpoints: [{addresses: [a.b]}]\n",
       Reason::bad_value, 6, "not an IP address"},
      {"NodeState", "keelson.dev/v1alpha1",
       "pods: [{uid: a, namespace: b, name: c, serviceAccount: d, state: up}]\n", Reason::bad_value,
       6, "'up' does not exist"},
      {"NodeState", "keelson.dev/v1alpha1",
       "pods: [{uid: a, namespace: b, name: c, serviceAccount: d, status: ready}]\n",
       Reason::unknown_field, 6, "unknown field pods[0].status"},
  };
  for (const BadCase& row : table) {
    const DecodedFile file = decode_file("t.yaml", doc(row.kind, row.rest, row.api));
    ASSERT_EQ(file.objects.size(), 1u) << row.rest;
    EXPECT_FALSE(file.objects[0].object) << row.rest;
    EXPECT_FALSE(file.objects[0].fallback) << row.rest;
    EXPECT_TRUE(file.complete) << row.rest;
    const auto matches = [&row](const Finding& finding) {
      return finding.severity == Severity::kError && finding.reason == row.reason &&
             finding.where == SourceRef{"t.yaml", row.line} && !finding.fix.empty() &&
             finding.message.find(row.message) != std::string::npos;
    };
    EXPECT_TRUE(std::ranges::any_of(file.findings, matches))
        << row.rest << file.findings.at(0).message << " line " << file.findings[0].where.line;
  }
}

TEST(DecodeFile, ADocumentThatCannotBeNamedMakesTheFileIncomplete) {
  for (const char* text :
       {"metadata: {name: a}\n", "- a\n", "kind: 3\n", "just text\n", "kind: [\n",
        "apiVersion: v1\nkind: Pod\n", "apiVersion: v1\nkind: Pod\nmetadata: {name: A_b}\n"}) {
    const DecodedFile file = decode_file("t.yaml", text);
    EXPECT_FALSE(file.complete) << text;
    EXPECT_THAT(file.objects, IsEmpty()) << text;
    ASSERT_FALSE(file.findings.empty()) << text;
    EXPECT_EQ(file.findings[0].severity, Severity::kError) << text;
  }
}

TEST(DecodeObject, AnObjectOfTheApiHasNoLines) {
  const DecodedFile file = decode_object(
      "Service shop/pay",
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"pay","namespace":"shop"},)"
      R"("spec":{"ports":[{"port":"x"}]}})");
  ASSERT_EQ(file.objects.size(), 1u);
  EXPECT_EQ(file.objects[0].key.to_string(), "Service shop/pay");
  ASSERT_FALSE(file.findings.empty());
  EXPECT_EQ(file.findings[0].where.to_string(), "Service shop/pay");
}

TEST(DecodeObject, APolicyThatCannotBeParsedStillDenies) {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  const DecodedFile file = decode_object(
      "AuthorizationPolicy shop/p", "{\"kind\":\"AuthorizationPolicy\",\"spec\":" + deep + "}");
  ASSERT_EQ(file.objects.size(), 1u);
  EXPECT_EQ(file.objects[0].key.to_string(), "AuthorizationPolicy shop/p");
  EXPECT_TRUE(file.objects[0].fallback);
  EXPECT_EQ(file.findings.at(0).reason, Reason::document_too_deep);
  EXPECT_EQ(decode_object("NodeState n1", "{").objects.at(0).key.to_string(), "NodeState n1");
}

}  // namespace
}  // namespace keelson::model
