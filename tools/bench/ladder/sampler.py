"""sampler: CPU time of tasks from the scheduler's run time, memory of processes, and where tasks may run.

Reads /proc and sets affinities; any thread. A process that is gone counts with what was read last: sample while
all that is to be counted still runs.
"""
import os
import pathlib

PROC = pathlib.Path("/proc")


def tasks(pid, proc=PROC):
    """The threads of a process; none when it is gone."""
    try:
        return [int(name) for name in os.listdir(proc / str(pid) / "task")]
    except FileNotFoundError:
        return []


def run_ns(pid, proc=PROC):
    """Nanoseconds that the threads of a process ran, up to the last tick or switch of each."""
    total = 0
    for task in tasks(pid, proc):
        try:
            total += int((proc / str(pid) / "task" / str(task) / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # this thread ended just now
    return total


def children(pid, proc=PROC):
    """The processes that a process started and that still run."""
    found = []
    for task in tasks(pid, proc):
        try:
            found += [int(word) for word in (proc / str(pid) / "task" / str(task) / "children").read_text().split()]
        except FileNotFoundError:
            continue
    return found


def family(pid, proc=PROC):
    """A process and all that descend from it, as a master and its workers."""
    found = [pid]
    for child in children(pid, proc):
        found += family(child, proc)
    return found


def kernel_threads(prefix, proc=PROC):
    """Pids of kernel threads by the start of their name: "ksoftirqd/"."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "comm").read_text().startswith(prefix):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(found)


def pin(pid, core, proc=PROC):
    """Every thread of a process, and those that they start later, on one core."""
    for task in tasks(pid, proc):
        try:
            os.sched_setaffinity(task, {core})
        except ProcessLookupError:
            continue


class CpuMeter:
    """CPU time per group of processes between begin() and end(): {"proxies": [pids], ...} -> {"proxies": ns, ...}."""

    def __init__(self, groups, clock_ns, proc=PROC):
        self.groups = groups
        self.clock_ns = clock_ns
        self.proc = proc
        self.before = None

    def read(self):
        return self.clock_ns(), {name: sum(run_ns(pid, self.proc) for pid in pids)
                                 for name, pids in self.groups.items()}

    def begin(self):
        self.before = self.read()

    def end(self):
        """(seconds that passed, group -> nanoseconds of CPU)."""
        now, after = self.read()
        then, before = self.before
        return (now - then) / 1e9, {name: after[name] - before[name] for name in self.groups}
