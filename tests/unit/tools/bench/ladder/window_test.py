"""window: what makes one void, and what its figures are."""
import unittest

from ladder import window


def answer(**changes):
    whole = {"ok": 1000, "status": {"200": 1000}, "errors": {"connect": 0, "reset": 0}, "rate_done": 500.0,
             "latency_us": {"p50": 80.0, "p99": 900.0}}
    return whole | changes


class Faults(unittest.TestCase):
    def test_are_errors_other_answers_and_none_at_all(self):
        for changes, fault in (
                ({}, ""),
                ({"errors": {"connect": 2, "reset": 0, "timeout": 1}}, "errors: connect 2, timeout 1"),
                ({"status": {"200": 990, "503": 10}}, "answers: 10 of 503"),
                ({"ok": 0, "status": {}}, "no request was answered")):
            with self.subTest(fault):
                self.assertEqual(window.fault_of(answer(**changes)), fault)


class Figures(unittest.TestCase):
    def test_of_a_closed_loop_are_cpu_over_the_requests_of_the_part_that_was_read(self):
        figures = window.closed_figures(answer(), 2.0, {"client": 4e6, "origin": 1e6, "proxies": 5e6, "softirq": 0})
        self.assertEqual(figures, {"rps": 500.0, "cpu_all": 10.0, "cpu_proxies": 5.0, "p50": 80.0, "p99": 900.0})

    def test_without_a_proxy_have_no_cpu_of_proxies(self):
        self.assertNotIn("cpu_proxies", window.closed_figures(answer(), 2.0, {"client": 4e6, "origin": 1e6}))

    def test_of_an_open_loop_are_latencies(self):
        self.assertEqual(window.open_figures(answer()), {"p50_open": 80.0, "p99_open": 900.0})


class Loads(unittest.TestCase):
    def test_are_closed_without_a_rate(self):
        self.assertIn("--closed", window.Load(32, "1k", 1.2, 0.3).arguments())
        self.assertIn("--rate", window.Load(32, "1k", 1.2, 0.3, rate=100).arguments())


if __name__ == "__main__":
    unittest.main()
