"""idle: what 1,000 connections between one pod pair on two nodes hold at each side's proxy after one answer each.

Each round begins with proxies that were just started, so that memory which an earlier round left free does not
count for less. Kernel memory is of the whole machine and only told in a note. Blocking.
"""
from ladder import memory, stats
from ladder.crossing import FAR, NEAR, Crossing, ended
from ladder.mesh import MeshError

NAME = "idle"
DESCRIPTION = "1,000 idle connections between one pod pair across nodes: memory of both proxies"
PREFIX = "keelson-lab-idle"
CONNECTIONS = 1000
ROUNDS = {"quick": 11, "full": 15}
HOLD = 1  # second; memory is read while they last
SIDES = {"client": NEAR, "server": FAR}
VARIANTS = {"l4": "{}-side", "l7": "{}-l7"}  # Service -> name of the line


def private(crossing):
    pids = crossing.mesh.pids()
    return {side: memory.private(pids[f"proxy@{node}"]) for side, node in SIDES.items()}


def wait_holding(process):
    for line in process.stderr:
        if "holding" in line:
            return
    raise MeshError("keelson-load does not hold its connections")


def one_round(crossing, service):
    """(side -> MiB, MiB of the kernel's slab) that the connections add."""
    crossing.mesh.restart_proxies()
    crossing.load("client", service, "--connections", 1, "--closed", "--requests", 1)
    before, slab = private(crossing), memory.slab()
    load = crossing.start_load("client", service, "--connections", CONNECTIONS, "--closed", "--idle-hold", HOLD)
    wait_holding(load)
    after, slab_after = private(crossing), memory.slab()
    report = ended(load)
    if report["ok"] < CONNECTIONS:
        raise MeshError(f"{report['ok']} of {CONNECTIONS} connections had an answer: {report['errors']}")
    return {side: after[side] - before[side] for side in SIDES}, slab_after - slab


def to_lines(service, rounds):
    def line(side):
        variant = VARIANTS[service].format(side)
        return {"id": f"{NAME}/{variant}/mib", "group": NAME, "variant": variant, "connections": CONNECTIONS,
                "metric": "mib", "unit": "MiB", "samples": [added[side] for added, _ in rounds]}
    return [line(side) for side in SIDES]


def run(bench):
    lines = []
    with Crossing(bench, PREFIX, {"client": "shop"}) as crossing:
        for service in VARIANTS:
            rounds = [one_round(crossing, service) for _ in range(ROUNDS[bench.mode.name])]
            lines += to_lines(service, rounds)
            slab = stats.quantile(sorted(kernel for _, kernel in rounds), 0.5)
            bench.note(f"{NAME}: {service}: the kernel's slab grows by {slab:.1f} MiB for {CONNECTIONS} connections, "
                       "client, proxies and origin together")
    return lines
