import unittest
from dataclasses import dataclass

from ladder import lines, plan, record, rungs, window

MODE = plan.Mode("test", ((32, "1k"),), seconds=1, warmup=0, rounds=3, repeat_seconds=100)


@dataclass(frozen=True)
class Named:
    name: str


class Run(unittest.TestCase):
    def setUp(self):
        self.record = record.Record(lambda text: None)
        self.taken = []
        self.now = 0

    def run_group(self, closed, mode=MODE, names=("none", "relay"), set_seconds=0):
        """`closed`: (variant, number of its window) -> Reading."""
        def take(variant, load):
            self.now += set_seconds / len(names) / mode.rounds
            number = sum(1 for name, rate in self.taken if name == variant.name and not rate)
            self.taken.append((variant.name, load.rate))
            return window.Reading({"p50_open": 5.0, "p99_open": 9.0}) if load.rate else closed(variant.name, number)
        rungs.GroupRun("same-node", [Named(name) for name in names], mode, take, self.record, lambda: self.now).run()

    def samples(self):
        return {line["id"]: line["samples"] for line in self.record.lines}


def steady(name, number):
    return window.Reading({"rps": {"none": 1000.0, "relay": 500.0}[name], "cpu_all": 10.0})


class Rounds(Run):
    def test_variants_take_turns_in_closed_then_open_loop_at_the_rate_of_the_slowest(self):
        self.run_group(steady)
        self.assertEqual([("none", 0), ("relay", 0)] * 3 + [("none", 200.0), ("relay", 200.0)] * 3, self.taken)

    def test_lines_are_named_as_the_report_reads_them(self):
        self.run_group(steady)
        self.assertEqual({"same-node/none/c32/1k/h1/rps", "same-node/relay/c32/1k/h1/cpu_all",
                          "same-node/relay/c32/1k/h1/p99_open"} - set(self.samples()), set())
        for line in self.record.lines:
            group, variant, connections, body, protocol, metric = lines.RUNG.fullmatch(line["id"]).groups()
            self.assertEqual((line["group"], line["variant"], str(line["connections"]), line["body"], line["protocol"],
                              line["metric"]), (group, variant, connections, body, protocol, metric))
            self.assertEqual("1/s" if metric == "rps" else "us", line["unit"])

    def test_a_window_that_could_not_be_measured_leaves_a_hole_at_its_round(self):
        def closed(name, number):
            is_void = name == "relay" and number in (1, 2)  # its second round and the retry
            return window.Reading({}, "errors: reset 1") if is_void else steady(name, number)
        self.run_group(closed)
        self.assertEqual([500.0, None, 500.0], self.samples()["same-node/relay/c32/1k/h1/rps"])
        self.assertEqual([1000.0] * 3, self.samples()["same-node/none/c32/1k/h1/rps"])
        self.assertIn("same-node/relay/c32/1k/h1/closed: errors: reset 1; left out", self.record.notes)

    def test_without_any_answer_there_is_no_open_loop(self):
        self.run_group(lambda name, number: window.Reading({}, "errors: connect 32"))
        self.assertEqual({}, self.samples())
        self.assertIn("no open loop", self.record.notes[-1])


class Repeats(Run):
    @staticmethod
    def wild(name, number):
        return window.Reading({"rps": 1000.0, "cpu_all": (5.0, 10.0, 20.0)[number % 3]})

    def test_a_wide_spread_adds_two_sets_to_every_variant_and_no_more(self):
        self.run_group(self.wild)
        for name in ("none", "relay"):
            self.assertEqual([5.0, 10.0, 20.0] * 3, self.samples()[f"same-node/{name}/c32/1k/h1/cpu_all"])
        self.assertIn("3 more rounds, spread above 15%: same-node/none/c32/1k/h1/cpu_all 75%, "
                      "same-node/relay/c32/1k/h1/cpu_all 75%", self.record.notes)
        self.assertTrue(any(note.startswith("spread still above 15%") for note in self.record.notes))

    def test_no_set_begins_that_the_time_does_not_hold(self):
        self.run_group(self.wild, set_seconds=60)
        self.assertEqual(6, len(self.samples()["same-node/none/c32/1k/h1/cpu_all"]))

    def test_a_narrow_one_adds_nothing(self):
        self.run_group(steady)
        self.assertEqual(3, len(self.samples()["same-node/none/c32/1k/h1/cpu_all"]))
