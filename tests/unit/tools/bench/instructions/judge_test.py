import unittest

from budgets import judge

GROUND = {"compiler": "gcc 12.2.0", "libc": "2.36"}


def budgets(**figures):
    return {"measured_with": dict(GROUND),
            "operations": {name: {"instructions": figure, "why": f"{name}'s reason"}
                           for name, figure in figures.items()}}


class Verdicts(unittest.TestCase):
    def test_margins(self):
        for measured, expected in ((1030, judge.FINE), (1031, judge.OVER_BUDGET), (1000, judge.FINE),
                                   (950, judge.FINE), (949, judge.UNDER_BUDGET)):
            (verdict,) = judge.judge({"match": measured}, budgets(match=1000))
            self.assertEqual(expected, verdict.verdict, measured)
            self.assertAlmostEqual(measured / 1000, verdict.ratio)

    def test_what_is_missing_on_either_side_fails(self):
        found = judge.judge({"new": 5}, budgets(gone=7))
        self.assertEqual([("new", judge.NO_BUDGET), ("gone", judge.NOT_MEASURED)],
                         [(one.name, one.verdict) for one in found])
        self.assertFalse(any(one.is_fine for one in found))

    def test_a_budget_without_a_reason_is_none(self):
        file = budgets(match=1000)
        file["operations"]["match"]["why"] = ""
        self.assertEqual(judge.NO_REASON, judge.judge({"match": 1000}, file)[0].verdict)

    def test_without_a_file_nothing_has_a_budget(self):
        self.assertEqual(judge.NO_BUDGET, judge.judge({"match": 1000}, {})[0].verdict)


class Versions(unittest.TestCase):
    def test_the_same_ground_has_no_differences(self):
        self.assertEqual([], judge.version_differences(dict(GROUND), budgets()))

    def test_changed_new_and_gone_ones_are_named(self):
        found = {"compiler": "gcc 13.1.0", "openssl": "3.0.19"}
        self.assertEqual(["compiler: gcc 12.2.0 then, gcc 13.1.0 now", "libc: 2.36 then, unknown now",
                          "openssl: unknown then, 3.0.19 now"], judge.version_differences(found, budgets()))


class Updates(unittest.TestCase):
    def test_figures_are_rewritten_and_reasons_kept(self):
        updated = judge.update({"match": 900}, dict(GROUND), budgets(match=1000))
        self.assertEqual({"instructions": 900, "why": "match's reason"}, updated["operations"]["match"])
        self.assertTrue(judge.judge({"match": 900}, updated)[0].is_fine)

    def test_noise_rewrites_nothing_on_the_same_ground(self):
        before = budgets(match=1000)
        self.assertEqual(before, judge.update({"match": 1010}, dict(GROUND), before))
        other = {**GROUND, "libc": "2.41"}
        self.assertEqual(1010, judge.update({"match": 1010}, other, before)["operations"]["match"]["instructions"])

    def test_what_is_no_longer_measured_goes(self):
        self.assertEqual(["match"], list(judge.update({"match": 1}, GROUND, budgets(match=1, gone=2))["operations"]))

    def test_a_new_operation_fails_until_somebody_says_why(self):
        updated = judge.update({"match": 1000}, GROUND, {})
        self.assertEqual(judge.NO_REASON, judge.judge({"match": 1000}, updated)[0].verdict)


class Tables(unittest.TestCase):
    def test_columns(self):
        text = judge.table(judge.judge({"match": 1100, "new": 7}, budgets(match=1000, gone=3)))
        self.assertEqual("operation  measured  budget  ratio  verdict\n"
                         "match         1,100   1,000  1.100  OVER BUDGET\n"
                         "new               7       -      -  NO BUDGET: --update, then say why\n"
                         "gone              -       3      -  NOT MEASURED", text)
