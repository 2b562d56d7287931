/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Argument of the test program ks_decide: one connect() and what becomes of it. */
#pragma once

#include "keelson_abi/abi.h"

struct connect_question {
  __u64 netns;
  __u64 boot_key;
  struct ks_endpoint dialled;
  struct ks_endpoint target; /* from here on: the answer */
  struct ks_endpoint chosen;
  __u32 source_port; /* question */
  __u32 action;
  __u16 reason;
  __u8 kind;
  __u8 pad[5];
};
