"""rungs: the order of windows, repeats of a wide set, the open loop's rate, windows that cannot be measured."""
import unittest
from dataclasses import dataclass

from ladder import plan, record, rungs, window

MODE = plan.Mode("test", ((32, "1k"),), closed_seconds=1, open_seconds=1, warmup=0, closed_rounds=5, open_rounds=3,
                 repeat_seconds=30)


@dataclass(frozen=True)
class Way:
    name: str


class Machine:
    """Answers windows from a script of CPU figures per variant; the last one stays. Counts seconds."""

    def __init__(self, **cpu):
        self.cpu = {name: list(figures) for name, figures in cpu.items()}
        self.taken = []
        self.now = 0

    def take(self, variant, load):
        self.taken.append((variant.name, load))
        self.now += 1
        if load.rate:
            return window.Reading({"p50_open": 100.0, "p99_open": 200.0})
        figures = self.cpu[variant.name]
        figure = figures.pop(0) if len(figures) > 1 else figures[0]
        if figure is None:
            return window.Reading({}, "errors: reset 1")
        return window.Reading({"rps": 1e6 / figure, "cpu_all": figure, "p50": 1.0, "p99": 2.0})


def run(machine, mode=MODE):
    notes = record.Record(lambda text: None)
    group = rungs.GroupRun("same-node", [Way(name) for name in machine.cpu], mode, machine.take, notes,
                           clock=lambda: machine.now)
    group.run()
    return notes, {line["id"]: line["samples"] for line in notes.lines}


def closed(machine):
    return [name for name, load in machine.taken if not load.rate]


class Rounds(unittest.TestCase):
    def test_take_every_variant_in_turn(self):
        machine = Machine(none=[10.0], relay=[20.0])
        run(machine)
        self.assertEqual(closed(machine), ["none", "relay"] * 5)

    def test_are_repeated_twice_at_most_while_the_quartiles_lie_far_apart(self):
        machine = Machine(none=[10.0, 20.0] * 20, relay=[20.0])
        notes, lines = run(machine)
        self.assertEqual(len(closed(machine)), 3 * 10)
        self.assertEqual(len(lines["same-node/none/c32/1k/h1/cpu_all"]), 15, "nothing is thrown away")
        self.assertIn("spread still above 15%", notes.notes[2])

    def test_are_not_repeated_when_there_is_no_time(self):
        machine = Machine(none=[10.0, 20.0] * 20)
        run(machine, plan.Mode("test", ((32, "1k"),), 1, 1, 0, closed_rounds=5, open_rounds=1, repeat_seconds=4))
        self.assertEqual(len(closed(machine)), 5)

    def test_keep_pairs_together_where_a_window_could_not_be_measured(self):
        machine = Machine(none=[None, None, 10.0], relay=[20.0])
        notes, lines = run(machine)
        self.assertEqual(lines["same-node/none/c32/1k/h1/cpu_all"], [None, 10.0, 10.0, 10.0, 10.0])
        self.assertEqual(len(lines["same-node/relay/c32/1k/h1/cpu_all"]), 5)
        self.assertEqual(notes.notes[:2], ["same-node/none/c32/1k/h1/closed: errors: reset 1; once more",
                                           "same-node/none/c32/1k/h1/closed: errors: reset 1; left out"])

    def test_measure_latency_of_all_at_a_share_of_the_slowest(self):
        machine = Machine(none=[10.0], envoy=[100.0])
        run(machine)
        rates = {load.rate for _, load in machine.taken if load.rate}
        self.assertEqual(rates, {0.4 * 1e6 / 100.0})

    def test_leave_the_open_loop_out_when_nothing_was_answered(self):
        machine = Machine(none=[None])
        notes, lines = run(machine)
        self.assertEqual([load for _, load in machine.taken if load.rate], [])
        self.assertIn("nothing was answered", notes.notes[-1])
        self.assertEqual(lines, {})


if __name__ == "__main__":
    unittest.main()
