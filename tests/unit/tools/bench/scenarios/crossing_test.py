"""Scenarios on two nodes: their objects, their lines, and what they read out of metrics."""
import json
import pathlib
import types
import unittest

from ladder import crossing, exposition
from ladder import scenario_churn as churn
from ladder import scenario_fairness as fairness
from ladder import scenario_idle as idle
from ladder import scenario_workers as workers

METRICS = """\
# HELP keelson_proxy_handshakes_total TLS handshakes that the proxy finished.
# TYPE keelson_proxy_handshakes_total counter
keelson_proxy_handshakes_total 3
keelson_proxy_bytes_total{direction="sent"} 10
keelson_proxy_bytes_total{direction="received"} 2.5e+01
"""


def by_id(lines):
    return {line["id"]: line for line in lines}


class Exposition(unittest.TestCase):
    def test_samples_of_a_metric_are_added_up(self):
        self.assertEqual(exposition.total(METRICS, "keelson_proxy_handshakes_total"), 3)
        self.assertEqual(exposition.total(METRICS, "keelson_proxy_bytes_total"), 35)

    def test_labels_choose_among_them(self):
        self.assertEqual(exposition.total(METRICS, "keelson_proxy_bytes_total", direction="received"), 25)

    def test_a_metric_that_is_not_there_is_an_error_and_not_zero(self):
        with self.assertRaises(KeyError):
            exposition.total(METRICS, "keelson_proxy_handshakes")


class Manifest(unittest.TestCase):
    def objects(self, **settings):
        bench = types.SimpleNamespace(bin_dir=pathlib.Path("/bin"), folder=pathlib.Path("/tmp"))
        text = crossing.Crossing(bench, "x", {"a": "red", "b": "blue"}, **settings).manifest()
        return [json.loads(each) for each in text.split("---\n") if each]

    def test_every_namespace_has_an_origin_of_its_own_and_one_routed_service(self):
        found = self.objects(namespaces=("red", "blue"))
        origins = [each for each in found if each["kind"] == "Pod" and each["metadata"]["name"].startswith("origin-")]
        routes = [each for each in found if each["kind"] == "HTTPRoute"]
        self.assertEqual({each["metadata"]["name"] for each in origins}, {"origin-red", "origin-blue"})
        self.assertEqual([each["metadata"]["name"] for each in routes], ["l7", "l7"])

    def test_clients_have_identities_of_their_own_and_are_on_the_near_node(self):
        pods = {each["metadata"]["name"]: each["spec"] for each in self.objects() if each["kind"] == "Pod"}
        self.assertEqual(pods["a"]["serviceAccountName"], "a")
        self.assertEqual((pods["b"]["nodeName"], pods["origin-shop"]["nodeName"]), (crossing.NEAR, crossing.FAR))


class Lines(unittest.TestCase):
    def test_churn_counts_handshakes_per_connection_and_the_share_that_failed(self):
        load = {"connections_opened": 200, "requests": 200, "seconds": 2, "errors": {"reset": 1, "connect": 3}}
        lines = by_id(churn.to_lines([([load, load], 4)]))
        self.assertEqual(lines["churn/keelson/handshakes_per_connection"]["samples"], [0.01])
        self.assertEqual(lines["churn/keelson/failed"]["samples"], [0.02, 0.02])
        self.assertEqual(lines["churn/keelson/connections"]["samples"], [100, 100])

    def test_idle_has_a_line_for_each_side(self):
        lines = by_id(idle.to_lines("l4", [({"client": 1.0, "server": 2.0}, 9.0)]))
        self.assertEqual(lines["idle/client-side/mib"]["samples"], [1.0])
        self.assertEqual(lines["idle/server-side/mib"]["samples"], [2.0])
        self.assertEqual(set(by_id(idle.to_lines("l7", []))), {"idle/client-l7/mib", "idle/server-l7/mib"})

    def test_workers_are_compared_round_by_round(self):
        lines = by_id(workers.to_lines([{1: 100.0, 2: 150.0}, {1: 200.0, 2: 200.0}]))
        self.assertEqual(lines["workers/two-over-one/rps_ratio"]["samples"], [1.5, 1.0])

    def test_a_flood_is_compared_with_the_victim_alone_in_the_same_round(self):
        def report(p99, ok=10):
            return {"latency_us": {"p99": p99}, "ok": ok, "requests": 10}

        lines = by_id(fairness.to_lines([{"alone": report(100.0), "bodies": report(300.0, ok=9)},
                                         {"alone": report(200.0), "bodies": report(200.0)}]))
        self.assertEqual(lines["fairness/bodies/p99_ratio"]["samples"], [3.0, 1.0])
        self.assertEqual(lines["fairness/bodies/served"]["samples"], [0.9, 1.0])
        self.assertNotIn("fairness/alone/p99_ratio", lines)
