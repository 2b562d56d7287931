"""kube-scale: keys as the kernel's maps have them, and lines that its goals find."""
import unittest

from ladder import goals, kernel_rows
from ladder import scenario_kube_scale as scenario


class Keys(unittest.TestCase):
    def test_an_ipv4_service_is_mapped_into_ipv6_with_its_port_in_host_order(self):
        key = kernel_rows.service_key("10.32.1.2", 0x1F90)
        self.assertEqual(key.hex(), "00" * 10 + "ffff0a200102" + "901f" + "06" + "00")

    def test_an_ipv6_address_stands_as_it_is(self):
        self.assertEqual(kernel_rows.address_key("fd00::1").hex(), "fd" + "00" * 14 + "01")


class Rows:
    """A map whose row changes after so many looks."""

    def __init__(self, looks):
        self.looks = looks

    def row(self, _):
        self.looks -= 1
        return b"old" if self.looks >= 0 else b"new"


class SeenAfter(unittest.TestCase):
    def test_it_looks_until_the_row_is_another_one(self):
        acts = []
        rows = Rows(3)
        self.assertGreater(scenario.seen_after(rows, b"k", lambda: acts.append(1)), 0)
        self.assertEqual((acts, rows.looks), ([1], -1))

    def test_a_row_that_is_not_there_is_an_error(self):
        class Empty:
            @staticmethod
            def row(_):
                return None

        with self.assertRaises(scenario.MeshError):
            scenario.seen_after(Empty(), b"k", lambda: None)


class Lines(unittest.TestCase):
    METRICS = ("ready_s", "ready_cpu_s", "peak_mib", "settled_mib", "endpoint_ms_max", "resync_writes",
               "restart_writes")

    def test_units_are_told_by_the_names(self):
        units = {line["metric"]: line["unit"] for line in scenario.to_lines([dict.fromkeys(self.METRICS, 1.0)])}
        self.assertEqual(units, {"ready_s": "s", "ready_cpu_s": "s", "peak_mib": "MiB", "settled_mib": "MiB",
                                 "endpoint_ms_max": "ms", "resync_writes": "", "restart_writes": ""})

    def test_every_goal_of_the_scenario_finds_its_line(self):
        ids = {line["id"] for line in scenario.to_lines([dict.fromkeys(self.METRICS, 1.0)])}
        wanted = {goal.own for goal in goals.GOALS if goal.own.startswith(scenario.NAME)}
        self.assertTrue(wanted)
        self.assertLessEqual(wanted, ids)


if __name__ == "__main__":
    unittest.main()
