"""policy-scale and enforcement: their lines, and when a policy counts as being in force."""
import unittest

from ladder import scenario_enforcement as enforcement
from ladder import scenario_policy_scale as scale


def status(applied, writes):
    return {"generation": {"applied": applied}, "rollout": {"map_writes": writes}}


class PolicyScale(unittest.TestCase):
    def test_rules_are_there_when_a_later_plan_has_written_as_many_rows(self):
        self.assertTrue(scale.has_rules(status(4, 110), 3, 110))
        self.assertFalse(scale.has_rules(status(3, 110), 3, 110))
        self.assertFalse(scale.has_rules(status(4, 109), 3, 110))

    def test_an_agent_that_does_not_answer_has_no_rules(self):
        self.assertFalse(scale.has_rules({}, 3, 1))

    def test_each_size_has_cpu_and_median_round_by_round(self):
        cost = {"cpu_us": 40.0, "connect_us": {"p50": 30.0}}
        lines = {line["id"]: line for line in scale.to_lines({10: [cost, cost], 100_000: [cost, cost]})}
        self.assertEqual(lines["policy-scale/rules100000/connect_cpu"]["samples"], [40.0, 40.0])
        self.assertEqual(lines["policy-scale/rules10/connect_p50"]["samples"], [30.0, 30.0])
        self.assertEqual(len(lines), 4)


class Enforcement(unittest.TestCase):
    def test_a_sample_is_the_p99_of_a_round(self):
        rounds = [[(float(each), each + 100.0) for each in range(200, 0, -1)]] * 2
        new, cut = enforcement.to_lines(rounds)
        self.assertEqual((new["id"], cut["id"]), ("enforcement/new/ms_p99", "enforcement/cut/ms_p99"))
        self.assertEqual(len(new["samples"]), 2)
        self.assertTrue(all(197 < sample <= 200 for sample in new["samples"]))
        self.assertTrue(all(297 < sample <= 300 for sample in cut["samples"]))
