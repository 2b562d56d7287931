"""Names and addresses, and what is written from them: network, files and command lines of the nodes."""
import json
import unittest

from harness import keys, network, node_files, services
from harness.layout import Layout
from harness.trouble import Trouble

LAYOUT = Layout("a")


class LayoutTest(unittest.TestCase):
    def test_everything_seen_from_outside_has_the_prefix(self):
        names = [LAYOUT.hub_netns, *(node.netns for node in LAYOUT.nodes)]
        self.assertEqual(names, ["keelson-e2e-a-hub", "keelson-e2e-a-node1", "keelson-e2e-a-node2"])

    def test_refuses_names_that_are_no_file_names(self):
        for name in ("", "../etc", "A", "a b", "x" * 21):
            with self.assertRaises(Trouble, msg=name):
                Layout(name)

    def test_an_unknown_node_is_named_with_the_known_ones(self):
        with self.assertRaisesRegex(Trouble, "no node 'node3' in cluster a: there are node1, node2"):
            LAYOUT.node("node3")

    def test_routes_come_after_the_links_that_they_go_through(self):
        for netns, lines in network.commands(LAYOUT).items():
            kinds = [line.startswith("route") for line in lines]
            self.assertEqual(kinds, sorted(kinds), netns)

    def test_every_node_reaches_the_pods_of_the_other(self):
        batches = network.commands(LAYOUT)
        self.assertIn("route add 10.244.2.0/24 via 10.99.0.2", batches["keelson-e2e-a-node1"])
        self.assertIn("route add 10.244.1.0/24 via 10.99.0.1", batches["keelson-e2e-a-node2"])
        for node in LAYOUT.nodes:  # its own pods are behind its own bridge
            self.assertFalse([line for line in batches[node.netns] if node.pod_cidr in line])

    def test_kubelets_are_users_of_their_own_node_only(self):
        users = {user: groups for _, user, groups in keys.users(LAYOUT)}
        self.assertEqual(users["system:node:node2"], "system:nodes")
        self.assertEqual([user for user, groups in users.items() if groups == "system:masters"], ["admin"])

    def test_runc_is_asked_for_no_limits_only_without_controllers(self):
        self.assertNotIn("BinaryName", node_files.containerd(has_controllers=True))
        self.assertIn("BinaryName", node_files.containerd(has_controllers=False))

    def test_pods_of_a_node_get_addresses_of_its_own_range(self):
        plugin = json.loads(node_files.cni(LAYOUT.nodes[1]))["plugins"][0]
        self.assertEqual(plugin["ipam"]["ranges"], [[{"subnet": "10.244.2.0/24"}]])

    def test_every_program_has_a_command_line(self):
        for name in (*services.CONTROL_PLANE, *services.EVERY_NODE):
            self.assertEqual(services.command(LAYOUT, LAYOUT.nodes[0], name)[0], name)


if __name__ == "__main__":
    unittest.main()
