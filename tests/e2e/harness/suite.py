"""Suite: plays scenarios on one cluster or more, each in a process of its own with a time limit, and counts."""
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
# Likewise, for what is not its own: namespaces of earlier scenarios that go, and the mesh that the first one installs.
SET_UP_SECONDS = 240
LOG_BYTES_MAX = 200_000
POLL_SECONDS = 0.1
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


def play(plan, clusters, cgroups, reports, progress):
    """Plays the rounds of `plan` in their order on clusters that take the next one when they are free."""
    plan, free, playing, results = list(plan), list(clusters), [], []
    try:
        while plan or playing:
            while plan and free:
                playing.append(Play(*plan.pop(0), free.pop(0), cgroups, reports))
                progress.tell(playing[-1].announcement)
            for one in list(playing):
                if (result := one.poll()) is not None:
                    playing.remove(one)
                    free.append(one.cluster)
                    results.append(result)
                    progress.tell(f"{result.name}: {result.state} after {result.seconds:.1f} s")
            time.sleep(POLL_SECONDS)
    finally:
        for one in playing:
            one.process.end()
    return results


class Play:
    """One scenario in a process of its own; what it prints is in reports/LABEL/output.txt."""

    def __init__(self, name, label, cluster, cgroups, reports):
        self._name, self._label, self.cluster, self._folder = name, label, cluster, reports / label
        self._module = scenario.load(name)
        self._seconds_max = self._module.SECONDS_MAX + SET_UP_SECONDS
        self._folder.mkdir(parents=True, exist_ok=True)
        self._began = time.monotonic()
        with open(self._folder / "output.txt", "w", encoding="utf-8") as output:
            self.process = LimitedProcess(
                [sys.executable, HERE / "run", "--name", cluster.layout.name, "--cgroups", cgroups, "--only", name],
                self._seconds_max, output)

    @property
    def announcement(self):
        return f"{self._label}: {title(self._module)} (at most {self._seconds_max} s)"

    def poll(self):
        """The result; None while it plays."""
        if self.process.is_playing():
            return None
        seconds, code = time.monotonic() - self._began, self.process.code
        lines = (self._folder / "output.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        detail = lines[-1] if lines else "no output"
        if code == 0:
            return Result(self._label, "passed", seconds)
        if code == SKIPPED:
            return Result(self._label, "skipped", seconds, detail)
        if code is None:
            detail = f"not done after {self._seconds_max} s; last: {detail}"
        collect(self._name, self.cluster, self._folder)
        return Result(self._label, "failed", seconds, f"{detail} (see {self._folder}/)")


class LimitedProcess:
    """A process that is ended after its time, which it may clean up after. Its process group goes with it."""

    def __init__(self, command, seconds_max, output):
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                         start_new_session=True)
        self._until, self._is_late = time.monotonic() + seconds_max, False
        self.code = None  # its exit status, once it has ended in time

    def is_playing(self):
        if self._process.poll() is None:
            if time.monotonic() < self._until:
                return True
            if not self._is_late:
                self._process.terminate()
                self._until, self._is_late = time.monotonic() + CLEAN_UP_SECONDS, True
                return True
        self.end()
        self.code = None if self._is_late else self._process.returncode
        return False

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def title(module):
    return module.__doc__.splitlines()[0].rstrip(".")


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
