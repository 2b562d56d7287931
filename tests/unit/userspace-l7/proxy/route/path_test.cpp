#include "proxy/route/path.h"

#include <gtest/gtest.h>

namespace keelson::proxy {
namespace {

TEST(Path, FindsADotSegmentInEverySpellingThatServersResolve) {
  for (const char* path :
       {"/.",          "/..",         "/./",     "/../",      "/a/../b",     "/a/./b",
        "/a/..",       "/a/.",        "/%2e",    "/%2E%2e/x", "/.%2e",       "/a/%2e./b",
        "/a/..;/b",    "/a/..;x=1/b", "/..%3bx", "/a/..%2fb", "/a%2F..%2Fb", "/a%2f%2e%2e",
        "/a%5c..%5Cb", "/a/..%5cb",   "//..",    "/a/.;"})
    EXPECT_TRUE(has_dot_segment(path)) << path;
}

TEST(Path, LeavesDotsAloneThatAreNoSegment) {
  for (const char* path : {"/",
                           "*",
                           "",
                           "/.well-known/x",
                           "/a/.b",
                           "/a./b",
                           "/a..",
                           "/...",
                           "/.../x",
                           "/a/..b/c",
                           "/%2efoo",
                           "/a;..",
                           "/a;/x",
                           "/a;..;/x",
                           "/x;.",
                           "/a%20b;../x",
                           "/%252e%252e/x",
                           "/%",
                           "/%2",
                           "/..%",
                           "/.%zz",
                           "//",
                           "/a//b",
                           "/v1.2/x"})
    EXPECT_FALSE(has_dot_segment(path)) << path;
}

TEST(Path, UnescapesWhatIsUnreservedAndNothingElse) {
  EXPECT_EQ(normal_escapes("/%61dmin%2D%5f%7E%2e%41%39"), "/admin-_~.A9");
  EXPECT_EQ(normal_escapes("/a%2fb%3f"), "/a%2Fb%3F");
  EXPECT_EQ(normal_escapes("/%2561"), std::nullopt) << "once, not twice";
  EXPECT_EQ(normal_escapes("/%61%"), "/a%");
  EXPECT_EQ(normal_escapes("/%61%4"), "/a%4");
  for (const char* path : {"/", "", "*", "/a", "/%2F", "/%zz%", "/%00"})
    EXPECT_EQ(normal_escapes(path), std::nullopt) << path;
}

TEST(Path, CutsBehindThePrefixInAnySpelling) {
  EXPECT_EQ(behind_prefix("/foo/bar", "/foo"), "/bar");
  EXPECT_EQ(behind_prefix("/foo/bar", "/foo/"), "/bar");
  EXPECT_EQ(behind_prefix("/f%6Fo/bar", "/foo"), "/bar");
  EXPECT_EQ(behind_prefix("/foo", "/foo"), "");
  EXPECT_EQ(behind_prefix("/foo/", "/foo"), "/");
  EXPECT_EQ(behind_prefix("/foo/a/b/c", "/foo/a"), "/b/c");
  EXPECT_EQ(behind_prefix("/foo", "/"), "/foo");
  EXPECT_EQ(behind_prefix("/foo//x", "/foo"), "//x");
  EXPECT_EQ(behind_prefix("*", "/"), "");
}

}  // namespace
}  // namespace keelson::proxy
