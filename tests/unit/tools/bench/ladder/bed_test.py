import pathlib
import tempfile
import unittest

from ladder import bed, manifests, peers, variants


class Objects(unittest.TestCase):
    def test_each_service_has_a_route_and_half_are_on_the_other_node(self):
        text = manifests.services(1000)
        self.assertEqual((1002, 1000), (text.count("kind: Service\n"), text.count("kind: HTTPRoute\n")))
        self.assertEqual((501, 501), (text.count("selector: {app: near}"), text.count("selector: {app: far}")))
        for service, app in ((manifests.L7_NEAR, "near"), (manifests.L7_FAR, "far")):
            self.assertIn(manifests.SERVICE.format(name=service, app=app), text)

    def test_only_meshed_pods_have_identities(self):
        for document in manifests.pods().split("---\n"):
            self.assertEqual("namespace: bench" in document, "serviceAccountName" in document, document)

    def test_the_folder_has_the_origin_and_its_bodies(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            manifests.write(folder, 2)
            self.assertEqual([1024, 65536], [(folder / "www" / body).stat().st_size for body in ("1k", "64k")])
            self.assertIn(f"root {folder}/www;", (folder / "origin.conf").read_text())


class CongestionControl(unittest.TestCase):
    def test_cubic_only_where_namespaces_may_have_it(self):
        self.assertEqual("cubic", bed.choose_congestion_control("reno cubic\n"))
        self.assertEqual("reno", bed.choose_congestion_control("reno bbr\n"))


class Peers(unittest.TestCase):
    def test_every_peer_is_a_variant_of_its_group(self):
        wanted = [name for group in variants.PEERS.values() for name in group.values()]
        self.assertEqual(sorted(peer.name for peer in peers.PEERS), sorted(wanted))
