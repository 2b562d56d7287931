"""window: one measurement: the load client runs, CPU is read within its measured time, faults make it void.

Blocks for as long as the window lasts; one at a time. The decisions (what is void, what a figure is) are pure.
"""
import json
import subprocess
import time
from dataclasses import dataclass

from ladder import sampler

CLIENT_CORE, PROXY_CORE = 0, 1
MARGIN_SECONDS = 0.05  # at each end, so that CPU is read while the client surely measures
PATIENCE_SECONDS = 30  # that a client may need beyond its time


@dataclass(frozen=True)
class Load:
    """What the client does: closed loop without a rate."""
    connections: int
    body: str
    seconds: float
    warmup: float
    rate: float = 0

    def arguments(self):
        loop = ["--rate", f"{self.rate:.0f}"] if self.rate else ["--closed"]
        return ["--connections", str(self.connections), *loop, "--seconds", str(self.seconds),
                "--warmup", str(self.warmup)]


@dataclass(frozen=True)
class Reading:
    """Figures of a window by metric, or why it is void."""
    figures: dict
    fault: str = ""


def fault_of(answer):
    """Why a window does not count: any error, any answer but 200, nothing at all."""
    errors = {name: count for name, count in answer["errors"].items() if count}
    if errors:
        return "errors: " + ", ".join(f"{name} {count}" for name, count in sorted(errors.items()))
    others = {status: count for status, count in answer["status"].items() if status != "200" and count}
    if others:
        return "answers: " + ", ".join(f"{count} of {status}" for status, count in sorted(others.items()))
    return "" if answer["ok"] and answer["rate_done"] else "no request was answered within the time"


def closed_figures(answer, seconds, cpu_ns):
    """Figures of a closed loop. CPU of a part of the window goes by the requests of that part."""
    requests = answer["rate_done"] * seconds
    figures = {"rps": answer["rate_done"], "cpu_all": sum(cpu_ns.values()) / 1e3 / requests,
               "p50": answer["latency_us"]["p50"], "p99": answer["latency_us"]["p99"]}
    if "proxies" in cpu_ns:
        figures["cpu_proxies"] = cpu_ns["proxies"] / 1e3 / requests
    return figures


def open_figures(answer):
    """Figures of an open loop: latency from the scheduled time."""
    return {f"{name}_open": answer["latency_us"][name] for name in ("p50", "p99")}


def place(variant):
    """Affinities: client and origin on one core, what is between on the other; without anything between, the origin."""
    origin_core = CLIENT_CORE if variant.proxy_pids else PROXY_CORE
    for pid in variant.origin_pids:
        sampler.pin(pid, origin_core)
    for pid in variant.proxy_pids:
        sampler.pin(pid, PROXY_CORE)


def groups_of(variant, client_pid, softirq_pids):
    groups = {"client": [client_pid], "origin": variant.origin_pids, "softirq": softirq_pids}
    return groups | {"proxies": variant.proxy_pids} if variant.proxy_pids else groups


def run(client, variant, load, softirq_pids):
    """Reading of one window of a variant. `client`: path of keelson-load."""
    place(variant)
    command = [*variant.enter(CLIENT_CORE), str(client), *variant.target(load.body), *load.arguments(), "--json", "-"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        meter = sampler.CpuMeter(groups_of(variant, process.pid, softirq_pids), time.monotonic_ns)
        time.sleep(load.warmup + MARGIN_SECONDS)
        meter.begin()
        time.sleep(load.seconds - 2 * MARGIN_SECONDS)
        seconds, cpu_ns = meter.end()
        output, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return Reading({}, f"the client did not end within {PATIENCE_SECONDS} s of its time")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode != 0:
        return Reading({}, f"the client ended with {process.returncode}: {complaint.decode(errors='replace').strip()}")
    answer = json.loads(output)
    fault = fault_of(answer)
    if fault:
        return Reading({}, fault)
    return Reading(open_figures(answer) if load.rate else closed_figures(answer, seconds, cpu_ns))


def run_with_retry(take, note):
    """take() once more when its Reading is void; the Reading, or None when both are. note() is told of each."""
    for attempt in ("once more", "left out"):
        reading = take()
        if not reading.fault:
            return reading
        note(f"{reading.fault}; {attempt}")
    return None
