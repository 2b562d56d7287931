"""sampler: CPU time and families of processes out of a folder that looks like /proc."""
import pathlib
import tempfile
import unittest

from ladder import sampler


class Proc(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "self").mkdir()

    def process(self, pid, name, tasks, children=()):
        """`tasks`: tid -> nanoseconds run."""
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "comm").write_text(name + "\n")
        for tid, run_ns in tasks.items():
            task = folder / "task" / str(tid)
            task.mkdir(parents=True, exist_ok=True)
            (task / "schedstat").write_text(f"{run_ns} 77 9\n")
            (task / "children").write_text("".join(f"{child} " for child in (children if tid == pid else ())))

    def test_adds_up_the_threads_of_a_process(self):
        self.process(10, "keelson-l7", {10: 100, 11: 2000})
        self.assertEqual(sampler.run_ns(10, self.root), 2100)
        self.assertEqual(sampler.run_ns(99, self.root), 0, "a process that is gone")

    def test_finds_a_master_and_its_workers(self):
        self.process(10, "nginx", {10: 1}, children=(20, 30))
        self.process(20, "nginx", {20: 1})
        self.process(30, "nginx", {30: 1}, children=(40,))
        self.process(40, "nginx", {40: 1})
        self.assertEqual(sampler.family(10, self.root), [10, 20, 30, 40])

    def test_finds_kernel_threads_by_name(self):
        self.process(7, "ksoftirqd/0", {7: 1})
        self.process(8, "ksoftirqd/1", {8: 1})
        self.process(9, "nginx", {9: 1})
        self.assertEqual(sampler.kernel_threads("ksoftirqd/", self.root), [7, 8])

    def test_meters_what_groups_ran_between_two_readings(self):
        self.process(10, "client", {10: 1000})
        self.process(20, "proxy", {20: 500, 21: 500})
        times = iter((1_000_000_000, 3_500_000_000))
        meter = sampler.CpuMeter({"client": [10], "proxies": [20]}, lambda: next(times), self.root)
        meter.begin()
        self.process(10, "client", {10: 1500})
        self.process(20, "proxy", {20: 700, 21: 900})
        self.assertEqual(meter.end(), (2.5, {"client": 500, "proxies": 600}))


if __name__ == "__main__":
    unittest.main()
