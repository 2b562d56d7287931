"""plan: what is measured in which order, how often, and when a set of rounds is repeated.

Pure. A case is what variants share when they are compared (connections, body); its rounds take every variant once,
in the same order, so that sample i of two variants are neighbours in time.
"""
import itertools
from dataclasses import dataclass

from ladder import stats

REPEATS_MAX = 2  # further sets of rounds for a case
LOAD_SHARE = 0.4  # of the slowest variant's capacity: the rate of the open loop
CPU_METRICS = ("cpu_all", "cpu_proxies")  # what goals are judged by


@dataclass(frozen=True)
class Mode:
    name: str
    cases: tuple  # of (connections, body)
    seconds: float  # of a window
    warmup: float
    rounds: int  # of each loop; with few, quartiles of two runs differ by chance (see compare.py)
    repeat_seconds: float = 0  # for further sets of rounds, in all of a group


QUICK = Mode("quick", ((32, "1k"),), seconds=0.5, warmup=0.2, rounds=15, repeat_seconds=120)
FULL = Mode("full", tuple(itertools.product((32, 1, 256), ("1k", "64k"))), seconds=0.5, warmup=0.2, rounds=9,
            repeat_seconds=300)
MODES = {mode.name: mode for mode in (QUICK, FULL)}


def interleaved(variants, rounds):
    """(round, variant): round after round, every variant in each."""
    return [(number, variant) for number in range(rounds) for variant in variants]


def wide(samples_by_line):
    """The lines of CPU whose quartiles lie farther apart than the limit allows, with their spread."""
    found = {}
    for line, samples in samples_by_line.items():
        if line.rsplit("/", 1)[-1] not in CPU_METRICS:
            continue
        summary = stats.summary(samples)
        if summary and summary.spread is not None and summary.spread > stats.SPREAD_MAX:
            found[line] = summary.spread
    return found


def may_repeat(repeats_done, set_seconds, seconds_left):
    """Whether one more set of rounds is allowed: twice at most, and only if it ends within the time for it."""
    return repeats_done < REPEATS_MAX and set_seconds <= seconds_left


def open_rate(capacities):
    """Requests a second for all variants of a case: a share of what the slowest can do, so that none is overloaded."""
    return LOAD_SHARE * min(capacities) if capacities else 0
