import os
import pathlib
import re
import tempfile
import unittest
from unittest import mock

from ladder import certificates, peer_programs, peers

ORIGIN = "10.0.0.2:8080"


def leaf(account):
    return certificates.Leaf(account, *(pathlib.Path(f"/made/{account}.{end}") for end in ("crt", "key", "pem")))


MADE = certificates.Certificates(pathlib.Path("/made/authority.crt"), leaf("client"), leaf("server"))


def named(name):
    return next(peer for peer in peers.PEERS if peer.name == name)


class Configured(unittest.TestCase):
    """The files of a node as its program would get them; no program runs."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def files(self, peer, node):
        """Template's name -> text."""
        with mock.patch.object(peer_programs, "binary_of", lambda program: program):
            peer.configure(node, self.folder / peer.name, peer.values(node, ORIGIN, 9000, MADE))
        own = self.folder / peer.name / "ab"[node]
        return {path.name: path.read_text() for path in own.iterdir()}

    def test_every_value_is_filled_in(self):
        for peer in peers.PEERS:
            for node in range(len(peer.files)):
                for name, text in self.files(peer, node).items():
                    with self.subTest(peer.name, file=name):
                        self.assertEqual([], re.findall(r"@[a-z_ ]+@", text))

    def test_http_peers_route_a_thousand_services_to_backends_of_their_own(self):
        patterns = {"haproxy": (r"^(svc-\d+)\.shop/ svc-\d+$", r"^backend (svc-\d+)$"),
                    "nginx": (r"server_name (svc-\d+)\.shop;", r"upstream (svc-\d+) \{"),
                    "envoy": (r"domains: \[(svc-\d+)\.shop\]", r"^  - name: (svc-\d+)$")}
        for peer in (peer for peer in peers.PEERS if peer.layer == "http"):
            text = "".join(self.files(peer, 0).values())
            for pattern in patterns[peer.program]:
                with self.subTest(peer.name, pattern=pattern):
                    self.assertEqual(list(peers.SERVICES), re.findall(pattern, text, re.MULTILINE))

    def test_nodes_of_a_pair_meet(self):
        a, b = (named("haproxy-h2-pair").values(node, ORIGIN, 9000, MADE) for node in (0, 1))
        self.assertEqual(("127.0.0.1", "9000", "10.0.0.2", "9001"),
                         (a["listen_address"], a["listen_port"], a["next_address"], a["next_port"]))
        self.assertEqual(("10.0.0.2", "9001", "10.0.0.2", "8080"),
                         (b["listen_address"], b["listen_port"], b["next_address"], b["next_port"]))

    def test_each_node_expects_the_name_of_the_other(self):
        a, b = (named("envoy-hbone-pair").values(node, ORIGIN, 9000, MADE) for node in (0, 1))
        self.assertEqual((MADE.server.uri, MADE.client.uri), (a["other_uri"], b["other_uri"]))
        self.assertEqual((MADE.client.key, MADE.server.key), (a["key"], b["key"]))

    def test_no_peer_writes_an_access_log(self):
        for peer in peers.PEERS:
            for node in range(len(peer.files)):
                for name, text in self.files(peer, node).items():
                    with self.subTest(peer.name, file=name):
                        settings = [line.strip() for line in text.splitlines()
                                    if not line.lstrip().startswith(("#", ";"))]
                        logs = [line for line in settings if re.search(r"access_log|^(log|option \w*log)\b", line)]
                        self.assertEqual(["access_log off;"] if peer.program == "nginx" else [], logs)


class Table(unittest.TestCase):
    def test_names_are_folders_and_differ(self):
        names = [peer.name for peer in peers.PEERS]
        self.assertEqual(len(names), len(set(names)))
        for peer in peers.PEERS:
            self.assertRegex(peer.name, r"^[a-z0-9-]+$")
            self.assertEqual({"hop": 1, "pair": 2}[peer.kind], len(peer.files))

    def test_every_template_belongs_to_a_peer(self):
        used = {name for peer in peers.PEERS for files in peer.files for name in files}
        self.assertEqual({path.name for path in peers.TEMPLATES.iterdir()}, used | {"README.md"})

    def test_the_reader_is_told_of_every_peer_and_file(self):
        text = (peers.TEMPLATES / "README.md").read_text()
        for peer in peers.PEERS:
            self.assertIn(f"| `{peer.name}` |", text)
        for path in peers.TEMPLATES.iterdir():
            self.assertIn("README" if path.name == "README.md" else f"`{path.name}`", text + "README")


class Missing(unittest.TestCase):
    def test_says_how_to_install_a_package(self):
        with mock.patch("shutil.which", return_value=None):
            self.assertEqual("haproxy is not installed: tools/setup tools/bench/packages.txt",
                             peers.missing(named("haproxy-http")))
            self.assertEqual("nginx is not installed: tools/setup", peers.missing(named("nginx-pair")))

    def test_says_that_the_wheel_of_envoy_is_not_there(self):
        with mock.patch.dict(os.environ), mock.patch("glob.glob", return_value=[]):
            os.environ.pop("KEELSON_ENVOY", None)
            self.assertRegex(peers.missing(named("envoy-http")), "^envoy is not installed: .*KEELSON_ENVOY")

    def test_says_that_a_named_envoy_cannot_be_executed(self):
        with mock.patch.dict(os.environ, KEELSON_ENVOY="/nowhere/envoy"):
            self.assertEqual("/nowhere/envoy cannot be executed", peers.missing(named("envoy-http")))

    def test_says_nothing_of_what_is_there(self):
        with mock.patch.dict(os.environ, KEELSON_ENVOY="/bin/sh"):
            self.assertIsNone(peers.missing(named("envoy-http")))


class Version(unittest.TestCase):
    def test_is_read_from_what_each_program_says(self):
        said = {"haproxy": ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - x\n", "2.6.12-1+deb12u4"),
                "nginx": ("nginx version: nginx/1.22.1\n", "1.22.1"),
                "stunnel": ("Initializing inetd mode configuration\nstunnel 5.68 on x86_64\n", "5.68"),
                "envoy": ("\n/python3.11/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n", "1.40.0")}
        for program, (text, expected) in said.items():
            with self.subTest(program), mock.patch("subprocess.run", return_value=mock.Mock(stdout=text)):
                self.assertEqual(expected, peer_programs.version(program))
