"""config-scale: a configuration of the size that it claims, and when an agent has all of it."""
import json
import unittest

from ladder import big_config, memory
from ladder import scenario_config_scale as scenario


def documents(files):
    return [json.loads(each) for text in files.values() for each in text.split("---\n") if each]


class BigConfig(unittest.TestCase):
    def test_there_are_1000_services_with_10000_endpoints_and_a_route_each(self):
        found = documents(big_config.object_files())
        services = [each for each in found if each["kind"] == "Service"]
        endpoints = [one for each in found if each["kind"] == "EndpointSlice" for one in each["endpoints"]]
        routes = [each for each in found if each["kind"] == "HTTPRoute"]
        self.assertEqual((len(services), len(endpoints), len(routes)), (1_000, 10_000, 1_000))
        self.assertEqual(len({each["spec"]["clusterIP"] for each in services}), 1_000)

    def test_every_endpoint_is_a_pod_that_its_node_reports(self):
        endpoints = {(one["addresses"][0], one["nodeName"], one["targetRef"]["uid"])
                     for each in documents(big_config.object_files()) if each["kind"] == "EndpointSlice"
                     for one in each["endpoints"]}
        pods = {(pod["addresses"][0], each["metadata"]["name"], pod["uid"])
                for each in documents(big_config.node_state_files()) for pod in each["pods"]}
        self.assertEqual(endpoints, pods)
        self.assertEqual(len(pods), 10_000)


class Ready(unittest.TestCase):
    def status(self, **changes):
        whole = {"ready": True, "generation": {"snapshot": 3, "applied": 3}, "objects": {"services": 1_000},
                 "proxy": {"acknowledged_generation": 3}}
        return whole | changes

    def test_kernel_and_proxy_have_the_last_snapshot(self):
        self.assertTrue(scenario.is_ready(self.status()))

    def test_anything_less_is_not_ready(self):
        for changes in ({"ready": False}, {"objects": {"services": 999}}, {"proxy": {}},
                        {"generation": {"snapshot": 4, "applied": 3}}, {"proxy": {"acknowledged_generation": 2}}):
            self.assertFalse(scenario.is_ready(self.status(**changes)), changes)
        self.assertFalse(scenario.is_ready(None))


class Memory(unittest.TestCase):
    ROLLUP = "55 - 7f [rollup]\nRss:    2048 kB\nPrivate_Clean:  512 kB\nPrivate_Dirty: 1024 kB\nAnon: 1 kB\n"

    def test_fields_of_a_proc_file_are_added_up(self):
        self.assertEqual(memory.kib(self.ROLLUP, "Private_Clean", "Private_Dirty"), 1536)

    def test_a_field_that_is_not_there_is_an_error_and_not_nothing(self):
        with self.assertRaises(KeyError):
            memory.kib(self.ROLLUP, "Swap")
