"""Each peer of the benchmark ladder does the work that its configuration claims: routes, counts, mTLS on both sides.

Peers that this machine lacks are named in the output and count neither as passed nor as skipped; Envoy and nginx,
which every build machine has, must be there.
"""
import os
import re
import unittest
from dataclasses import replace

from bed import A, ADDRESS_B, B, BODIES, ORIGIN, Bed, speak_tls, wait_for

from ladder import certificates, peers

PORT = 18000
SETTINGS_FRAME = 4  # RFC 9113 6.5: the type of the first frame of a server

# program -> page, and what stands there for each answered request of the service that was asked
COUNTED = {"haproxy": ("/metrics", r'haproxy_backend_http_responses_total\{proxy="svc-0500",code="2xx"\} (\d+)'),
           "envoy": ("/stats", r"cluster\.svc-0500\.upstream_rq_2xx: (\d+)"),
           "nginx": ("/status", r"accepts handled requests\n \d+ \d+ (\d+)")}
CHECKS_NO_CLIENT_NAME = {"nginx-pair"}  # as its configuration says

AVAILABLE = [peer for peer in peers.PEERS if peers.missing(peer) is None]


class PeerCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")
        cls.bed = Bed()
        cls.addClassCleanup(cls.bed.down)
        cls.bed.up()
        cls.made = certificates.make(cls.bed.folder / "certificates")
        cls.stranger = certificates.leaf(cls.bed.folder / "certificates", "stranger")

    def start(self, peer):
        running = peer.start([A, B][:len(peer.files)], ORIGIN, PORT, self.bed.folder)
        self.addCleanup(running.stop)
        return running

    def each(self, kind, check):
        for peer in (peer for peer in AVAILABLE if peer.kind == kind):
            with self.subTest(peer.name):
                running = self.start(peer)
                try:
                    self.check_answers(peer, running)
                    check(peer, running)
                finally:
                    running.stop()
                self.assertEqual([], [pid for pid in running.pids if os.path.exists(f"/proc/{pid}")])

    def check_answers(self, peer, running):
        for name, body in BODIES.items():
            self.assertEqual(("200", body), self.bed.get(running.client_connect, f"{running.client_url}/{name}"))
        if peer.layer == "http":
            self.check_routes_and_counts(peer, running)

    def check_routes_and_counts(self, peer, running):
        status, _ = self.bed.get(running.client_connect, "http://svc-1000.shop/1k")
        self.assertIn(status, ("404", "503"))
        page, pattern = COUNTED[peer.program]
        counted = re.search(pattern, self.bed.page(A, PORT + 2, page))
        self.assertGreaterEqual(int(counted.group(1)), len(BODIES))


class Availability(unittest.TestCase):
    def test_envoy_and_nginx_are_there(self):
        for peer in peers.PEERS:
            if why := peers.missing(peer):
                print(f"missing, not tested: {peer.name}: {why}")
        self.assertLessEqual({"envoy", "nginx"}, {peer.program for peer in AVAILABLE})


class Hop(PeerCase):
    def test_answers_routes_and_counts(self):
        self.each("hop", lambda peer, running: None)


class Pair(PeerCase):
    B_AT = f"{ADDRESS_B}:{PORT + 1}"

    def speak(self, peer, leaf=None):
        return speak_tls(self.B_AT, peer.between, self.made.authority, leaf)

    def test_answers_through_mutual_tls_only(self):
        self.each("pair", self.check_mutual_tls)

    def check_mutual_tls(self, peer, running):
        got, said = self.speak(peer, self.made.client)
        self.assertTrue(got, said)
        self.assertEqual(peer.between == "h2", got[3] == SETTINGS_FRAME, got)
        self.assertIn("TLSv1.3", said)
        self.assertIn("X25519", said)
        self.assertEqual(["TLS_AES_128_GCM_SHA256"], self.suites(peer, said))
        self.check_b_refuses(peer)
        self.check_a_refuses(peer, running)

    def suites(self, peer, said):
        """What node B insists on; with Envoy, which leaves that to the client, what node A got."""
        if peer.program == "envoy":
            page = self.bed.page(A, PORT + 2, "/stats")
            return sorted(set(re.findall(r"^cluster\.[\w-]+\.ssl\.ciphers\.(\w+): [1-9]", page, re.MULTILINE)))
        return re.findall(r"Ciphersuite: (\w+)", said)

    def check_b_refuses(self, peer):
        """A client without certificate, and one that has another name."""
        got, said = self.speak(peer)
        self.assertNotIn(b"200 OK", got)
        self.assertTrue("alert certificate required" in said or b"400 Bad Request" in got, (said, got))
        got, said = self.speak(peer, self.stranger)
        self.assertEqual(peer.name in CHECKS_NO_CLIENT_NAME, bool(got), said)

    def check_a_refuses(self, peer, running):
        """A node B of the right authority that has another name."""
        running.processes[1].terminate()
        running.processes[1].wait()
        made = replace(self.made, server=self.stranger)
        words = peer.configure(1, running.folder, peer.values(1, ORIGIN, PORT, made))
        running.add(1, B, words, 1)
        self.assertTrue(wait_for(lambda: self.speak(peer, self.made.client)[0]), running.log_end())
        self.assertNotEqual("200", running.ask("/1k"))
        self.assertIsNone(running.processes[0].poll(), running.log_end())
