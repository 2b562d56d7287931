import pathlib
import tempfile
import unittest

from ladder import sampler


class FakeProc(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.proc = pathlib.Path(folder.name)

    def process(self, pid, run_ns, name="proxy", children=""):
        """One thread for each figure; the first has the pid of the process."""
        (self.proc / str(pid)).mkdir()
        (self.proc / str(pid) / "comm").write_text(name + "\n")
        for number, ran in enumerate(run_ns):
            task = self.proc / str(pid) / "task" / str(pid + number)
            task.mkdir(parents=True)
            (task / "schedstat").write_text(f"{ran} 77 5\n")
            (task / "children").write_text(children if number == 0 else "")

    def set_run_ns(self, pid, ran):
        (self.proc / str(pid) / "task" / str(pid) / "schedstat").write_text(f"{ran} 77 5\n")


class RunTime(FakeProc):
    def test_the_threads_of_a_process_add_up(self):
        self.process(100, [5_000_000_000, 250, 1])
        self.assertEqual(5_000_000_251, sampler.run_ns(100, self.proc))

    def test_a_process_that_is_gone_ran_for_nothing_more(self):
        self.assertEqual(0, sampler.run_ns(100, self.proc))

    def test_a_thread_that_ends_while_it_is_read_is_left_out(self):
        self.process(100, [7, 9])
        (self.proc / "100/task/101/schedstat").unlink()
        self.assertEqual(7, sampler.run_ns(100, self.proc))

    def test_a_master_brings_its_workers(self):
        self.process(100, [1], children="200 300 ")
        self.process(200, [1], children="400")
        self.process(300, [1])
        self.process(400, [1])
        self.assertEqual([100, 200, 400, 300], sampler.family(100, self.proc))

    def test_kernel_threads_go_by_name(self):
        self.process(16, [1], name="ksoftirqd/0")
        self.process(23, [1], name="ksoftirqd/1")
        self.process(40, [1], name="kworker/0:1")
        (self.proc / "version").write_text("not a process")
        self.assertEqual([16, 23], sampler.kernel_threads("ksoftirqd/", self.proc))


class Meter(FakeProc):
    def test_what_ran_between_begin_and_end_by_group(self):
        for pid, ran in ((100, 1000), (200, 50), (300, 7)):
            self.process(pid, [ran])
        times = iter((2_000_000_000, 3_500_000_000))
        meter = sampler.CpuMeter({"proxies": [100, 200], "client": [300]}, lambda: next(times), self.proc)
        meter.begin()
        self.set_run_ns(100, 1400)
        self.set_run_ns(200, 51)
        self.assertEqual((1.5, {"proxies": 401, "client": 0}), meter.end())
