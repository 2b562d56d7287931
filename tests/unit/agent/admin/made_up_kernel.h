// MadeUpKernel: an Inventory whose answers tests set: a node with the two enrolled pods of
// MeshFixture (slots 0 and 1), and a link that a pod left behind.
#pragma once

#include "datapath/inventory.h"

namespace keelson::admin {

class MadeUpKernel final : public datapath::Inventory {
 public:
  MadeUpKernel() {
    using datapath::LinkKind;
    program_list.runs_counted = true;
    program_list.list = {{"ks_connect4", 11, "cgroup_sock_addr", 4, 2000, 8192},
                         {"ks_sk_lookup", 12, "sk_lookup", 0, 0, 4096},
                         {"ks_source", 13, "sched_cls", 0, 0, 4096}};
    link_list = {{"link_connect4", 21, 11, LinkKind::kCgroup, "connect4", 1, ""},
                 {"lookup_0", 22, 12, LinkKind::kNetns, "sk_lookup", 4026532001, ""},
                 {"lookup_9", 23, 12, LinkKind::kNetns, "sk_lookup", 4026532009, ""},
                 {"lookup_1", 24, 12, LinkKind::kNetns, "sk_lookup", 0, ""},
                 {"source_31", 25, 13, LinkKind::kInterface, "ingress", 31, "veth31"},
                 {"", 0, 99, LinkKind::kFilter, "ingress", 32, ""}};
    map_list = {{"ks_pod", 31, "hash", 8, 88, 2, 1025, 90112},
                {"ks_socket", 32, "sk_storage", 4, 104, std::nullopt, 0, 4096}};
  }

  Result<datapath::KernelPrograms> programs() const override { return program_list; }
  Result<std::vector<datapath::KernelLink>> links() const override { return link_list; }
  Result<std::vector<datapath::KernelMap>> maps() const override { return map_list; }
  Result<compile::Rows> rows(std::string_view map) const override {
    if (map == "ks_pod") return row_list;
    return fail(Reason::not_found, ErrorSource::kInternal,
                std::string(map) + " is no configuration map: ks_pod");
  }

  datapath::KernelPrograms program_list;
  std::vector<datapath::KernelLink> link_list;
  std::vector<datapath::KernelMap> map_list;
  compile::Rows row_list;
};

}  // namespace keelson::admin
