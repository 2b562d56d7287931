"""main: the run as a whole: groups, then scenarios, then results.json and the report.

Exit status 0 when it ran to its end, whatever the goals say; 1 when something broke; 2 for wrong usage. Blocking.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import sys
import traceback

from ladder import about, bed, bench, plan, report, rungs, sampler, variants, window

ROOT = pathlib.Path(__file__).resolve().parents[3]
RESULTS = ROOT / "build/bench"
PROGRAMS = ("lab", "keelson-agent", "keelson-hold", "keelson-l7", "keelsonctl", "keelson-load")
PRIORITY = 1  # of this process: it sleeps, and has to read the counters when it means to
USAGE = "usage: tools/bench/run BIN_DIR quick|full|NAME...   (NAME: a group or scenario: {})"


class Broken(Exception):
    """The run cannot go on; says why."""


def selection(words, names):
    """(mode, names to run), or None when a word is none of them. Names alone are run in quick mode."""
    mode = next((word for word in words if word in plan.MODES), plan.QUICK.name)
    wanted = [word for word in words if word not in plan.MODES]
    if not words or any(word not in names for word in wanted):
        return None
    return plan.MODES[mode], wanted or list(names)


def run_group(name, ready_bed, a_bench):
    """The rungs of a group on a bed that is up."""
    softirq = sampler.kernel_threads("ksoftirqd/")

    def take(variant, load):
        try:
            return window.run(a_bench.client, variant, load, softirq)
        finally:
            ready_bed.mesh.trim_logs()

    def miss(variant, why):
        a_bench.miss(f"{name}/{variant}", why)

    with variants.Group(name, ready_bed, a_bench.folder / name, miss) as group:
        a_bench.say(f"{name}: {', '.join(variant.name for variant in group.variants)}")
        rungs.GroupRun(name, group.variants, a_bench.mode, take, a_bench.record).run()
    restarted = ready_bed.restarted()
    if restarted:
        raise Broken(f"{name}: ended and was started again while it was measured: {', '.join(restarted)}")


def run_groups(names, a_bench):
    """On one bed; the congestion control that it pins."""
    with bed.Bed(a_bench.bin_dir, a_bench.folder / "bed") as ready_bed:
        a_bench.say(f"two nodes are up, congestion control {ready_bed.congestion_control}")
        for name in names:
            run_group(name, ready_bed, a_bench)
        return ready_bed.congestion_control


def run_scenarios(modules, a_bench):
    """Every one, also after one that broke; whether all ran to their end."""
    is_whole = True
    for name, module in modules.items():
        a_bench.say(f"scenario {name}")
        try:
            a_bench.record.add(module.run(a_bench))
        except Exception as broken:  # the others do not depend on it; the exit status tells
            traceback.print_exc()
            a_bench.miss(name, f"broke: {broken!r}")
            is_whole = False
    return is_whole


@contextlib.contextmanager
def work_folder(results=RESULTS):
    """The folder of the run, empty, for as long as it lasts. A second run is refused before it touches anything."""
    results.mkdir(parents=True, exist_ok=True)
    with open(results / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Broken(f"another run is under way: it holds {lock.name}") from None
        shutil.rmtree(results / "work", ignore_errors=True)  # of a run that was killed
        try:
            yield results / "work"
        finally:
            shutil.rmtree(results / "work", ignore_errors=True)


def run(bin_dir, mode, names, found):
    with work_folder() as folder:
        return run_all(bench.Bench(bin_dir, mode, folder), names, found)


def run_all(a_bench, names, found):
    lacking = [program for program in PROGRAMS if not (a_bench.bin_dir / program).exists()]
    if lacking:
        raise Broken(f"not in {a_bench.bin_dir}: {', '.join(lacking)}")
    if about.keeps_interrupts_apart(about.kernel_configuration()):
        a_bench.note("this kernel charges interrupts to nobody: CPU is without the receiving side of the network")
    groups = [name for name in variants.GROUPS if name in names]
    control = run_groups(groups, a_bench) if groups else "as the machine has it"
    is_whole = run_scenarios({name: module for name, module in found.items() if name in names}, a_bench)
    results = RESULTS / "results.json"
    a_bench.record.write(results, about.gather(a_bench.bin_dir, a_bench.mode.name, control, a_bench.seconds))
    a_bench.say(f"results are in {results.relative_to(ROOT)}")
    return report.main([str(results)]) or (0 if is_whole else 1)


def react_to_signals():
    """An end by signal unwinds like Ctrl-C, so that what was started ends."""
    def end(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def take_priority():
    """Ahead of what is measured, for the moments of reading; children start without it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except PermissionError:
        os.nice(-10)  # a machine that has no real time for this cgroup


def main(arguments):
    found = bench.scenarios()
    names = (*variants.GROUPS, *found)
    chosen = selection(arguments[1:], names)
    if chosen is None:
        print(USAGE.format(", ".join(names)), file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("bench: needs root: network namespaces and BPF programs", file=sys.stderr)
        return 1
    react_to_signals()
    take_priority()
    try:
        return run(pathlib.Path(arguments[0]).resolve(), *chosen, found)
    except KeyboardInterrupt:
        print("bench: ended before its time", file=sys.stderr)
    except Exception as broken:  # the top: whatever broke, everything that was started has ended
        if not isinstance(broken, Broken):
            traceback.print_exc()
        print(f"bench: {broken}", file=sys.stderr)
    return 1
