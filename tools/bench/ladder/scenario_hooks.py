"""hooks: nanoseconds in the kernel for one run of each BPF program, while connections go directly between two pods.

The kernel's own run time statistics (BPF_ENABLE_STATS, kernel 5.8), on only while this scenario holds their
descriptor; they cost a clock reading at both ends of a run, which is in the figure. Only programs that this
scenario's own lab loaded. Blocking.
"""
import contextlib
import ctypes
import json
import os
import subprocess

from ladder import objects
from ladder.mesh import Mesh

NAME = "hooks"
DESCRIPTION = "nanoseconds of each BPF program's run, direct connections"
PREFIX = "keelson-lab-hooks"
NODE, NAMESPACE = "node1", "hooks"
ROUNDS = {"quick": 15, "full": 25}
CONNECTIONS = {"quick": 1000, "full": 4000}

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_ENABLE_STATS = 32
BPF_STATS_RUN_TIME = 0


def manifest(probe):
    return objects.document(
        objects.namespace(NAMESPACE), objects.pod(NAMESPACE, "client", NODE),
        objects.pod(NAMESPACE, "server", NODE, (probe, "listen", "--at", f"0.0.0.0:{objects.PORT}")))


@contextlib.contextmanager
def run_time_statistics():
    """On until the descriptor is closed, by whatever end of this process. OSError when the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    attribute = ctypes.create_string_buffer(BPF_STATS_RUN_TIME.to_bytes(4, "little"), 128)
    descriptor = libc.syscall(SYS_BPF[os.uname().machine], BPF_ENABLE_STATS, attribute, len(attribute))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "BPF_ENABLE_STATS")
    try:
        yield
    finally:
        os.close(descriptor)


def programs():
    """id -> what bpftool says of a loaded program."""
    text = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout
    return {program["id"]: program for program in json.loads(text)}


def costs(before, after, ids):
    """name -> nanoseconds of a run between two readings, of the programs that ran; summed over programs of one name."""
    time, runs = {}, {}
    for program in ids:
        old, new = before[program], after[program]
        name = new["name"]
        time[name] = time.get(name, 0) + new.get("run_time_ns", 0) - old.get("run_time_ns", 0)
        runs[name] = runs.get(name, 0) + new.get("run_cnt", 0) - old.get("run_cnt", 0)
    return {name: time[name] / runs[name] for name in sorted(runs) if runs[name] > 0}


def to_lines(rounds):
    """Costs round by round, as lines; a program that did not run in every round has none."""
    names = set.intersection(*(set(each) for each in rounds))
    return [{"id": f"{NAME}/{name}/ns", "group": NAME, "variant": name, "metric": "ns", "unit": "ns",
             "samples": [each[name] for each in rounds]} for name in sorted(names)]


def run(bench):
    probe = bench.bin_dir / "keelson-probe"
    folder = bench.folder / NAME
    folder.mkdir(parents=True)
    (folder / "pods.yaml").write_text(manifest(probe))
    foreign = programs()
    with Mesh(bench.bin_dir, PREFIX, nodes=(NODE,)) as mesh, run_time_statistics():
        mesh.up(folder)
        own = [program for program in programs() if program not in foreign]
        to = f"{mesh.pods()['server']}:{objects.PORT}"
        rounds = []
        for _ in range(ROUNDS[bench.mode.name]):
            before = programs()
            mesh.run(NODE, "client", probe, "connect", "--to", to, "--count", CONNECTIONS[bench.mode.name])
            rounds.append(costs(before, programs(), own))
    return to_lines(rounds)
