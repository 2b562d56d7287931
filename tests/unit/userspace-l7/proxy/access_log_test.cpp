#include "proxy/access_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "proxy/access_log_file.h"
#include "proxy/stats.h"
#include "support/wait_until.h"

namespace keelson::proxy {
namespace {

AccessRecord record() {
  AccessRecord made;
  made.time = WallTime(std::chrono::milliseconds(1700000000123));
  made.path = Path::kInbound;
  made.source = "shop/cart";
  made.source_identity = "spiffe://cluster.local/ns/shop/sa/cart";
  made.bytes_sent = 12;
  made.duration = std::chrono::milliseconds(34);
  made.reason = Reason::policy_denied;
  made.policy = "shop/deny-all";
  made.generation = 5;
  return made;
}

std::string to_json_line(const AccessRecord& record) {
  std::string line;
  append_json_line(line, record);
  return line;
}

int count_lines(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) lines++;
  return lines;
}

class AccessLogFiles : public testing::Test {
 protected:
  void TearDown() override { std::remove(path.c_str()); }
  const std::string path = testing::TempDir() + "access-" + std::to_string(::getpid());
};

TEST(AccessLog, WritesOneJsonObject) {
  EXPECT_EQ(to_json_line(record()),
            R"({"time":"2023-11-14T22:13:20.123Z","path":"inbound","reason":"policy_denied",)"
            R"("source":"shop/cart","source_identity":"spiffe://cluster.local/ns/shop/sa/cart",)"
            R"("policy":"shop/deny-all","bytes_sent":12,"bytes_received":0,"duration_ms":34.0,)"
            R"("generation":5})");
}

TEST(AccessLog, APeersBytesCannotBreakTheLine) {
  AccessRecord evil = record();
  evil.detail = "a\n\"b\xff\x01";
  const std::string line = to_json_line(evil);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find(R"("detail":"a\n\"b)"), std::string::npos);
}

// The quick way and the library agree on every byte, wherever in a word it is.
TEST(AccessLog, EscapesEveryByteAsTheLibraryDoes) {
  for (const size_t length : {1u, 5u, 8u, 13u, 24u}) {
    for (unsigned byte = 0; byte < 256; byte++) {
      for (size_t at = 0; at < length; at++) {
        AccessRecord odd;
        odd.detail = std::string(length, 'x');
        odd.detail[at] = static_cast<char>(byte);
        const std::string wanted =
            "\"detail\":" +
            nlohmann::json(odd.detail)
                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
            "}";
        ASSERT_TRUE(to_json_line(odd).ends_with(wanted)) << byte << " at " << at;
      }
    }
  }
}

TEST(AccessLog, TimesAreReadable) {
  for (const auto& [micros, text] : {std::pair{0, "0.0"},
                                     {7, "0.007"},
                                     {1500, "1.5"},
                                     {100000, "100.0"},
                                     {1230040, "1230.04"}}) {
    AccessRecord timed = record();
    timed.duration = std::chrono::microseconds(micros);
    EXPECT_NE(to_json_line(timed).find(std::string("\"duration_ms\":") + text + ","),
              std::string::npos)
        << text;
  }
  AccessRecord leap = record();
  leap.time = WallTime(std::chrono::milliseconds(1709164805007));
  EXPECT_TRUE(to_json_line(leap).starts_with(R"({"time":"2024-02-29T00:00:05.007Z",)"));
}

TEST_F(AccessLogFiles, HoldEveryLineThatWasWrittenBeforeTheEnd) {
  {
    auto log = AccessLogFile::open(path, 1u << 20);
    ASSERT_TRUE(log) << log.error().message();
    for (int i = 0; i < 50; i++) (*log)->write(record());
    EXPECT_EQ((*log)->dropped(), 0u);
  }
  EXPECT_EQ(count_lines(path), 50);
}

TEST_F(AccessLogFiles, GetALineWithoutWaitingForAnother) {
  auto log = AccessLogFile::open(path, 1u << 20);
  ASSERT_TRUE(log);
  for (int lines = 1; lines <= 2; lines++) {
    (*log)->write(record());
    EXPECT_TRUE(test::wait_until([&] { return count_lines(path) == lines; }));
  }
}

TEST_F(AccessLogFiles, LoseAndCountWhatWaitsBehindAFullBuffer) {
  constexpr int kLines = 1000;
  uint64_t dropped = 0;
  {
    auto log = AccessLogFile::open(path, 1);  // one line fills it
    ASSERT_TRUE(log);
    for (int i = 0; i < kLines; i++) (*log)->write(record());
    dropped = (*log)->dropped();
  }
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(count_lines(path) + static_cast<int>(dropped), kLines);
}

// Standard error in a container is a pipe that the proxy's own log goes to as well, and whose
// reader may be slow; here both ends are one pipe and both writers are at it.
TEST(AccessLogOnAPipe, IsNotMixedWithWhatOthersWriteThere) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  const std::string path = "/proc/self/fd/" + std::to_string(writer.get());
  const std::string other(200, 'o');
  constexpr int kLines = 3000;  // several times what the pipe holds
  std::thread others([&] {
    for (int i = 0; i < kLines; i++)
      EXPECT_EQ(::write(writer.get(), (other + "\n").data(), 201), 201);
  });
  std::thread ours([&] {
    auto log = AccessLogFile::open(path, 8u << 20);
    ASSERT_TRUE(log) << log.error().message();
    for (int i = 0; i < kLines; i++) (*log)->write(record());
    log->reset();
    EXPECT_EQ(::write(writer.get(), "end\n", 4), 4);
  });
  const std::string ours_text = to_json_line(record());
  int seen = 0, mixed = 0;
  bool is_over = false;
  FILE* stream = ::fdopen(reader.release(), "r");
  char* line = nullptr;
  size_t room = 0;
  for (int lines = 0; lines < 2 * kLines + 1; lines++) {
    const ssize_t length = ::getline(&line, &room, stream);
    ASSERT_GT(length, 0);
    const std::string_view text(line, static_cast<size_t>(length) - 1);
    is_over |= text == "end";
    seen += text == ours_text ? 1 : 0;
    mixed += text != ours_text && text != other && text != "end" ? 1 : 0;
  }
  ::free(line);
  ::fclose(stream);
  others.join();
  ours.join();
  EXPECT_TRUE(is_over);
  EXPECT_EQ(seen, kLines);
  EXPECT_EQ(mixed, 0);
}

// One that is full for a while, seen by what stands behind: a line that was cut is ended first.
TEST(AccessLogOnADisk, ThatTookHalfALineGetsTheNextOnAFreshOne) {
  const auto file_limit = [](rlim_t bytes) {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
  const std::string path = testing::TempDir() + "torn-" + std::to_string(::getpid());
  const size_t line_bytes = to_json_line(record()).size() + 1;
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_TRUE(file_limit(line_bytes + line_bytes / 2));
  {
    auto log = AccessLogFile::open(path, 1u << 20);
    ASSERT_TRUE(log);
    for (int i = 0; i < 3; i++) (*log)->write(record());
    ASSERT_TRUE(test::wait_until([&] { return (*log)->dropped() == 2; })) << (*log)->dropped();
    ASSERT_TRUE(file_limit(RLIM_INFINITY));
    (*log)->write(record());
  }
  std::signal(SIGXFSZ, before);
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], to_json_line(record()));
  EXPECT_EQ(lines[2], to_json_line(record()));
  std::remove(path.c_str());
}

TEST(AccessLogOnADisk, ThatIsFullLosesAndCounts) {
  auto log = AccessLogFile::open("/dev/full", 1u << 20);
  ASSERT_TRUE(log);
  for (int i = 0; i < 3; i++) (*log)->write(record());
  EXPECT_TRUE(test::wait_until([&] { return (*log)->dropped() == 3; }));
}

TEST(AccessLogOnADisk, ThatIsNotThereIsAnErrorWithThePath) {
  const auto log = AccessLogFile::open("/nowhere/access.log", 1);
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message().find("/nowhere/access.log"), std::string::npos);
}

TEST(ProxyStats, SumsWorkersByReason) {
  Stats first, second;
  first.count(Reason::policy_denied);
  second.count(Reason::policy_denied);
  second.count(Reason::relayed);
  first.connections_active.add(3);
  second.connections_active.add(4);
  second.connections_active.subtract();
  const Stats* all[] = {&first, &second};
  const config::Stats total = sum(all);
  EXPECT_EQ(total.connections_active, 6u);
  EXPECT_EQ(total.reasons, (std::vector<std::pair<Reason, uint64_t>>{{Reason::policy_denied, 2},
                                                                     {Reason::relayed, 1}}));
}

}  // namespace
}  // namespace keelson::proxy
