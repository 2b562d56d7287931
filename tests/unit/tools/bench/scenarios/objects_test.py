"""objects: what the agent has to be able to read, and rules that are as many as they say."""
import ipaddress
import json
import unittest

from ladder import objects


class Documents(unittest.TestCase):
    def test_each_object_is_one_document_of_one_line(self):
        text = objects.document(objects.namespace("a"), objects.account("a", "b"))
        documents = [json.loads(each) for each in text.split("---\n") if each]
        self.assertEqual([each["kind"] for each in documents], ["Namespace", "ServiceAccount"])

    def test_a_namespace_is_in_the_mesh_unless_told_otherwise(self):
        self.assertEqual(objects.namespace("a")["metadata"]["labels"], {"keelson.dev/mesh": "enabled"})
        self.assertEqual(objects.namespace("a", meshed=False)["metadata"]["labels"], {})

    def test_a_pod_without_a_command_waits_for_no_port(self):
        (container,) = objects.pod("a", "b", "node1")["spec"]["containers"]
        self.assertEqual(container, {"name": "main"})

    def test_a_pod_with_a_command_is_ready_when_its_port_answers(self):
        (container,) = objects.pod("a", "b", "node1", ("x", 1))["spec"]["containers"]
        self.assertEqual(container["command"], ["x", "1"])
        self.assertEqual(container["readinessProbe"], {"tcpSocket": {"port": objects.PORT}})


class Blocks(unittest.TestCase):
    def test_there_are_as_many_different_ones_as_asked_for(self):
        for count in (1, 10, 1_000, 100_000):
            self.assertEqual(len(set(objects.blocks(count))), count)

    def test_none_is_an_address_of_the_lab(self):
        lab = ipaddress.ip_network("10.244.0.0/22")
        self.assertFalse([each for each in objects.blocks(100_000) if ipaddress.ip_address(each) in lab])

    def test_some_are_as_near_to_the_lab_as_their_number_allows(self):
        near = [each for each in objects.blocks(100_000) if each.startswith("10.244.")]
        self.assertGreater(len(near), 300)
