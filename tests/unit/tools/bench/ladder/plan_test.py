import unittest

from ladder import plan


class Order(unittest.TestCase):
    def test_every_round_takes_every_variant_in_the_same_order(self):
        self.assertEqual([(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a"), (2, "b")],
                         plan.interleaved(["a", "b"], 3))

    def test_the_full_ladder_holds_the_quick_one(self):
        self.assertLessEqual(set(plan.QUICK.cases), set(plan.FULL.cases))
        self.assertEqual({(connections, body) for connections in (1, 32, 256) for body in ("1k", "64k")},
                         set(plan.FULL.cases))


class Repeats(unittest.TestCase):
    def test_a_line_of_cpu_is_wide_above_the_limit(self):
        lines = {"g/a/c32/1k/h1/cpu_all": [10, 10, 10], "g/b/c32/1k/h1/cpu_all": [8, 10, 12],
                 "g/b/c32/1k/h1/cpu_proxies": [8, 10, 12]}
        self.assertEqual({"g/b/c32/1k/h1/cpu_all": 0.2, "g/b/c32/1k/h1/cpu_proxies": 0.2}, plan.wide(lines))

    def test_rates_and_latencies_repeat_nothing(self):
        self.assertEqual({}, plan.wide({"g/a/c32/1k/h1/rps": [1, 10, 100], "g/a/c32/1k/h1/p99_open": [1, 10, 100]}))

    def test_what_was_not_measured_is_not_wide(self):
        self.assertEqual({}, plan.wide({"g/a/c32/1k/h1/cpu_all": [None, None], "g/b/c32/1k/h1/cpu_all": []}))

    def test_a_set_is_repeated_twice_at_most_and_only_within_its_time(self):
        for done, set_seconds, left, expected in ((0, 10, 10, True), (1, 10, 30, True), (2, 10, 100, False),
                                                  (0, 11, 10, False)):
            self.assertEqual(expected, plan.may_repeat(done, set_seconds, left), (done, set_seconds, left))


class Rate(unittest.TestCase):
    def test_all_variants_get_a_share_of_what_the_slowest_can(self):
        self.assertAlmostEqual(4000, plan.open_rate([50000, 10000, 30000]))

    def test_there_is_none_when_nothing_was_answered(self):
        self.assertEqual(0, plan.open_rate([]))
