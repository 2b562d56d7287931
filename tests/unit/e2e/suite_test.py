"""The end of a run: counts and details. Every scenario says what it is and how long it may take."""
import os
import pathlib
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

from harness import programs, scenario, suite
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


class LimitedProcessTest(unittest.TestCase):
    def start(self, program, *arguments, seconds_max):
        """A process that has said "ready", and what it says."""
        read_end, write_end = os.pipe()
        process = suite.LimitedProcess([sys.executable, "-c", program, *arguments], seconds_max, write_end)
        os.close(write_end)
        output = os.fdopen(read_end, "rb")
        self.addCleanup(output.close)
        self.addCleanup(process.end)
        self.assertEqual(output.readline(), b"ready\n")
        return process, output

    def wait(self, process):
        while process.is_playing():
            time.sleep(0.01)
        return process.code

    def test_one_that_ends_in_time_has_its_status(self):
        process, _ = self.start("import sys; print('ready', flush=True); sys.exit(3)", seconds_max=60)
        self.assertEqual(3, self.wait(process))

    def test_one_beyond_its_limit_is_ended_with_all_that_it_started(self):
        process, output = self.start("import subprocess; print('ready', flush=True); "
                                     "subprocess.Popen(['sleep', '1000'], stdout=1).wait()", seconds_max=0)
        self.assertIsNone(self.wait(process))
        self.assertEqual(output.read(), b"")  # ends only when nobody holds the other end

    def test_one_beyond_its_limit_may_clean_up(self):
        with tempfile.TemporaryDirectory() as folder:
            cleaned = pathlib.Path(folder, "cleaned")
            process, _ = self.start(CLEANS_UP, str(HERE), str(cleaned), seconds_max=0)
            self.assertIsNone(self.wait(process))
            self.assertEqual(cleaned.read_text(), "clean")

    def test_but_not_for_ever(self):
        with mock.patch.object(suite, "CLEAN_UP_SECONDS", 0.05):
            process, output = self.start(DOES_NOT_END, seconds_max=0)
            self.assertIsNone(self.wait(process))
            self.assertEqual(output.read(), b"")


class FakePlay:
    """Ends at its second look."""
    running, most = [], 0

    def __init__(self, name, label, cluster, _cgroups, _reports):
        self.cluster, self._label, self._looks = cluster, label, 0
        self.announcement, self.process = name, self
        self.running.append(cluster)
        FakePlay.most = max(FakePlay.most, len(self.running))

    def poll(self):
        self._looks += 1
        if self._looks < 2:
            return None
        self.running.remove(self.cluster)
        return Result(self._label, "passed", 1)


class PlayTest(unittest.TestCase):
    def play(self, plan, clusters):
        FakePlay.most = 0
        progress = types.SimpleNamespace(tell=lambda text: None)
        with mock.patch.object(suite, "Play", FakePlay), mock.patch.object(suite, "POLL_SECONDS", 0):
            return [result.name for result in suite.play(plan, clusters, "hybrid", None, progress)]

    def test_one_cluster_plays_all_in_order(self):
        self.assertEqual(["a", "b", "c"], self.play([("a", "a"), ("b", "b"), ("c", "c")], ["one"]))
        self.assertEqual(1, FakePlay.most)

    def test_two_clusters_play_two_at_once(self):
        self.assertEqual(["a", "b", "c"], sorted(self.play([("a", "a"), ("b", "b"), ("c", "c")], ["one", "two"])))
        self.assertEqual(2, FakePlay.most)


class ScenariosTest(unittest.TestCase):
    def test_each_has_a_title_a_limit_and_a_run(self):
        self.assertTrue(scenario.names())
        for name in scenario.names():
            module = scenario.load(name)
            self.assertTrue(suite.title(module), name)
            self.assertGreater(module.SECONDS_MAX, 0, name)
            self.assertTrue(callable(module.run), name)
            self.assertLessEqual(set(getattr(module, "PROGRAMS", ())), set(programs.PROGRAMS), name)

    def test_load_is_played_often_and_the_others_once(self):
        self.assertEqual([("enrolment", "enrolment"), ("enrolment", "enrolment-2"), ("workloads", "workloads")],
                         suite.rounds(["enrolment", "workloads"], 2))

    def test_words_choose(self):
        self.assertIn("cluster_healthy", scenario.names(["healthy"]))
        self.assertEqual(scenario.names(["no such word"]), [])


if __name__ == "__main__":
    unittest.main()
