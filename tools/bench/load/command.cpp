#include "command.h"

#include <fstream>
#include <ostream>

#include "client.h"
#include "options.h"

namespace keelson::load {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitCannotRun = 1;

// Where the report goes, opened before the run: a wrong path must not cost its result.
class Output {
 public:
  static Result<Output> open(const std::string& path, std::ostream& standard) {
    Output output(standard);
    if (path == "-") return output;
    output.file_ = std::ofstream(path);
    if (!output.file_) return fail_errno(Reason::file_unreadable, errno, path);
    return output;
  }
  bool write(const std::string& text) {
    std::ostream& to = file_.is_open() ? file_ : *standard_;
    to << text << std::flush;
    return to.good();
  }

 private:
  explicit Output(std::ostream& standard) : standard_(&standard) {}

  std::ofstream file_;
  std::ostream* standard_;
};

Result<void> run_options(const Options& options, int stop, std::ostream& out, std::ostream& err) {
  KS_ASSIGN(Output output, Output::open(options.json, out));
  HostPort to{options.url.host, options.url.port};
  if (!options.connect.empty()) {
    KS_ASSIGN(to, HostPort::parse(options.connect));
  }
  KS_ASSIGN(const SocketAddress address, resolve(to));
  std::optional<TlsClient> tls;
  if (options.url.is_tls) {
    KS_ASSIGN(tls, TlsClient::load({options.ca, options.certificate, options.key,
                                    options.server_name, options.protocol == Protocol::kHttp2}));
  }
  Client client(options, address, tls ? &*tls : nullptr, err);
  KS_TRY(client.run(stop));
  if (!output.write(to_json(client.tally(), client.facts())))
    return fail_errno(Reason::internal, errno, "the report cannot be written");
  return {};
}

}  // namespace

int run(const std::vector<std::string>& arguments, int stop, std::ostream& out, std::ostream& err) {
  const ParsedOptions parsed = parse_options(arguments, out, err);
  if (!parsed.options) return parsed.exit_code;
  const auto done = run_options(*parsed.options, stop, out, err);
  if (done) return kExitOk;
  err << "keelson-load: " << done.error().message() << "\n";
  return kExitCannotRun;
}

}  // namespace keelson::load
