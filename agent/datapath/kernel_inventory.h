// KernelInventory: the Inventory of this node, read through the descriptors of the Loader's
// programs and through the pins (by id would need CAP_SYS_ADMIN). Agent loop only; changes nothing.
// What vanishes while it looks is left out.
#pragma once

#include <vector>

#include "datapath/inventory.h"
#include "datapath/kernel_maps.h"
#include "datapath/loader.h"

namespace keelson::datapath {

class KernelInventory final : public Inventory {
 public:
  // Both outlive it.
  KernelInventory(const Loader& loader, const KernelMaps& maps) : loader_(loader), maps_(maps) {}

  Result<KernelPrograms> programs() const override;
  Result<std::vector<KernelLink>> links() const override;
  Result<std::vector<KernelMap>> maps() const override;
  Result<compile::Rows> rows(std::string_view map) const override { return maps_.read(map); }

 private:
  Result<void> add_filters(std::vector<KernelLink>& links) const;

  const Loader& loader_;
  const KernelMaps& maps_;
};

}  // namespace keelson::datapath
