"""ca_tries: what is tried of keelson-ca, and what may be said to it."""
import random
import unittest

from harness import ca_tries


class CaTries(unittest.TestCase):
    def test_a_right_one_may_not_be_refused(self):
        self.assertEqual(ca_tries.right("n1").reasons(), set())

    def test_each_thing_that_is_wrong_gives_its_reasons(self):
        wrong = ca_tries.right("n1", token="unbound", account="host")
        self.assertEqual(wrong.reasons(), {"ca_node_unproven", "host_network"})

    def test_only_the_first_of_a_table_is_right(self):
        for part, table in ca_tries.TABLES.items():
            right = [name for name in table if not ca_tries.right("n1", **{part: name}).reasons()]
            self.assertEqual(right, [next(iter(table))], part)

    def test_a_thousand_tries_hold_everything_and_are_the_same_for_a_seed(self):
        tries = ca_tries.generate(random.Random(1), ["n1", "n2"], 1000)
        self.assertEqual(tries, ca_tries.generate(random.Random(1), ["n1", "n2"], 1000))
        for part, table in ca_tries.TABLES.items():
            self.assertEqual({getattr(each, part) for each in tries}, set(table), part)
        granted = sum(not each.reasons() for each in tries)
        self.assertTrue(10 < granted < 300, granted)


if __name__ == "__main__":
    unittest.main()
