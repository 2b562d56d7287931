// Side: what a worker of the proxy has that does not concern sockets: loop, scheduler, buffers and
// alarms as in production (proxy/worker_core.h), over streams in memory. With signatures made
// at once: a hand-over to another thread is no matter of instructions. One thread.
#pragma once

#include "io/event_loop.h"
#include "io/idle.h"
#include "proxy/hbone/connection.h"
#include "proxy/scheduler.h"

namespace keelson::instructions {

class Side {
 public:
  // One turn of the loop, as after events; false: nothing was to be done.
  bool run_turn() {
    if (!scheduler.has_work()) return false;
    loop.run_ready();
    return true;
  }

  io::EventLoop loop;

 private:
  io::Idle turn_{loop, [this] {
                   if (scheduler.run_turn()) turn_.start();
                 }};

 public:
  proxy::Scheduler scheduler{[this] { turn_.start(); }};
  BlockPool blocks;
  hbone::LoopAlarms alarms{loop};
  tls::InlineSigner signer;
  const hbone::Environment environment{scheduler, blocks, signer, alarms};
};

}  // namespace keelson::instructions
