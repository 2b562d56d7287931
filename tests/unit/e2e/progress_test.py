"""A wait has a limit, tells what it waits for and hands on the last reason."""
import unittest

from harness.progress import Progress
from harness.trouble import Trouble


class Time:
    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class ProgressTest(unittest.TestCase):
    def setUp(self):
        self.time, self.said = Time(), []
        self.progress = Progress("e2e", self.time.clock, self.time.sleep, lambda text, flush: self.said.append(text))

    def test_returns_the_first_true_value(self):
        answers = iter([None, 0, (False, "not yet"), "here"])
        self.assertEqual(self.progress.wait("it", 5, lambda: next(answers)), "here")

    def test_asks_once_even_without_time(self):
        self.assertTrue(self.progress.wait("it", 0, lambda: True))

    def test_says_what_did_not_come_and_why(self):
        with self.assertRaisesRegex(Trouble, r"waited 3 s for the nodes: node2 is not ready"):
            self.progress.wait("the nodes", 3, lambda: (False, "node2 is not ready"))

    def test_a_long_wait_tells_every_five_seconds(self):
        with self.assertRaises(Trouble):
            self.progress.wait("the nodes", 12, lambda: (False, "no answer"))
        self.assertEqual(len(self.said), 2)
        self.assertIn("waiting for the nodes (5 s of at most 12 s) no answer", self.said[0])

    def test_a_short_step_is_one_line_and_a_long_one_says_its_time(self):
        with self.progress.step("short"):
            self.time.sleep(1)
        with self.progress.step("long"):
            self.time.sleep(7)
        self.assertEqual([line.split("s  ")[1] for line in self.said], ["short", "long", "long: 7.0 s"])


if __name__ == "__main__":
    unittest.main()
