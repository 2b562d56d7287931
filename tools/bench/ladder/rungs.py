"""rungs: the measured rounds of a group: closed loop for CPU and rate, then open loop for latency.

Blocks for minutes. `take(variant, load)` measures one window and returns a window.Reading: what it does is its
caller's; the order, the repeats and the lines are decided here.
"""
import time

from ladder import plan, record, stats, window


class Rounds:
    """The samples of one case and loop, by variant and metric; None where a window could not be measured."""

    def __init__(self, group, load, variants):
        self.group = group
        self.load = load
        self.variants = variants
        self.readings = {variant.name: [] for variant in variants}

    def lines(self):
        return [record.rung_line(self.group, name, self.load, metric, samples)
                for name, readings in self.readings.items() for metric, samples in columns(readings).items()]

    def samples_by_line(self):
        return {line["id"]: line["samples"] for line in self.lines()}

    def medians(self, metric):
        """Of each variant that has any."""
        found = (stats.summary(columns(readings).get(metric, [])) for readings in self.readings.values())
        return [summary.median for summary in found if summary]


def columns(readings):
    """metric -> samples in the order of the rounds."""
    metrics = {metric: None for reading in readings if reading for metric in reading.figures}
    return {metric: [reading.figures.get(metric) if reading else None for reading in readings] for metric in metrics}


class GroupRun:
    """`take` measures, `notes` is a record.Record, `clock` counts seconds."""

    def __init__(self, group, variants, mode, take, notes, clock=time.monotonic):
        self.group = group
        self.variants = variants
        self.mode = mode
        self.take = take
        self.notes = notes
        self.clock = clock
        self.repeat_seconds = mode.repeat_seconds

    def run(self):
        for connections, body in self.mode.cases:
            self.run_case(connections, body)

    def run_case(self, connections, body):
        closed = window.Load(connections, body, self.mode.seconds, self.mode.warmup)
        capacities = self.run_loop(closed).medians("rps")
        rate = plan.open_rate(capacities)
        if not rate:
            self.notes.note(f"{self.group}, {connections} connections, {body}: no open loop, nothing was answered")
            return
        self.notes.note(f"{self.group}, {connections} connections, {body}: open loop at {rate:.0f} requests a second, "
                        f"{plan.LOAD_SHARE:.0%} of the slowest variant's median")
        self.run_loop(window.Load(connections, body, self.mode.seconds, self.mode.warmup, rate))

    def run_loop(self, load):
        """One set of rounds, and further ones while the spread is too wide and there is time."""
        found = Rounds(self.group, load, self.variants)
        repeats = 0
        while True:
            began = self.clock()
            self.run_set(found)
            set_seconds = self.clock() - began
            wide = plan.wide(found.samples_by_line())
            if not wide or not plan.may_repeat(repeats, set_seconds, self.repeat_seconds):
                break
            repeats += 1
            self.repeat_seconds -= set_seconds
            self.notes.note(f"{self.mode.rounds} more rounds, spread above {stats.SPREAD_MAX:.0%}: {spelled(wide)}")
        if wide:
            self.notes.note(f"spread still above {stats.SPREAD_MAX:.0%}: {spelled(wide)}")
        self.notes.add(found.lines())
        return found

    def run_set(self, found):
        for _, variant in plan.interleaved(self.variants, self.mode.rounds):
            title = record.rung_id(self.group, variant.name, found.load, "open" if found.load.rate else "closed")
            reading = window.run_with_retry(lambda: self.take(variant, found.load),
                                            lambda fault: self.notes.note(f"{title}: {fault}"))
            found.readings[variant.name].append(reading)


def spelled(spreads):
    return ", ".join(f"{line} {spread:.0%}" for line, spread in sorted(spreads.items()))
