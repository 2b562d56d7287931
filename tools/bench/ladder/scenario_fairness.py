"""fairness: what each of five floods from one namespace does to the latency of another's through the same proxy.

The victim sends 500 requests a second in open loop; its client and origin run at real-time priority, so that only the
proxy, on a core of its own, can delay it. Each round measures it alone and then under every flood. Blocking.
"""
import os
import pathlib
import sys

from ladder import sampler
from ladder.crossing import NEAR, Crossing
from ladder.mesh import MeshError, end

NAME = "fairness"
DESCRIPTION = "a victim at 500 requests a second under five floods of another namespace"
PREFIX = "keelson-lab-fair"
VICTIM, FLOOD = "victim", "flood"
RATE = 500
CONNECTIONS = 32  # of the victim: enough for 500 requests a second at 60 ms, so that none waits for a connection
PRIORITY = 10
CLIENT_CORE, PROXY_CORE = 0, 1
ROUNDS = {"quick": 11, "full": 15}
SECONDS = {"quick": 0.8, "full": 2}
RISE = 0.4  # seconds until a flood is at its height
PATIENCE = 1  # seconds after which an answer comes too late to be served
SLOW_READER = pathlib.Path(__file__).resolve().parent / "slow_reader.py"

# name -> (options of keelson-load, path)
LOADS = {
    "connections": (("--connections", 256, "--closed"), "1k"),
    "bodies": (("--connections", 64, "--closed"), "64k"),
    "handshakes": (("--connections", 64, "--closed", "--new-connection-each"), "1k"),
    "streams": (("--connections", 1, "--closed", "--http2", "--streams", 1000), "1k"),
}
SLOW_CONNECTIONS = 256
FLOODS = (*LOADS, "readers")


def victim(crossing, seconds):
    return crossing.load(VICTIM, "l7", "--connections", CONNECTIONS, "--rate", RATE, "--seconds", seconds,
                         "--warmup", 0.1,
                         "--patience", PATIENCE, cpu=CLIENT_CORE, priority=PRIORITY)


def start_flood(crossing, name, seconds):
    if name in LOADS:
        options, path = LOADS[name]
        return crossing.start_load(FLOOD, "l7", *options, "--seconds", seconds, path=path, cpu=CLIENT_CORE)
    return crossing.mesh.start(NEAR, FLOOD, sys.executable, SLOW_READER, crossing.addresses[FLOOD, "l7"], 80,
                               f"l7.{FLOOD}", "/64k", SLOW_CONNECTIONS, seconds, keep_output=True, cpu=CLIENT_CORE)


def under(crossing, name, seconds):
    """The victim's report while a flood lasts, which must not end before the victim does."""
    flood = start_flood(crossing, name, seconds + 60)
    try:
        if crossing.mesh.holds(lambda: flood.poll() is not None, RISE):
            raise MeshError(f"flood {name} ended by itself: {flood.stderr.read().strip()}")
        report = victim(crossing, seconds)
        if flood.poll() is not None:
            raise MeshError(f"flood {name} ended before its time: {flood.stderr.read().strip()}")
        return report
    finally:
        end(flood)
        crossing.mesh.trim_logs()


def works(bench, crossing, name):
    """Whether the flood finds anyone who answers it; if not, it is reported."""
    if name not in LOADS:
        return True
    options, path = LOADS[name]
    try:
        report = crossing.load(FLOOD, "l7", *options, "--requests", 100, "--patience", 2, "--seconds", 3, path=path)
    except MeshError as error:
        bench.miss(f"{NAME}/{name}", str(error))
        return False
    if report["ok"] > 0:
        return True
    bench.miss(f"{NAME}/{name}", f"no request of this flood is answered: status {report['status']}, "
                                 f"errors {report['errors']}")
    return False


def served(report):
    return report["ok"] / max(1, report["requests"])


def to_lines(rounds):
    """Rounds of {"alone": report, flood: report}, as lines."""
    def line(variant, metric, unit, samples):
        return {"id": f"{NAME}/{variant}/{metric}", "group": NAME, "variant": variant, "metric": metric, "unit": unit,
                "samples": samples}

    alone = [each["alone"]["latency_us"]["p99"] for each in rounds]
    lines = [line("alone", "p99", "us", alone)]
    for name in rounds[0]:
        if name == "alone":
            continue
        p99 = [each[name]["latency_us"]["p99"] for each in rounds]
        lines += [line(name, "p99", "us", p99),
                  line(name, "p99_ratio", "x", [own / base for own, base in zip(p99, alone)]),
                  line(name, "served", "", [served(each[name]) for each in rounds])]
    return lines


def take_real_time(bench, pids):
    for pid in pids:
        sampler.pin(pid, CLIENT_CORE)
        try:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(PRIORITY))
        except PermissionError:
            bench.note(f"{NAME}: the victim's origin has no real-time priority here")


def run(bench):
    seconds = SECONDS[bench.mode.name]
    with Crossing(bench, PREFIX, {VICTIM: VICTIM, FLOOD: FLOOD}, namespaces=(VICTIM, FLOOD),
                  origin_node=NEAR) as crossing:
        crossing.mesh.pin(PROXY_CORE, f"proxy@{NEAR}")
        take_real_time(bench, crossing.origin_pids(VICTIM))
        for pid in crossing.origin_pids(FLOOD):
            sampler.pin(pid, CLIENT_CORE)
        floods = [name for name in FLOODS if works(bench, crossing, name)]
        rounds = []
        for _ in range(ROUNDS[bench.mode.name]):
            reports = {"alone": victim(crossing, seconds)}
            reports |= {name: under(crossing, name, seconds) for name in floods}
            rounds.append(reports)
    return to_lines(rounds)
