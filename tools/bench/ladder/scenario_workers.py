"""workers: requests a second of a proxy with two workers over those of one with one, from two client pods.

Two labs, alive at once, measured in turns. Nothing is pinned: clients, origin and proxy share the machine, so that on
few cores the ratio says what is left for a second worker and not what it could do. Blocking.
"""
import contextlib
import os

from ladder.crossing import NEAR, Crossing, ended

NAME = "workers"
DESCRIPTION = "requests a second of two workers over one"
PREFIX = "keelson-lab-work{}"
CLIENTS = {"first": "shop", "second": "shop"}
WORKERS = (1, 2)
ROUNDS = {"quick": 11, "full": 15}
SECONDS = {"quick": 0.6, "full": 1.5}
CONNECTIONS = 16  # of each client
CORES_WANTED = 5  # two workers, two clients, one origin


def rps(crossing, seconds):
    """Both clients together."""
    loads = [crossing.start_load(pod, "l7", "--connections", CONNECTIONS, "--closed", "--seconds", seconds,
                                 "--warmup", 0.3) for pod in CLIENTS]
    return sum(ended(load)["rate_done"] for load in loads)


def to_lines(rounds):
    """Rounds of workers -> requests a second, as lines."""
    def line(variant, metric, unit, samples):
        return {"id": f"{NAME}/{variant}/{metric}", "group": NAME, "variant": variant, "metric": metric, "unit": unit,
                "samples": samples}

    return [line("two-over-one", "rps_ratio", "x", [each[2] / each[1] for each in rounds]),
            line("one", "rps", "1/s", [each[1] for each in rounds]),
            line("two", "rps", "1/s", [each[2] for each in rounds])]


def run(bench):
    cores = len(os.sched_getaffinity(0))
    if cores < CORES_WANTED:
        bench.note(f"{NAME}: {cores} cores carry two clients, the origin and the proxy's workers: a second worker "
                   f"finds "
                   f"no core of its own, so the ratio cannot reach that of a machine with {CORES_WANTED}")
    seconds = SECONDS[bench.mode.name]
    with contextlib.ExitStack() as stack:
        labs = {workers: stack.enter_context(Crossing(bench, PREFIX.format(workers), CLIENTS, origin_node=NEAR,
                                                      workers=workers)) for workers in WORKERS}
        rounds = [{workers: rps(lab, seconds) for workers, lab in labs.items()}
                  for _ in range(ROUNDS[bench.mode.name])]
    return to_lines(rounds)
