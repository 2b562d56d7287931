// render: an admin answer (JSON, the field names of agent/admin/views.h and kernel_views.h) to what
// a person reads. Pure: JSON in, text out; a missing field reads as empty, so that an older agent
// still shows. An answer that is not JSON is Reason::syntax_error. Fetching is agent_link.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "keelsonctl/table.h"

namespace keelson::ctl {

struct Rendered {
  std::string out;            // for stdout
  std::string hints;          // for stderr; may be empty
  bool has_findings = false;  // exit code 1
};

Result<Rendered> render_status(std::string_view json, const Style& style);
Result<Rendered> render_workloads(std::string_view json, const Style& style);
Result<Rendered> render_services(std::string_view json, const Style& style);
Result<Rendered> render_routes(std::string_view json, const Style& style);
Result<Rendered> render_policies(std::string_view json, const Style& style);
Result<Rendered> render_why(std::string_view json, const Style& style);
Result<Rendered> render_check(std::string_view json, const Style& style);
// render_bpf.cpp
Result<Rendered> render_bpf_programs(std::string_view json, const Style& style);
Result<Rendered> render_bpf_links(std::string_view json, const Style& style);
Result<Rendered> render_bpf_maps(std::string_view json, const Style& style);
Result<Rendered> render_bpf_rows(std::string_view json, const Style& style);
// One line of /v1/observe, with its newline.
Result<std::string> render_flow(std::string_view json, const Style& style);
// Any answer, as -o json prints it: indented, everything outside ASCII escaped.
Result<Rendered> render_json(std::string_view json);
// The same for one line of a stream.
Result<std::string> render_json_line(std::string_view json);

// What an answer that is not 200 says.
struct Problem {
  std::string code, message, next;
};
Problem read_problem(std::string_view json);
// {version, build, pid, node}; empty strings where the answer lacks them.
struct AgentVersion {
  std::string version, build, node;
};
Result<AgentVersion> read_version(std::string_view json);
// What came of `keelsonctl uninstall`; without a failure it is done.
struct Removal {
  std::string failure, fix;
};
Result<Removal> read_removal(std::string_view json);

}  // namespace keelson::ctl
