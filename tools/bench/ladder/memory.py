"""memory: what a process holds, and what the kernel's slab holds, in MiB.

Reads /proc; any thread. Private memory is what would be free again if the process ended.
"""
import pathlib

PROC = pathlib.Path("/proc")
KIB_PER_MIB = 1024


def kib(text, *names):
    """The sum of fields "Name:  123 kB" of a /proc file."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0])
    return sum(found[name] for name in names)


def of_process(pid, *names, proc=PROC):
    return kib((proc / str(pid) / "smaps_rollup").read_text(), *names) / KIB_PER_MIB


def resident(pid, proc=PROC):
    return of_process(pid, "Rss", proc=proc)


def private(pid, proc=PROC):
    return of_process(pid, "Private_Clean", "Private_Dirty", proc=proc)


def slab(proc=PROC):
    """Of the whole machine: only differences mean something."""
    return kib((proc / "meminfo").read_text(), "SUnreclaim", "SReclaimable") / KIB_PER_MIB
