import unittest

import sample
from ladder import goals, lines, table


def answer(id_, *entries, missing=(), mode="quick"):
    found = lines.parse({"about": {"mode": mode}, "lines": list(entries), "missing": list(missing)})
    return goals.evaluate(next(goal for goal in goals.GOALS if goal.id == id_), found)


def l7(own, peer, metric="cpu_proxies"):
    return [{"id": f"same-node/{variant}/c32/1k/h1/{metric}", "unit": "us", "samples": samples}
            for variant, samples in (("keelson-l7", own), ("haproxy-http", peer))]


class Ratios(unittest.TestCase):
    def test_the_median_of_the_rounds_ratios_is_judged(self):
        found = answer("l7-haproxy", *l7([8, 9, 20], [10, 10, 40]), *l7([16, 18, 40], [20, 20, 40], "cpu_all"))
        self.assertEqual((0.8, 0.65, True), (found.figure, found.q1, found.met))
        self.assertEqual((9, 10, "us", 3, 0.9), (found.own, found.peer, found.own_unit, found.rounds, found.figure_all))
        self.assertAlmostEqual(0.25, found.spread)

    def test_at_the_limit_is_met_and_above_it_is_not(self):
        self.assertIs(True, answer("l7-haproxy", *l7([88] * 3, [100] * 3)).met)
        self.assertIs(False, answer("l7-haproxy", *l7([89] * 3, [100] * 3)).met)

    def test_a_limit_within_the_quartiles_is_told(self):
        self.assertTrue(answer("l7-haproxy", *l7([8, 8.7, 12], [10, 10, 10])).is_close)
        self.assertFalse(answer("l7-haproxy", *l7([7, 7, 7], [10, 10, 10])).is_close)

    def test_the_bound_decides_where_it_is_asked_for(self):
        def rps(own):
            return [{"id": f"same-node/{variant}/c32/1k/h1/rps", "unit": "1/s", "samples": samples}
                    for variant, samples in (("direct", own), ("none", [100] * len(own)))]
        self.assertEqual((0.98, True), (found := answer("direct-rps", *rps([98, 99, 99, 100, 101])), found.figure)[1:]
                         + (found.met,))
        self.assertIs(False, answer("direct-rps", *rps([90, 99, 99, 100, 101])).met)
        few = answer("direct-rps", *rps([99, 99, 99, 99]))
        self.assertIsNone(few.met)
        self.assertIn("under five", few.why_missing)


class Differences(unittest.TestCase):
    def test_added_p99_is_taken_off_no_mesh_in_each_round(self):
        def p99(variant, samples):
            return {"id": f"cross-node/{variant}/c32/1k/h1/p99_open", "unit": "us", "samples": samples}
        base, peer = p99("none", [100, 200, 100]), p99("envoy-hbone", [300, 400, 310])
        found = answer("l4-added-p99", base, peer, p99("keelson-l4", [290, 380, 315]))
        self.assertEqual((-10, 190, 200, True, None), (found.figure, found.own, found.peer, found.met, found.spread))
        self.assertIs(False, answer("l4-added-p99", base, peer, p99("keelson-l4", [301, 401, 315])).met)
        self.assertIsNone(answer("l4-added-p99", peer, p99("keelson-l4", [1, 1, 1])).met)


class Values(unittest.TestCase):
    def test_units_of_one_kind_are_converted_and_others_answer_nothing(self):
        for unit, figure, met in (("us", 1900, True), ("ms", 1.9, True), ("s", 0.0021, False),
                                  ("MiB", 1, None), ("", 1, None)):
            found = answer("enforce-new", {"id": "enforcement/new/ms_p99", "unit": unit, "samples": [figure]})
            self.assertIs(met, found.met, unit)

    def test_the_worst_line_answers(self):
        def floods(figures):
            return [{"id": f"fairness/f{number}/served", "unit": "%", "samples": [figure]}
                    for number, figure in enumerate(figures)]
        self.assertIs(True, answer("fairness-served", *floods([100, 99.99, 99.95, 100, 100])).met)
        self.assertIs(False, answer("fairness-served", *floods([100, 99.99, 99.5, 100, 100])).met)
        # what lacks might fail; what failed has failed
        self.assertIsNone(answer("fairness-served", *floods([100, 100])).met)
        self.assertIn("2 of 5", answer("fairness-served", *floods([100, 100])).why_missing)
        self.assertIs(False, answer("fairness-served", *floods([100, 98])).met)
        told = answer("fairness-served", *floods([100]), missing=[{"what": "fairness/slow", "why": "no slow reader"}])
        self.assertIn("no slow reader", told.why_missing)

    def test_a_figure_that_is_to_be_stated_is_met_by_being_there(self):
        self.assertIs(True, answer("idle-pairs", {"id": "idle/pairs900/mib", "unit": "MiB", "samples": [99]}).met)
        self.assertIsNone(answer("idle-pairs").met)
        broke = answer("idle-pairs", missing=[{"what": "idle-pairs", "why": "broke"}])
        self.assertEqual((None, "idle-pairs: broke"), (broke.met, broke.why_missing))


class Missing(unittest.TestCase):
    def test_nothing_measured_meets_nothing(self):
        for found in goals.evaluate_all(lines.parse({"about": {}, "lines": []})):
            self.assertIsNone(found.met, found.id)
            self.assertTrue(found.why_missing, found.id)

    def test_the_reason_of_a_missing_peer_is_told(self):
        own = l7([1], [1])[0]
        for what in ("haproxy", "haproxy-http", "same-node/haproxy-http", l7([1], [1])[1]["id"]):
            found = answer("l7-haproxy", own, missing=[{"what": what, "why": "no package"}])
            self.assertEqual((None, f"{what}: no package"), (found.met, found.why_missing))
        found = answer("l7-haproxy", own, missing=[{"what": "nginx", "why": "no package"}])
        self.assertIn("no line same-node/haproxy-http", found.why_missing)

    def test_lines_that_share_no_round_are_not_compared(self):
        self.assertIsNone(answer("l7-haproxy", *l7([1, None], [None, 1])).met)
        self.assertIsNone(answer("l7-haproxy", *l7([1, 1], [0, 1])).met)
        self.assertIsNone(answer("l7-haproxy", *l7([None, None], [1, 1])).met)


class Document(unittest.TestCase):
    def test_what_is_not_as_agreed_is_refused(self):
        line = {"id": "a/b", "unit": "us", "samples": [1]}
        for broken in ({}, {"about": {}}, {"about": {}, "lines": [line, line]}, {"about": {}, "lines": [{"id": "a"}]},
                       {"about": {}, "lines": [{**line, "samples": ["1"]}]}, {"about": {}, "lines": 3},
                       {"about": {}, "lines": [{**line, "samples": [float("nan")]}]}):
            with self.assertRaises(lines.Malformed):
                lines.parse(broken)

    def test_cases_keep_floors_then_ours_then_peers(self):
        cases = sample.results().cases()
        first = next(iter(cases))
        self.assertEqual("same-node, 32 connections, 1 KiB, HTTP/1.1", first.words())
        self.assertEqual(["none", "direct", "relay", "keelson-l7", "haproxy-http"], cases[first])


class List(unittest.TestCase):
    def test_every_goal_has_its_own_id_and_fits_the_table(self):
        self.assertEqual(len(goals.GOALS), len({goal.id for goal in goals.GOALS}))
        for goal in goals.GOALS:
            self.assertLessEqual(len(goal.title), 34, goal.id)
            self.assertIn(goal.unit, goals.UNITS, goal.id)
            self.assertEqual(goal.relation == "stated", goal.limit is None, goal.id)
            self.assertEqual(goal.form == "value", not goal.peer, goal.id)

    def test_the_tally_counts_each_goal_once(self):
        self.assertEqual(f"goals: 0 met, 0 not met, {len(goals.GOALS)} not measured",
                         table.tally(goals.evaluate_all(lines.parse({"about": {}, "lines": []}))))
