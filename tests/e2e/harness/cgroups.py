"""Control groups of a cluster: one folder in every hierarchy of this machine, and below it one for each node.

Everything that belongs to a cluster runs inside its folder of the v2 hierarchy, so that one write to cgroup.kill ends
all of it (kernel 5.14): no pid is kept and no process is looked for by name.
"""
import os
import pathlib
import time
from dataclasses import dataclass

EMPTY_SECONDS_MAX = 15.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Hierarchy:
    path: pathlib.Path
    is_v2: bool
    options: str  # what mounts a v1 hierarchy: "cpu,cpuacct" or "none,name=systemd"


def parse_hierarchies(mountinfo):
    """The cgroup hierarchies of /proc/self/mountinfo, each once, v2 first."""
    found = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        path = before.split()[4]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            found.setdefault("v2", Hierarchy(pathlib.Path(path), True, ""))
        elif kind == "cgroup":
            kept = [o for o in options.split(",") if o not in ("rw", "ro", "xattr") and "release_agent" not in o]
            named = ",".join((["none"] if all(o.startswith("name=") for o in kept) else []) + kept)
            found.setdefault(named, Hierarchy(pathlib.Path(path), False, named))
    return sorted(found.values(), key=lambda hierarchy: not hierarchy.is_v2)


def hierarchies():
    return parse_hierarchies(pathlib.Path("/proc/self/mountinfo").read_text())


def make(path, hierarchy):
    """A folder of a hierarchy; a v1 cpuset takes no process before it has CPUs and memory nodes."""
    path.mkdir(exist_ok=True)
    if "cpuset" in hierarchy.options.split(","):
        for name in ("cpuset.cpus", "cpuset.mems"):
            (path / name).write_text((path.parent / name).read_text())


def enter(path, pid):
    (path / "cgroup.procs").write_text(str(pid))


def pids(path):
    """The processes of a folder and all below it."""
    found = []
    for folder, _, _ in os.walk(path):
        try:
            found += pathlib.Path(folder, "cgroup.procs").read_text().split()
        except OSError:
            continue  # a folder that went in the meantime
    return [int(pid) for pid in found]


def kill(path):
    """Ends every process of a v2 folder; empty when none is left, else what is."""
    path = pathlib.Path(path)
    if (path / "cgroup.kill").exists():
        (path / "cgroup.kill").write_text("1")
    return wait_empty(path)


def wait_empty(path):
    until = time.monotonic() + EMPTY_SECONDS_MAX
    while (left := pids(path)) or is_populated(path):
        if time.monotonic() > until:
            return f"processes do not end: {' '.join(map(str, left)) or path}"
        time.sleep(POLL_SECONDS)
    return ""


def is_populated(path):
    """cgroup.procs leaves out who has begun to end, and may still listen on its port."""
    try:
        return "populated 1" in (path / "cgroup.events").read_text().splitlines()
    except OSError:
        return False  # v1, or gone


def remove(path):
    """Ends what runs there and removes the folder with all below it; empty, or why it is still there."""
    path = pathlib.Path(path)
    if not path.exists():
        return ""
    if problem := kill(path):
        return problem
    until = time.monotonic() + EMPTY_SECONDS_MAX
    while path.exists():
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError as error:
                problem = str(error)  # empties with a delay
        if path.exists() and time.monotonic() > until:
            return problem
        if path.exists():
            time.sleep(POLL_SECONDS)
    return ""
