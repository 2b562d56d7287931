"""Suite: plays scenarios one after another, each in a process of its own with a time limit, and counts."""
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from harness import scenario
from harness.versions import HERE

SKIPPED = 77           # exit status of a scenario that skipped
CLEAN_UP_SECONDS = 60  # beyond the limit of the scenario itself, for its `finally`
LOG_BYTES_MAX = 200_000
COLLECTED = (("pods.txt", ("get", "pods", "-A", "-o", "wide")),
             ("events.txt", ("get", "events", "-A", "--sort-by=.lastTimestamp")),
             ("nodes.txt", ("describe", "nodes")))


@dataclass
class Result:
    name: str
    state: str  # passed, failed, skipped
    seconds: float
    detail: str = ""


def rounds(names, times):
    """[(scenario, title of the round)]: each once, but those that put load on the mesh so many times."""
    return [(name, name if number == 1 else f"{name}-{number}") for name in names
            for number in range(1, times + 1 if getattr(scenario.load(name), "IS_LOAD", False) else 2)]


def play(name, label, cluster, cgroups, reports, progress):
    """Runs one scenario; what it printed is in reports/LABEL/output.txt."""
    module = scenario.load(name)
    folder = reports / label
    folder.mkdir(parents=True, exist_ok=True)
    progress.tell(f"{label}: {title(module)} (at most {module.SECONDS_MAX} s)")
    began = time.monotonic()
    with open(folder / "output.txt", "w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, HERE / "run", "--name", cluster.layout.name, "--cgroups", cgroups, "--only", name],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        code = wait(process, module.SECONDS_MAX)
        output.seek(0)
        lines = output.read().strip().splitlines()
    seconds = time.monotonic() - began
    detail = lines[-1] if lines else "no output"
    if code == 0:
        return Result(label, "passed", seconds)
    if code == SKIPPED:
        return Result(label, "skipped", seconds, detail)
    if code is None:
        detail = f"not done after {module.SECONDS_MAX} s; last: {detail}"
    collect(name, cluster, folder)
    return Result(label, "failed", seconds, f"{detail} (see {folder}/)")


def title(module):
    return module.__doc__.splitlines()[0].rstrip(".")


def wait(process, seconds_max):
    """The exit status; None when it had to be ended, which it may clean up after. Its process group goes with it."""
    try:
        return process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(CLEAN_UP_SECONDS)
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def collect(name, cluster, folder):
    """What may explain a failure: objects, events, logs of the scenario's pods and of the nodes' programs."""
    namespace = scenario.namespace_of(name)
    for file, arguments in (*COLLECTED, ("describe.txt", ("describe", "all", "-n", namespace))):
        code, out, err = cluster.kubectl.attempt(*arguments)
        (folder / file).write_text(out if code == 0 else out + err)
    for where in (namespace, "keelson-system"):
        for pod in cluster.kubectl.attempt("get", "pods", "-n", where, "-o", "name")[1].split():
            _, out, err = cluster.kubectl.attempt("logs", "-n", where, pod, "--all-containers", "--tail=2000")
            (folder / f"{where}-{pod.removeprefix('pod/')}.log").write_text(out + err)
    collect_node_logs(cluster, folder)


def collect_node_logs(cluster, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for node in cluster.layout.nodes:
        for log in node.folder.glob("*.log"):
            (folder / f"{node.name}-{log.name}").write_bytes(log.read_bytes()[-LOG_BYTES_MAX:])


def summary(results):
    """The lines that end a run and whether it was good."""
    counts = {state: sum(result.state == state for result in results) for state in ("passed", "failed", "skipped")}
    lines = [f"{result.state}: {result.name} {result.detail}" for result in results if result.state != "passed"]
    lines.append(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return lines, not counts["failed"] and bool(counts["passed"])
