#include "ca/authority.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "tls/certificates.h"
#include "tls/peer_identity.h"

namespace keelson::ca {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::minutes;

class FakeClock final : public Clock {
 public:
  MonotonicTime now() const noexcept override { return {}; }
  WallTime wall_now() const noexcept override { return wall; }
  WallTime wall =
      std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
};

class AuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = ::testing::TempDir() + "keelson-ca-XXXXXX";
    ASSERT_NE(mkdtemp(base_.data()), nullptr);
    folder_ = base_ + "/ca";
  }
  void TearDown() override { fs::remove_all(base_); }

  Result<std::unique_ptr<Authority>> open() {
    return Authority::open({.folder = folder_, .trust_domain = "cluster.local"}, clock_);
  }
  Reason open_reason() {
    const auto opened = open();
    return opened ? Reason::none : opened.error().reason;
  }
  CertificateRequest request(const std::string& account = "cart") {
    key_ = std::move(*tls::generate_p256_key());
    auto parsed = CertificateRequest::parse(
        *make_certificate_request(key_.get(), {"cluster.local", "shop", account}));
    return std::move(*parsed);
  }
  tls::CertPtr leaf_of(const IssuedCertificate& issued) {
    return std::move(tls::read_certificates(issued.chain.front())->front());
  }
  std::string read(const std::string& name) {
    std::ifstream file(folder_ + "/" + name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  mode_t mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }

  const tls::SpiffeId id_{"cluster.local", "shop", "cart"};
  FakeClock clock_;
  std::string base_;
  std::string folder_;
  tls::KeyPtr key_;
};

TEST_F(AuthorityTest, CreatesItsStateForItsOwnEyesOnly) {
  ASSERT_TRUE(open());
  EXPECT_EQ(mode_of(folder_), 0700U);
  EXPECT_EQ(mode_of(folder_ + "/signing.pem"), 0600U);
  EXPECT_EQ(mode_of(folder_ + "/issued.log"), 0600U);
}

TEST_F(AuthorityTest, LoadsTheSameRootAgain) {
  const auto first = (*open())->trust_bundle();
  EXPECT_EQ((*open())->trust_bundle(), first);
  EXPECT_EQ(first.size(), 1U);
}

TEST_F(AuthorityTest, RefusesStateThatOthersCouldReadOrReplace) {
  ASSERT_TRUE(open());
  const std::string key = folder_ + "/signing.pem";
  for (const mode_t mode : {0640, 0604, 0620, 0660, 0666, 0400, 0700, 04600}) {
    ASSERT_EQ(chmod(key.c_str(), mode), 0);
    EXPECT_EQ(open_reason(), Reason::authority_state_unsafe) << std::oct << mode;
  }
  ASSERT_EQ(chmod(key.c_str(), 0600), 0);
  EXPECT_EQ(open_reason(), Reason::none);
  for (const mode_t mode : {0750, 0701, 0777}) {
    ASSERT_EQ(chmod(folder_.c_str(), mode), 0);
    EXPECT_EQ(open_reason(), Reason::authority_state_unsafe) << std::oct << mode;
  }
  ASSERT_EQ(chmod(folder_.c_str(), 0700), 0);
  fs::create_hard_link(key, base_ + "/second-name");
  EXPECT_EQ(open_reason(), Reason::authority_state_unsafe);
  fs::remove(base_ + "/second-name");
  fs::rename(key, base_ + "/elsewhere.pem");
  fs::create_symlink(base_ + "/elsewhere.pem", key);
  EXPECT_EQ(open_reason(), Reason::authority_state_unsafe);
  fs::remove(key);
  ASSERT_EQ(mkfifo(key.c_str(), 0600), 0);
  EXPECT_EQ(open_reason(), Reason::authority_state_unsafe);
}

TEST_F(AuthorityTest, RefusesStateOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  ASSERT_TRUE(open());
  ASSERT_EQ(chown((folder_ + "/signing.pem").c_str(), 65534, 65534), 0);
  EXPECT_EQ(open_reason(), Reason::authority_state_unsafe);
}

TEST_F(AuthorityTest, RefusesDamagedStateInsteadOfStartingANewMesh) {
  ASSERT_TRUE(open());
  const std::string good = read("signing.pem");
  const auto put = [this](const std::string& text) {
    std::ofstream(folder_ + "/signing.pem", std::ios::trunc) << text;
  };
  const size_t certificate_at = good.find("-----BEGIN CERTIFICATE");
  const auto other_key = base_ + "/other";
  auto other = Authority::open({.folder = other_key, .trust_domain = "cluster.local"}, clock_);
  std::ifstream other_file(other_key + "/signing.pem");
  std::stringstream other_text;
  other_text << other_file.rdbuf();
  const std::string foreign = other_text.str();
  for (const std::string& bad :
       {std::string(), std::string("x"), good.substr(0, certificate_at),
        good.substr(certificate_at), good.substr(0, good.size() / 2), good + good,
        foreign.substr(0, foreign.find("-----BEGIN CERTIFICATE")) + good.substr(certificate_at),
        std::string(70000, 'x')}) {
    put(bad);
    EXPECT_EQ(open_reason(), Reason::authority_state_invalid) << bad.size();
  }
  put(good);
  EXPECT_EQ(open_reason(), Reason::none);
  ASSERT_TRUE((*open())->begin_rotation());
  fs::remove(folder_ + "/signing.pem");
  EXPECT_EQ(open_reason(), Reason::authority_state_invalid);
}

TEST_F(AuthorityTest, IssuesALeafWithExactlyItsOwnFields) {
  auto authority = std::move(*open());
  const auto issued = authority->issue(request(), id_);
  ASSERT_TRUE(issued) << issued.error().message();
  const tls::CertPtr leaf = leaf_of(*issued);
  const auto identity = tls::peer_identity(leaf.get());
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_EQ(identity->id, id_);
  EXPECT_EQ(issued->not_before, clock_.wall - minutes(5));
  EXPECT_EQ(issued->not_after, clock_.wall + hours(24));
  EXPECT_EQ(tls::not_after(leaf.get()), issued->not_after);
  EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(leaf.get())), 0);
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(leaf.get()), key_.get()), 1);
  EXPECT_EQ(X509_get_ext_count(leaf.get()), 6);
  for (const int nid : {NID_basic_constraints, NID_key_usage, NID_subject_alt_name})
    EXPECT_TRUE(X509_EXTENSION_get_critical(
        X509_get_ext(leaf.get(), X509_get_ext_by_NID(leaf.get(), nid, -1))));
  const auto root = tls::read_certificates(issued->trust.front());
  EXPECT_EQ(X509_verify(leaf.get(), X509_get0_pubkey(root->front().get())), 1);
}

TEST_F(AuthorityTest, SerialNumbersAreLongAndNeverRepeat) {
  auto authority = std::move(*open());
  const CertificateRequest once = request();
  std::set<std::string> serials;
  for (int i = 0; i < 200; ++i)
    serials.insert(tls::serial_hex(leaf_of(*authority->issue(once, id_)).get()));
  EXPECT_EQ(serials.size(), 200U);
  for (const auto& serial : serials) EXPECT_EQ(serial.size(), 32U);
}

TEST_F(AuthorityTest, LogsEveryLeafInOneLineAndNeverForgets) {
  const auto issued = (*open())->issue(request(), id_);
  ASSERT_TRUE(issued);
  const std::string first = read("issued.log");
  EXPECT_NE(first.find(" serial=" + tls::serial_hex(leaf_of(*issued).get())), std::string::npos);
  EXPECT_NE(first.find(" id=" + id_.to_string() + " "), std::string::npos);
  ASSERT_TRUE((*open())->issue(request(), id_));
  const std::string second = read("issued.log");
  EXPECT_TRUE(second.starts_with(first));
  EXPECT_EQ(std::count(second.begin(), second.end(), '\n'), 2);
}

TEST_F(AuthorityTest, RefusesAnotherTrustDomainAndARequestForSomebodyElse) {
  auto authority = std::move(*open());
  const auto domain = authority->issue(request(), {"other.example", "shop", "cart"});
  ASSERT_FALSE(domain);
  EXPECT_EQ(domain.error().reason, Reason::trust_domain_mismatch);
  const auto other = authority->issue(request("till"), id_);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::csr_identity_mismatch);
  EXPECT_TRUE(read("issued.log").empty());
}

TEST_F(AuthorityTest, NeverIssuesBeyondTheRootsOwnEnd) {
  auto authority = std::move(*open());
  const auto root = tls::read_certificates(authority->trust_bundle().front());
  const WallTime end = tls::not_after(root->front().get());
  clock_.wall = end - hours(1);
  const auto last = authority->issue(request(), id_);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->not_after, end);
  clock_.wall = end;
  EXPECT_EQ(authority->issue(request(), id_).error().reason, Reason::certificate_expired);
}

TEST_F(AuthorityTest, RotationOverlapsAndSurvivesRestartsAtEveryStep) {
  const std::string old_root = (*open())->trust_bundle().front();
  ASSERT_TRUE((*open())->begin_rotation());
  ASSERT_TRUE((*open())->begin_rotation());  // twice: still one next root
  const auto during = (*open())->trust_bundle();
  ASSERT_EQ(during.size(), 2U);
  EXPECT_EQ(during[0], old_root);
  ASSERT_TRUE((*open())->finish_rotation());
  const auto after = (*open())->trust_bundle();
  EXPECT_EQ(after, (std::vector<std::string>{during[1], old_root}));
  EXPECT_EQ((*open())->finish_rotation().error().reason, Reason::not_found);
  const auto issued = (*open())->issue(request(), id_);
  ASSERT_TRUE(issued);
  EXPECT_EQ(issued->trust, after);
  const auto root = tls::read_certificates(after[0]);
  EXPECT_EQ(X509_verify(leaf_of(*issued).get(), X509_get0_pubkey(root->front().get())), 1);
  ASSERT_TRUE((*open())->drop_old_roots());
  EXPECT_EQ((*open())->trust_bundle(), std::vector<std::string>{during[1]});
}

TEST_F(AuthorityTest, ACrashBetweenTheStepsOfARotationChangesNothingForPeers) {
  ASSERT_TRUE((*open())->begin_rotation());
  const auto before = (*open())->trust_bundle();
  // old.pem is written first: what a crash right after that leaves behind.
  std::ofstream(folder_ + "/old.pem")
      << tls::to_pem(tls::read_certificates(before[0])->front().get());
  ASSERT_EQ(chmod((folder_ + "/old.pem").c_str(), 0600), 0);
  EXPECT_EQ((*open())->trust_bundle(), before);
  EXPECT_TRUE((*open())->finish_rotation());
}

TEST_F(AuthorityTest, ManyThatOpenAnEmptyFolderAtOnceEndWithOneRoot) {
  for (int round = 0; round < 20; round++) {
    fs::remove_all(folder_);
    std::vector<std::string> bundles(6);
    std::vector<std::thread> openers;
    for (std::string& bundle : bundles)
      openers.emplace_back([&] {
        const auto opened = open();
        bundle = opened ? (*opened)->trust_bundle_pem() : opened.error().message();
      });
    for (std::thread& opener : openers) opener.join();
    for (const std::string& bundle : bundles) ASSERT_EQ(bundle, bundles[0]) << "round " << round;
    ASSERT_TRUE(bundles[0].starts_with("-----BEGIN CERTIFICATE")) << bundles[0];
  }
}

}  // namespace
}  // namespace keelson::ca
