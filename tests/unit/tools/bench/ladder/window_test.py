import unittest

from ladder import window


def answer(**changed):
    whole = {"requests": 100, "ok": 100, "status": {"200": 100}, "rate_done": 1000.0,
             "errors": {"connect": 0, "reset": 0, "timeout": 0, "tls": 0, "protocol": 0},
             "latency_us": {"p50": 80.0, "p90": 100.0, "p99": 120.0}}
    return whole | changed


class Faults(unittest.TestCase):
    def test_a_window_counts_when_every_request_was_answered_200(self):
        self.assertEqual("", window.fault_of(answer()))

    def test_errors_other_answers_and_silence_make_it_void(self):
        for changed, expected in (
                ({"errors": {"reset": 2, "timeout": 1, "connect": 0}}, "errors: reset 2, timeout 1"),
                ({"status": {"200": 98, "503": 2}}, "answers: 2 of 503"),
                ({"ok": 0, "status": {}, "requests": 0}, "no request was answered within the time"),
                # Only in the patience after it.
                ({"ok": 32, "rate_done": 0}, "no request was answered within the time")):
            self.assertEqual(expected, window.fault_of(answer(**changed)))


class Retry(unittest.TestCase):
    def take(self, *readings):
        """(what came of it, the notes, how many were not taken)."""
        left, notes = list(readings), []
        return window.run_with_retry(lambda: left.pop(0), notes.append), notes, len(left)

    fine = window.Reading({"rps": 1})
    void = window.Reading({}, "errors: reset 2")

    def test_a_window_without_fault_is_taken_once(self):
        self.assertEqual((self.fine, [], 1), self.take(self.fine, self.fine))

    def test_a_void_window_is_taken_once_more_and_noted(self):
        self.assertEqual((self.fine, ["errors: reset 2; once more"], 0), self.take(self.void, self.fine))

    def test_two_void_windows_leave_a_hole(self):
        self.assertEqual((None, ["errors: reset 2; once more", "errors: reset 2; left out"], 1),
                         self.take(self.void, self.void, self.fine))


class Figures(unittest.TestCase):
    def test_cpu_of_a_part_of_the_window_goes_by_the_requests_of_that_part(self):
        cpu_ns = {"client": 1_000_000, "origin": 2_000_000, "softirq": 500_000, "proxies": 4_000_000}
        figures = window.closed_figures(answer(), 0.5, cpu_ns)
        self.assertEqual({"rps": 1000.0, "cpu_all": 15.0, "cpu_proxies": 8.0, "p50": 80.0, "p99": 120.0}, figures)

    def test_without_proxies_there_is_no_figure_of_theirs(self):
        figures = window.closed_figures(answer(), 0.5, {"client": 1_000_000, "origin": 2_000_000, "softirq": 0})
        self.assertEqual((6.0, False), (figures["cpu_all"], "cpu_proxies" in figures))

    def test_the_open_loop_gives_latencies_under_names_of_their_own(self):
        self.assertEqual({"p50_open": 80.0, "p99_open": 120.0}, window.open_figures(answer()))


class Client(unittest.TestCase):
    def test_a_rate_makes_the_loop_open(self):
        load = window.Load(32, "1k", 1.5, 0.3)
        self.assertEqual("--connections 32 --closed --seconds 1.5 --warmup 0.3", " ".join(load.arguments()))
        load = window.Load(1, "64k", 2.0, 0.3, 3204.7)
        self.assertEqual("--connections 1 --rate 3205 --seconds 2.0 --warmup 0.3", " ".join(load.arguments()))
