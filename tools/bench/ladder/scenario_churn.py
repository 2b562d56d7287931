"""churn: a new connection for each request between one pod pair on two nodes, and the handshakes that this takes.

Handshakes are those that the receiving node's proxy finished, as its metrics count them. Blocking.
"""
import time

from ladder.crossing import FAR, NEAR, Crossing

NAME = "churn"
DESCRIPTION = "a new connection per request across nodes: handshakes and failed requests"
PREFIX = "keelson-lab-churn"
COUNTS = {"quick": 3, "full": 7}  # readings of the counter
LOADS = 5  # between two of them
SECONDS = {"quick": 0.6, "full": 1}  # of a load
CONNECTIONS = 16  # at once
SERVICE = "l4"
REPORT_SECONDS = 6  # the proxy reports its counters to the agent every 5
COUNTER = "keelson_proxy_handshakes_total"


def to_lines(rounds):
    """Rounds of (reports of the loads, handshakes), as lines."""
    def line(metric, unit, samples):
        return {"id": f"{NAME}/keelson/{metric}", "group": NAME, "variant": "keelson", "metric": metric, "unit": unit,
                "samples": samples}

    loads = [load for reports, _ in rounds for load in reports]
    opened = [max(1, sum(load["connections_opened"] for load in reports)) for reports, _ in rounds]
    return [line("handshakes_per_connection", "", [count / new for (_, count), new in zip(rounds, opened)]),
            line("failed", "", [sum(load["errors"].values()) / max(1, load["requests"]) for load in loads]),
            line("connections", "1/s", [load["connections_opened"] / load["seconds"] for load in loads])]


def run(bench):
    rounds = []
    with Crossing(bench, PREFIX, {"client": "shop"}) as crossing:
        for _ in range(COUNTS[bench.mode.name]):
            before = crossing.proxy_counter(FAR, COUNTER)
            reports = [crossing.load("client", SERVICE, "--connections", CONNECTIONS, "--closed",
                                     "--new-connection-each",
                                     "--seconds", SECONDS[bench.mode.name]) for _ in range(LOADS)]
            time.sleep(REPORT_SECONDS)
            rounds.append((reports, crossing.proxy_counter(FAR, COUNTER) - before))
        bench.note(f"{NAME}: handshakes in all: {crossing.proxy_counter(NEAR, COUNTER):.0f} as client, "
                   f"{crossing.proxy_counter(FAR, COUNTER):.0f} as server")
    return to_lines(rounds)
