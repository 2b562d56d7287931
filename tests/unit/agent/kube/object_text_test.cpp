#include "kube/object_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace keelson::kube {
namespace {

const Resource& resource(std::string_view kind) {
  return *std::ranges::find(followed_resources(), kind, &Resource::kind);
}

ListPage page_of(std::string_view kind, std::string body) {
  auto page = decode_list(resource(kind), 0, body);
  return page ? *page : ListPage{{}, "failed: " + page.error().message(), ""};
}

TEST(ObjectText, AListIsCutIntoObjectsThatNameTheirKind) {
  const ListPage page = page_of("Service", R"({"kind":"ServiceList","apiVersion":"v1",
    "metadata":{"resourceVersion":"42","continue":"next","remainingItemCount":7},
    "items":[{"metadata":{"name":"cart","namespace":"shop","resourceVersion":"40"},
              "spec":{"ports":[ {"port": 80} ], "x": "}]\""}, "status":{"loadBalancer":{}}},
             {"metadata":{"name":"pay","namespace":"shop","resourceVersion":"41"}}]})");
  EXPECT_EQ(page.resource_version, "42");
  EXPECT_EQ(page.continue_token, "next");
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].ns, "shop");
  EXPECT_EQ(page.items[0].name, "cart");
  EXPECT_EQ(page.items[0].resource_version, "40");
  EXPECT_EQ(page.items[0].text,
            R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"cart","namespace":"shop"},)"
            R"("spec":{"ports":[ {"port": 80} ], "x": "}]\""}})");
  EXPECT_EQ(page.items[1].text,
            R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"pay","namespace":"shop"}})");
}

TEST(ObjectText, WhatNothingReadsIsLeftOut) {
  const ListPage page = page_of("Pod", R"({"metadata":{"resourceVersion":"1"},"items":[
    {"metadata":{"name":"a","uid":"u","managedFields":[{"f":{"g":1}}],
       "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","keelson.dev/netns":"/proc/1/ns/net","k":"v"}},
     "spec":{"nodeName":"n"},
     "status":{"phase":"Running","containerStatuses":[{"restartCount":3}],"podIP":"10.0.0.1"}}]})");
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].text,
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u",)"
            R"("annotations":{"k":"v"}},"spec":{"nodeName":"n"},)"
            R"("status":{"phase":"Running","podIP":"10.0.0.1"}})");
}

TEST(ObjectText, APartialObjectGetsItsOwnKindBack) {
  const ListPage page = page_of("Namespace", R"({"kind":"PartialObjectMetadataList",
    "metadata":{"resourceVersion":"1"},"items":[{"kind":"PartialObjectMetadata",
    "apiVersion":"meta.k8s.io/v1","metadata":{"name":"shop"}}]})");
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].text,
            R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}})");
}

TEST(ObjectText, ListsMayBeEmptyButNotBroken) {
  EXPECT_TRUE(page_of("Pod", R"({"metadata":{"resourceVersion":"1"},"items":null})").items.empty());
  for (const char* bad :
       {"", "{", "[]", "{}", R"({"metadata":{"resourceVersion":"1"}})",
        R"({"items":[],"metadata":{}})", R"({"metadata":{"resourceVersion":"1"},"items":[1]})",
        R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{)"}) {
    std::string body = bad;
    const auto page = decode_list(resource("Pod"), 0, body);
    ASSERT_FALSE(page) << bad;
    EXPECT_EQ(page.error().reason, Reason::api_answer_malformed);
  }
}

TEST(ObjectText, EventsOfAllTypes) {
  const auto event = [](std::string line) { return decode_event(resource("Service"), 0, line); };
  const auto changed =
      event(R"({"type":"MODIFIED","object":{"metadata":{"name":"a","resourceVersion":"7"}}})");
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->type, WatchEvent::Type::kChanged);
  EXPECT_EQ(changed->object.resource_version, "7");
  const auto deleted =
      event(R"({"object":{"metadata":{"name":"a","resourceVersion":"8"}},"type":"DELETED"})");
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->type, WatchEvent::Type::kDeleted);
  const auto bookmark =
      event(R"({"type":"BOOKMARK","object":{"kind":"Service","metadata":{"resourceVersion":"9",)"
            R"("annotations":{"k8s.io/initial-events-end":"true"}}}})");
  ASSERT_TRUE(bookmark);
  EXPECT_EQ(bookmark->type, WatchEvent::Type::kBookmark);
  EXPECT_TRUE(bookmark->ends_initial_events);
  const auto error = event(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"m"}})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->type, WatchEvent::Type::kError);
  EXPECT_EQ(error->status.code, 410);
  for (const char* bad : {"", "{}", R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})",
                          R"({"type":"OTHER","object":{"metadata":{"resourceVersion":"1"}}})",
                          R"({"type":"ADDED","object":{"metadata":{"name":)"})
    EXPECT_FALSE(event(bad)) << bad;
}

}  // namespace
}  // namespace keelson::kube
