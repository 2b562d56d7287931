"""hooks: what two readings of the kernel's statistics say about a run of each program."""
import unittest

from ladder import scenario_hooks as hooks


def reading(**programs):
    return {int(number[1:]): {"name": name, "run_time_ns": time, "run_cnt": count}
            for number, (name, time, count) in programs.items()}


class Costs(unittest.TestCase):
    def test_are_the_time_over_the_runs_between_two_readings(self):
        before = reading(_1=("ks_connect4", 1000, 10), _2=("ks_sockops", 0, 0))
        after = reading(_1=("ks_connect4", 4000, 13), _2=("ks_sockops", 500, 5))
        self.assertEqual(hooks.costs(before, after, [1, 2]), {"ks_connect4": 1000.0, "ks_sockops": 100.0})

    def test_add_up_the_programs_of_one_name(self):
        before = reading(_1=("ks_sk_lookup", 0, 0), _2=("ks_sk_lookup", 0, 0))
        after = reading(_1=("ks_sk_lookup", 300, 1), _2=("ks_sk_lookup", 300, 2))
        self.assertEqual(hooks.costs(before, after, [1, 2]), {"ks_sk_lookup": 200.0})

    def test_leave_out_what_did_not_run_and_what_is_not_asked_for(self):
        before = reading(_1=("ks_connect4", 0, 0), _2=("ks_connect6", 7, 7), _9=("foreign", 0, 0))
        after = reading(_1=("ks_connect4", 50, 1), _2=("ks_connect6", 7, 7), _9=("foreign", 99, 9))
        self.assertEqual(hooks.costs(before, after, [1, 2]), {"ks_connect4": 50.0})

    def test_read_a_program_that_has_no_statistics_yet(self):
        before = {1: {"name": "ks_connect4"}}
        self.assertEqual(hooks.costs(before, reading(_1=("ks_connect4", 60, 2)), [1]), {"ks_connect4": 30.0})


class Lines(unittest.TestCase):
    def test_have_a_sample_for_each_round_and_only_of_programs_that_ran_in_all(self):
        lines = hooks.to_lines([{"ks_connect4": 1.0, "ks_connect6": 2.0}, {"ks_connect4": 3.0}])
        self.assertEqual([(line["id"], line["samples"]) for line in lines], [("hooks/ks_connect4/ns", [1.0, 3.0])])


if __name__ == "__main__":
    unittest.main()
