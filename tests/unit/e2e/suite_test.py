"""The end of a run: counts and details. Every scenario says what it is and how long it may take."""
import subprocess
import sys
import unittest

from harness import scenario, suite
from harness.suite import Result


class SummaryTest(unittest.TestCase):
    def test_counts_and_details(self):
        lines, is_good = suite.summary([Result("a", "passed", 1), Result("b", "failed", 2, "no answer"),
                                        Result("c", "skipped", 0, "no chart")])
        self.assertEqual(lines, ["failed: b no answer", "skipped: c no chart", "1 passed, 1 failed, 1 skipped"])
        self.assertFalse(is_good)

    def test_nothing_passed_is_not_good(self):
        self.assertFalse(suite.summary([Result("c", "skipped", 0)])[1])
        self.assertTrue(suite.summary([Result("a", "passed", 0)])[1])


class WaitTest(unittest.TestCase):
    def test_a_scenario_beyond_its_limit_is_ended_with_all_that_it_started(self):
        program = "import subprocess; subprocess.Popen(['sleep', '1000'], stdout=1).wait()"
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
        self.assertIsNone(suite.wait(process, 0.5))
        self.assertEqual(process.stdout.read(), b"")  # ends only when nobody holds the other end
        process.stdout.close()


class ScenariosTest(unittest.TestCase):
    def test_each_has_a_title_a_limit_and_a_run(self):
        self.assertTrue(scenario.names())
        for name in scenario.names():
            module = scenario.load(name)
            self.assertTrue(suite.title(module), name)
            self.assertGreater(module.SECONDS_MAX, 0, name)
            self.assertTrue(callable(module.run), name)

    def test_words_choose(self):
        self.assertIn("cluster_healthy", scenario.names(["healthy"]))
        self.assertEqual(scenario.names(["no such word"]), [])


if __name__ == "__main__":
    unittest.main()
