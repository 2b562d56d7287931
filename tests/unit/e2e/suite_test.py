"""The end of a run: counts and details. Every scenario says what it is and how long it may take."""
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from harness import scenario, suite
from harness.suite import Result
from harness.versions import HERE

CLEANS_UP = """\
import pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
from harness import suite_command
signal.signal(signal.SIGTERM, suite_command.on_end)
try:
    print("ready", flush=True)
    signal.pause()
finally:
    pathlib.Path(sys.argv[2]).write_text("clean")
"""
DOES_NOT_END = """\
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


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

    def ready(self, program, *arguments):
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def test_a_scenario_beyond_its_limit_may_clean_up(self):
        with tempfile.TemporaryDirectory() as folder:
            cleaned = pathlib.Path(folder, "cleaned")
            self.assertIsNone(suite.wait(self.ready(CLEANS_UP, str(HERE), str(cleaned)), 0.05))
            self.assertEqual(cleaned.read_text(), "clean")

    def test_but_not_for_ever(self):
        with mock.patch.object(suite, "CLEAN_UP_SECONDS", 0.05):
            process = self.ready(DOES_NOT_END)
            self.assertIsNone(suite.wait(process, 0.05))
            self.assertEqual(process.returncode, -9)


class ScenariosTest(unittest.TestCase):
    def test_each_has_a_title_a_limit_and_a_run(self):
        self.assertTrue(scenario.names())
        for name in scenario.names():
            module = scenario.load(name)
            self.assertTrue(suite.title(module), name)
            self.assertGreater(module.SECONDS_MAX, 0, name)
            self.assertTrue(callable(module.run), name)

    def test_load_is_played_often_and_the_others_once(self):
        self.assertEqual([("enrolment", "enrolment"), ("enrolment", "enrolment-2"), ("workloads", "workloads")],
                         suite.rounds(["enrolment", "workloads"], 2))

    def test_words_choose(self):
        self.assertIn("cluster_healthy", scenario.names(["healthy"]))
        self.assertEqual(scenario.names(["no such word"]), [])


if __name__ == "__main__":
    unittest.main()
