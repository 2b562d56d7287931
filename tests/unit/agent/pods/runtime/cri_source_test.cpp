#include "pods/runtime/cri_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>

#include "cri.pb.h"
#include "fake_runtime.h"
#include "pods/runtime/cri_messages.h"

namespace keelson::pods {
namespace {

namespace cri = runtime::v1;
using testing::HasSubstr;
using testing::SizeIs;

// As containerd 1.6 and 2.x and CRI-O write it.
constexpr char kInfo[] = R"({"pid": 4711, "processStatus": "running", "runtimeSpec": {
    "ociVersion": "1.0.2", "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"},
    {"type": "network", "path": "/var/run/netns/cni-77"}, {"type": "mount"}]}}})";

cri::PodSandboxStatusResponse status(const std::string& id, const std::string& info = kInfo) {
  cri::PodSandboxStatusResponse response;
  response.mutable_status()->set_id(id);
  response.mutable_status()->mutable_metadata()->set_uid("u-" + id);
  response.mutable_status()->mutable_network()->set_ip("10.244.1.5");
  response.mutable_status()->mutable_network()->add_additional_ips()->set_ip("fd00::5");
  (*response.mutable_info())["info"] = info;
  return response;
}

TEST(CriMessages, AStatusNamesTheNamespaceByPath) {
  const auto sandbox = decode_status_response(status("s1").SerializeAsString());
  ASSERT_TRUE(sandbox);
  ASSERT_TRUE(*sandbox);
  EXPECT_EQ((*sandbox)->id, "s1");
  EXPECT_EQ((*sandbox)->uid, "u-s1");
  EXPECT_EQ((*sandbox)->netns_path, "/var/run/netns/cni-77");
  EXPECT_THAT((*sandbox)->addresses, SizeIs(2));
}

TEST(CriMessages, WithoutAPathTheProcessLeadsThere) {
  for (const char* info :
       {R"({"pid": 4711})", R"({"pid": 4711, "runtimeSpec": {"linux": null}})",
        R"({"pid":4711,"runtimeSpec":{"linux":{"namespaces":[{"type":"network"}]}}})"}) {
    const auto sandbox = decode_status_response(status("s1", info).SerializeAsString());
    ASSERT_TRUE(sandbox && *sandbox) << info;
    EXPECT_EQ((*sandbox)->netns_path, "/proc/4711/ns/net") << info;
  }
}

TEST(CriMessages, WithNeitherThePathIsUnknown) {
  for (const char* info : {"", "{}", "no json", R"({"pid": 0})", R"({"pid": "7"})", "[]"}) {
    const auto sandbox = decode_status_response(status("s1", info).SerializeAsString());
    ASSERT_TRUE(sandbox && *sandbox) << info;
    EXPECT_EQ((*sandbox)->netns_path, "") << info;
  }
}

TEST(CriMessages, HostNetworkAndEndedSandboxesAreOut) {
  auto host = status("s1");
  host.mutable_status()->mutable_linux()->mutable_namespaces()->mutable_options()->set_network(
      cri::NODE);
  EXPECT_EQ(*decode_status_response(host.SerializeAsString()), std::nullopt);
  auto ended = status("s1");
  ended.mutable_status()->set_state(cri::SANDBOX_NOTREADY);
  EXPECT_EQ(*decode_status_response(ended.SerializeAsString()), std::nullopt);
}

TEST(CriMessages, AListingIsOldestFirstAndRunningOnly) {
  cri::ListPodSandboxResponse response;
  for (const auto& [id, created] : std::map<std::string, int>{{"a", 3}, {"b", 1}, {"c", 2}}) {
    auto* item = response.add_items();
    item->set_id(id);
    item->mutable_metadata()->set_uid("u-" + id);
    item->set_created_at(created);
    if (id == "c") item->set_state(cri::SANDBOX_NOTREADY);
  }
  const auto listed = decode_list_response(response.SerializeAsString());
  ASSERT_TRUE(listed);
  EXPECT_THAT(*listed,
              testing::ElementsAre(Sandbox{"b", "u-b", "", {}}, Sandbox{"a", "u-a", "", {}}));
  EXPECT_FALSE(decode_list_response("\xff\xff\xff"));
}

class CriSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/keelson-cri-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string socket() const { return folder + "/runtime.sock"; }

  // One listing, on this thread's loop.
  Result<std::vector<Sandbox>> list(GrpcLimits limits = {}) {
    io::EventLoop loop;
    CriSource source(loop, socket(), limits);
    std::optional<Result<std::vector<Sandbox>>> result;
    source.list([&](Result<std::vector<Sandbox>> listed) {
      result = std::move(listed);
      loop.stop();
    });
    loop.run();
    return std::move(*result);
  }

  // Sandboxes s0 to s(count-1), statuses by the test.
  static test::FakeRuntime::Serve runtime(
      int count, std::function<test::FakeAnswer(const std::string& id)> serve_status) {
    return [=](const std::string& method, const std::string& message) {
      if (method == kListSandboxes) {
        cri::ListPodSandboxResponse response;
        for (int i = 0; i < count; ++i) {
          response.add_items()->set_id("s" + std::to_string(i));
          response.mutable_items(i)->mutable_metadata()->set_uid("u-s" + std::to_string(i));
          response.mutable_items(i)->set_created_at(i);
        }
        return test::FakeAnswer{response.SerializeAsString()};
      }
      cri::PodSandboxStatusRequest request;
      request.ParseFromString(message);
      EXPECT_EQ(method, kSandboxStatus);
      EXPECT_TRUE(request.verbose());
      return serve_status(request.pod_sandbox_id());
    };
  }
  static test::FakeAnswer good(const std::string& id) { return {status(id).SerializeAsString()}; }

  std::string folder;
};

TEST_F(CriSourceTest, ListsEverySandboxInItsOrder) {
  // More than streams that may be open at once, and infos of a realistic size.
  const test::FakeRuntime fake(socket(), runtime(500, [](const std::string& id) {
                                 auto response = status(id);
                                 (*response.mutable_info())["spec"] = std::string(20'000, 'x');
                                 return test::FakeAnswer{response.SerializeAsString()};
                               }));
  const auto listed = list();
  ASSERT_TRUE(listed) << listed.error().message();
  ASSERT_THAT(*listed, SizeIs(500));
  EXPECT_EQ((*listed)[0].uid, "u-s0");
  EXPECT_EQ((*listed)[499].uid, "u-s499");
}

TEST_F(CriSourceTest, NoSandboxesIsAnAnswer) {
  const test::FakeRuntime fake(socket(), runtime(0, good));
  const auto listed = list();
  ASSERT_TRUE(listed) << listed.error().message();
  EXPECT_THAT(*listed, SizeIs(0));
}

TEST_F(CriSourceTest, OneThatEndedMeanwhileIsLeftOut) {
  const test::FakeRuntime fake(socket(), runtime(3, [](const std::string& id) {
                                 return id == "s1" ? test::FakeAnswer{"", 5} : good(id);
                               }));
  const auto listed = list();
  ASSERT_TRUE(listed) << listed.error().message();
  EXPECT_THAT(*listed, SizeIs(2));
}

// A dead or hanging shim stopped every other pod of the node.
TEST_F(CriSourceTest, OneWhoseStatusFailsOrNeverComesIsThereWithoutAPath) {
  for (const test::FakeAnswer& answer :
       {test::FakeAnswer{"", 14}, test::FakeAnswer{"\xff\xff\xff"},
        test::FakeAnswer{"", 0, test::FakeAnswer::End::kSilence}}) {
    const test::FakeRuntime fake(socket(), runtime(3, [&answer](const std::string& id) {
                                   return id == "s1" ? answer : good(id);
                                 }));
    const auto listed = list({.answer = std::chrono::milliseconds(1000)});
    ASSERT_TRUE(listed) << listed.error().message();
    ASSERT_THAT(*listed, SizeIs(3));
    EXPECT_EQ((*listed)[1], (Sandbox{"s1", "u-s1", "", {}}));
    EXPECT_EQ((*listed)[2].netns_path, "/var/run/netns/cni-77");
    std::filesystem::remove(socket());
  }
}

TEST_F(CriSourceTest, AConnectionThatBreaksMakesTheListingUseless) {
  const test::FakeRuntime fake(
      socket(), runtime(3, [](const std::string& id) {
        return id == "s1" ? test::FakeAnswer{"", 0, test::FakeAnswer::End::kHangUp} : good(id);
      }));
  EXPECT_FALSE(list());
}

TEST_F(CriSourceTest, NoStatusAtAllMakesTheListingUseless) {
  const test::FakeRuntime fake(socket(), runtime(3, [](const std::string&) {
                                 return test::FakeAnswer{"", 14};
                               }));
  const auto listed = list();
  ASSERT_FALSE(listed);
  EXPECT_THAT(listed.error().message(), HasSubstr("gRPC status 14"));
}

TEST_F(CriSourceTest, ARuntimeThatIsNotThereIsSaidWithItsPath) {
  const auto listed = list();
  ASSERT_FALSE(listed);
  EXPECT_THAT(listed.error().message(), HasSubstr(socket()));
}

TEST_F(CriSourceTest, ARuntimeThatIsSilentEndsWithTheLimit) {
  std::promise<void> asked_long_enough;
  const test::FakeRuntime silent(socket(), [&](const std::string&, const std::string&) {
    asked_long_enough.get_future().wait();
    return test::FakeAnswer{};
  });
  const auto listed = list({.answer = std::chrono::milliseconds(20)});
  asked_long_enough.set_value();
  ASSERT_FALSE(listed);
  EXPECT_THAT(listed.error().message(), HasSubstr("in time"));
}

TEST_F(CriSourceTest, AnAnswerThatIsNoMessageIsMalformed) {
  const test::FakeRuntime fake(socket(), [](const std::string&, const std::string&) {
    return test::FakeAnswer{"\xff\xff\xff"};
  });
  const auto listed = list();
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().reason, Reason::message_malformed);
}

}  // namespace
}  // namespace keelson::pods
