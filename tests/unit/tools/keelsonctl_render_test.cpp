#include "keelsonctl/render.h"

#include <gtest/gtest.h>

#include "keelsonctl/table.h"

namespace keelson::ctl {
namespace {

const Style kPlain{false};

TEST(PlainText, ShowsTerminalEscapesInsteadOfObeyingThem) {
  EXPECT_EQ(plain_text("a\x1b[31mred\x07"), "a\\x1b[31mred\\x07");
  EXPECT_EQ(plain_text("line\nnext\r\x7f"), "line\\x0anext\\x0d\\x7f");
  EXPECT_EQ(plain_text("\xc2\x9b"
                       "31m"),
            "\\u009b31m");                                   // CSI as one C1 character
  EXPECT_EQ(plain_text("\xe2\x80\xaetxt"), "\\u202etxt");    // right-to-left override
  EXPECT_EQ(plain_text("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");  // not UTF-8, overlong
  EXPECT_EQ(plain_text("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(plain_text("caf\xc3\xa9 √"), "caf\xc3\xa9 √");
}

TEST(Table, AlignsByWidthAndNeverTruncates) {
  Table table({"NAME", "N"});
  table.add({"a-very-long-name-that-stays-whole-however-long-it-may-be", "1"});
  table.add({"√é", "22"});
  table.add({"", "3"});
  EXPECT_EQ(table.text(kPlain),
            "NAME                                                      N\n"
            "a-very-long-name-that-stays-whole-however-long-it-may-be  1\n"
            "√é                                                        22\n"
            "-                                                         3\n");
}

TEST(RenderBpf, ProgramsShowWhatARunCostsOrWhyNobodyKnows) {
  const auto shown = render_bpf_programs(R"({"runs_counted":true,"programs":[
    {"name":"ks_connect4","id":11,"type":"cgroup_sock_addr","links":1,"run_count":400,
     "run_time_ns":200000,"memory_bytes":16384},
    {"name":"ks_sweep","id":12,"type":"syscall","links":0,"run_count":0,"run_time_ns":0,
     "memory_bytes":4096}]})",
                                         kPlain);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->out,
            "PROGRAM      ID  TYPE              LINKS  RUNS  TIME      PER RUN  MEMORY\n"
            "ks_connect4  11  cgroup_sock_addr  1      400   200.0 us  500 ns   16.0 KiB\n"
            "ks_sweep     12  syscall           0      -     -         -        4096 B\n");
  EXPECT_EQ(shown->hints, "");
  EXPECT_NE(render_bpf_programs("{}", kPlain)->hints.find("kernel.bpf_stats_enabled=1"),
            std::string::npos);
}

TEST(RenderBpf, LinksShowWhoseTheyAreAndWhichAreLeftOver) {
  const auto shown = render_bpf_links(R"({"links":[
    {"pin":"lookup_0","id":22,"program":"ks_sk_lookup","program_id":12,"hook":"sk_lookup",
     "kind":"netns","at":"netns 7","pod":"shop/web-1","state":"attached"},
    {"pin":"","id":0,"program":"","program_id":99,"hook":"ingress","kind":"filter",
     "at":"interface 32","pod":"","state":"pod_gone"}]})",
                                      kPlain);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->out,
            "LINK      ID  PROGRAM       HOOK       AT            POD         STATE\n"
            "lookup_0  22  ks_sk_lookup  sk_lookup  netns 7       shop/web-1  attached\n"
            "filter    -   id 99         ingress    interface 32  -           pod_gone\n");
  EXPECT_EQ(shown->hints.substr(0, 12), "hint: 1 hang");
  EXPECT_FALSE(shown->has_findings);
}

TEST(RenderBpf, MapsShowHowFullTheyAreWhereThatIsKnown) {
  const auto shown = render_bpf_maps(R"({"maps":[
    {"name":"ks_pod","id":31,"type":"hash","key_bytes":8,"value_bytes":88,"entries":41,
     "entries_max":1025,"memory_bytes":90112},
    {"name":"ks_socket","id":32,"type":"sk_storage","key_bytes":4,"value_bytes":104,
     "entries_max":0,"memory_bytes":20971520}]})",
                                     kPlain);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->out,
            "MAP        ID  TYPE        ENTRIES  OF    USED   KEY  VALUE  MEMORY\n"
            "ks_pod     31  hash        41       1025  4.0 %  8    88     88.0 KiB\n"
            "ks_socket  32  sk_storage  -        -     -      4    104    20.0 MiB\n");
}

TEST(RenderBpf, RowsSayWhenThereAreMore) {
  const auto shown = render_bpf_rows(
      R"({"map":"ks_pod","count":3,"rows":["pod 'a'","pod 'b'\u001b[2J"]})", kPlain);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->out, "pod 'a'\npod 'b'\\x1b[2J\n");
  EXPECT_EQ(shown->hints.substr(0, 17), "hint: 2 of 3 rows");
}

TEST(RenderStatus, ShowsWhoCalledWhom) {
  const auto shown = render_status(R"({"node":"n1","edges":[{"from":"shop/web-1","to":"shop/pay",
    "paths":["direct","mtls"],"allowed":12,"denied":1,"reason":"not_allowed",
    "last_seen":"2026-11-28T10:00:00Z"}]})",
                                   kPlain);
  ASSERT_TRUE(shown);
  EXPECT_NE(shown->out.find(
                "FROM        TO        PATH         ALLOWED  DENIED  LAST REFUSAL  LAST SEEN\n"
                "shop/web-1  shop/pay  direct,mtls  12       1       not_allowed   "
                "2026-11-28T10:00:00Z\n"),
            std::string::npos)
      << shown->out;
}

TEST(RenderStatus, ShowsComponentsPodsCountersAndFindings) {
  const auto shown = render_status(R"({"node":"n1","version":"0.1.0","pid":42,"uptime_seconds":7300,
    "ready":false,"missing":[{"task":"hold_connected","detail":"no socket"}],
    "generation":{"snapshot":7,"plan":7,"applied":6},
    "rollout":{"phase":"steer","waiting_for":"the proxy acknowledges generation 7"},
    "hold":{"connected":false},"proxy":{"connected":true,"acknowledged_generation":6,"outcomes":[{"reason":"relayed","count":5}]},
    "pods":{"local":3,"meshed":2,"ready":1,"refused":1},
    "workloads":[{"pod":"shop/web-1","state":"ready","reason":"enrolled","detail":""},
                 {"pod":"shop/host","state":"refused","reason":"host_network","detail":"x"}],
    "connections":[{"reason":"direct","count":12}],"refusals":[{"reason":"not_allowed","count":3}],
    "events_lost":4,
    "findings":[{"severity":"error","reason":"unknown_field","file":"p.yaml","line":9,
      "object":"AuthorizationPolicy shop/x","message":"unknown field\u001b[2J","fix":"did you mean 'from'?"}]})",
                                   kPlain);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->has_findings);
  EXPECT_EQ(shown->out,
            "node n1\n"
            "  × agent         not ready, version 0.1.0, pid 42, up 2h\n"
            "      missing: hold_connected: no socket\n"
            "  × configuration generation 6 of 7 in the kernel, rollout steer, waiting until the "
            "proxy acknowledges generation 7\n"
            "  × hold          not connected\n"
            "  √ proxy         connected, generation 6\n"
            "  × pods          1 of 2 meshed are ready, 3 on the node, 1 refused\n"
            "\n"
            "POD         STATE    REASON        DETAIL\n"
            "shop/web-1  ready    enrolled      -\n"
            "shop/host   refused  host_network  x\n"
            "\n"
            "CONNECTIONS  COUNT\n"
            "direct       12\n"
            "\n"
            "REFUSALS     COUNT\n"
            "not_allowed  3\n"
            "\n"
            "PROXIED  COUNT\n"
            "relayed  5\n"
            "\n"
            "findings\n"
            "  error p.yaml:9 AuthorizationPolicy shop/x: unknown field\\x1b[2J (unknown_field)\n"
            "      fix: did you mean 'from'?\n");
  EXPECT_EQ(shown->hints, "hint: 4 flow events were lost: observe does not show everything\n");
}

TEST(RenderWhy, MarksEachLinkAndNamesTheBrokenOne) {
  const auto shown = render_why(R"J({"from":"shop/web-1","to":"shop/pay","port":80,
    "destination":"shop/pay-1","path":"direct","verdict":"broken","broken":"policy","links":[
    {"name":"source","result":"ok","detail":"pod","fix":""},
    {"name":"policy","result":"broken","detail":"policy_denied (shop/no-web, p.yaml:12)",
     "fix":"kubectl edit authorizationpolicy -n shop no-web"},
    {"name":"flows","result":"skipped","detail":"none","fix":""}]})J",
                                kPlain);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->has_findings);
  EXPECT_EQ(shown->out,
            "shop/web-1 -> shop/pay:80 (shop/pay-1)\n"
            "  √ source         pod\n"
            "  × policy         policy_denied (shop/no-web, p.yaml:12)\n"
            "      mend: kubectl edit authorizationpolicy -n shop no-web\n"
            "  - flows          none\n"
            "broken at policy\n");
}

TEST(RenderWhy, SaysWhichNodeDecidesWhatThisOneCannotKnow) {
  const auto shown = render_why(R"J({"from":"shop/web-1","to":"shop/pay","port":80,
    "destination":"shop/pay-2","path":"capture","verdict":"undecided","broken":"",
    "decided_by":"n2","links":[{"name":"policy","result":"skipped","fix":"",
    "detail":"only node n2 knows whether AuthorizationPolicy shop/a selects the pod: keelsonctl --node n2 config workloads"}]})J",
                                kPlain);
  ASSERT_TRUE(shown);
  EXPECT_FALSE(shown->has_findings);
  EXPECT_EQ(shown->out,
            "shop/web-1 -> shop/pay:80 (shop/pay-2)\n"
            "  - policy         only node n2 knows whether AuthorizationPolicy shop/a selects the "
            "pod: keelsonctl --node n2 config workloads\n"
            "nothing is broken here, path capture; node n2 decides the rest\n");
}

TEST(RenderCheck, GroupsAndEndsWithTheWorstResult) {
  const auto shown = render_check(R"({"ok":false,"checks":[
    {"group":"kernel","name":"BTF","result":"ok","detail":"there","fix":""},
    {"group":"kernel","name":"JIT","result":"warning","detail":"off","fix":"sysctl"},
    {"group":"node","name":"bpffs","result":"error","detail":"missing","fix":"mount"}]})",
                                  kPlain);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->has_findings);
  EXPECT_EQ(shown->out,
            "kernel\n------\n√ BTF\n‼ JIT\n    off\n    fix: sysctl\n\n"
            "node\n----\n× bpffs\n    missing\n    fix: mount\n\nCheck results are ×\n");
}

TEST(RenderFlow, IsOneLineWithTheReasonAndThePolicy) {
  const std::string flow =
      R"({"time":"2026-01-01T00:00:00.000001Z","node":"n1","hook":"connect","verdict":"denied",
       "reason":"policy_denied","path":"none","from":"shop/web-1","from_identity":"i",
       "to":"","to_identity":"","service":"shop/pay","policy":"shop/no-web",
       "source":"10.1.0.2:4000","destination":"10.1.0.3:8080","original":"10.96.0.1:80"})";
  EXPECT_EQ(*render_flow(flow, kPlain),
            "2026-01-01T00:00:00.000001Z shop/web-1 -> 10.1.0.3:8080 (shop/pay) DENIED none "
            "reason=policy_denied policy=\"shop/no-web\" 10.1.0.2:4000>10.1.0.3:8080 "
            "dialled=10.96.0.1:80\n");
  EXPECT_NE(render_flow(flow, Style{true})->find("\x1b[31mDENIED\x1b[0m"), std::string::npos);
  EXPECT_EQ(*render_flow(R"({"lost":3})", kPlain), "(3 flows lost: this reader is too slow)\n");
}

TEST(RenderConfig, ShowsWhoServesAServiceAndWhatAPolicyIs) {
  const auto services = render_services(
      R"({"services":[{"namespace":"shop","name":"pay","addresses":["10.96.0.1","fd00::1"],
       "implemented":false,"detail":"sessionAffinity","ports":[{"name":"http","port":80,
       "target":"8080","application_protocol":"http","implemented":false,
       "routed_per_request":false,"endpoints":[{"ready":true},{"ready":false}]}]}]})",
      kPlain);
  ASSERT_TRUE(services);
  EXPECT_EQ(services->out,
            "NAMESPACE  SERVICE  ADDRESSES          PORT  TARGET  PROTOCOL  ENDPOINTS  SERVED BY   "
            "DETAIL\n"
            "shop       pay      10.96.0.1,fd00::1  80    8080    http      1/2        kube-proxy  "
            "sessionAffinity\n");
  const auto policies = render_policies(
      R"({"policies":[{"kind":"AuthorizationPolicy","namespace":"shop","name":"p","action":"DENY",
       "mode":"","port_modes":{},"selector":{"app":"pay"},"rules":1,"unreadable":true,
       "file":"p.yaml","line":3,"selects":["shop/pay-1"]}]})",
      kPlain);
  ASSERT_TRUE(policies);
  EXPECT_TRUE(policies->has_findings);
  EXPECT_NE(policies->out.find("unreadable: denies  1      app=pay   shop/pay-1  p.yaml:3"),
            std::string::npos)
      << policies->out;
}

TEST(RenderConfig, ShowsRoutesInOrderAndFindsInvalidBackends) {
  const std::string row =
      R"("service":"shop/pay","port":80,"clients":"all","match":"prefix /","rule":"shop/r#0",
       "route":"shop/r","filters":"set x-a","summary":{"backends":"shop/v1:80=1","timeout":"2s"})";
  const auto render = [&row](const char* valid, const char* weight) {
    return render_routes("{\"routes\":[{" + row + ",\"backends\":[{\"name\":\"b\",\"weight\":" +
                             weight + ",\"valid\":" + valid + "}]}]}",
                         kPlain);
  };
  const auto routes = render("true", "1");
  ASSERT_TRUE(routes);
  EXPECT_EQ(routes->out,
            "SERVICE   PORT  CLIENTS  MATCH     BACKENDS      TIMEOUT  FILTERS  ROUTE\n"
            "shop/pay  80    all      prefix /  shop/v1:80=1  2s       set x-a  shop/r#0\n");
  EXPECT_FALSE(routes->has_findings);
  EXPECT_TRUE(render("false", "1")->has_findings);
  EXPECT_FALSE(render("false", "0")->has_findings);
}

TEST(Render, SurvivesMissingFieldsWrongTypesAndGarbage) {
  for (const auto render : {render_status, render_workloads, render_services, render_routes,
                            render_policies, render_why, render_check}) {
    EXPECT_TRUE(render("{}", kPlain));
    EXPECT_TRUE(render(R"({"workloads":7,"checks":[1,null],"links":{},"services":[[]]})", kPlain));
    EXPECT_FALSE(render("<html>", kPlain));
    EXPECT_FALSE(render("[]", kPlain));
  }
}

TEST(RenderJson, EscapesEverythingOutsideAscii) {
  EXPECT_EQ(render_json("{\"a\":\"\xc2\x9b\x7f√\"}")->out,
            "{\n  \"a\": \"\\u009b\\u007f\\u221a\"\n}\n");
}

}  // namespace
}  // namespace keelson::ctl
