import unittest

from ladder import stats


class Summaries(unittest.TestCase):
    def test_quartiles_interpolate_between_what_was_seen(self):
        for samples, expected in (([7], (7, 7, 7, 1)), ([1, 2], (1.5, 1.25, 1.75, 2)), ([3, 1, 2], (2, 1.5, 2.5, 3)),
                                  ([5, 1, 4, 2, 3], (3, 2, 4, 5)), ([1, 2, 3, 4], (2.5, 1.75, 3.25, 4))):
            found = stats.summary(samples)
            self.assertEqual(expected, (found.median, found.q1, found.q3, found.rounds), samples)

    def test_a_round_that_was_not_measured_is_part_of_no_figure(self):
        self.assertEqual(stats.summary([1, 3]), stats.summary([1, None, 3]))
        self.assertIsNone(stats.summary([None]))
        self.assertIsNone(stats.summary([]))

    def test_the_spread_is_a_share_of_the_median(self):
        self.assertAlmostEqual(0.2, stats.summary([9, 9, 10, 11, 11]).spread)
        self.assertAlmostEqual(0.2, stats.summary([-9, -9, -10, -11, -11]).spread)
        self.assertIsNone(stats.summary([4]).spread)
        self.assertIsNone(stats.summary([0, 0, 0]).spread)


class Pairs(unittest.TestCase):
    def test_a_ratio_is_made_of_one_round(self):
        # the medians' own ratio would be 20 / 40; each round says otherwise
        self.assertEqual([0.25, 1.0, 0.5], stats.ratios([10, 100, 20], [40, 100, 40]))

    def test_rounds_that_one_line_lacks_are_left_out(self):
        self.assertEqual([0.5, 2.0], stats.ratios([1, None, 4, 9], [2, 5, 2]))
        self.assertEqual([-1, 2], stats.differences([1, None, 4], [2, 5, 2]))
        self.assertEqual([(1, 2, 3)], stats.paired([1, 4], [2, None], [3, 5]))

    def test_lines_without_a_common_round_have_no_ratio(self):
        for own, peer in (([], [1]), ([None, 1], [1, None]), ([1, 2], [1, 0])):
            with self.assertRaises(stats.NoPairs):
                stats.ratios(own, peer)


class Bounds(unittest.TestCase):
    def test_ranks_are_those_of_the_sign_test(self):
        expected = {1: None, 4: None, 5: 1, 7: 1, 8: 2, 10: 2, 11: 3, 13: 4, 20: 6, 30: 11}
        self.assertEqual(expected, {count: stats.bound_rank(count) for count in expected})

    def test_bounds_are_values_that_were_seen(self):
        values = [5, 3, 1, 4, 2, 8, 7, 6]
        self.assertEqual((2, 7), (stats.lower_bound(values), stats.upper_bound(values)))
        self.assertEqual((1, 5), (stats.lower_bound([5, 4, 3, 2, 1]), stats.upper_bound([5, 4, 3, 2, 1])))

    def test_four_values_have_no_bound_of_95_percent(self):
        self.assertIsNone(stats.lower_bound([1, 2, 3, 4]))
        self.assertIsNone(stats.upper_bound([1, 2, 3, 4]))
