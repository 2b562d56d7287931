"""What a captured frame counts as, and when a load counts as failed."""
import socket
import unittest

from harness import load, wire


def frame(source, target, ports, data, ether_type=0x0800, protocol=6, padding=b"", flags=0):
    tcp = (ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + bytes(8) + bytes([5 << 4, flags]) + bytes(6)
           + data)
    header = bytes([0x45, 0]) + (20 + len(tcp)).to_bytes(2, "big") + bytes(5) + bytes([protocol]) + bytes(2)
    return (bytes(12) + ether_type.to_bytes(2, "big") + header + socket.inet_aton(source) + socket.inet_aton(target)
            + tcp + padding)


class CountTest(unittest.TestCase):
    def counted(self, *arguments, **options):
        counts = {"tunnel": 0, "between_pods": 0, "opened": 0, "marked": 0}
        wire.count(frame(*arguments, **options), b"secret", counts)
        return counts

    def test_plain_calls_between_pods(self):
        counts = self.counted("10.244.1.5", "10.244.2.7", (40000, 8080), b"GET /secret")
        self.assertEqual({"tunnel": 0, "between_pods": 1, "opened": 0, "marked": 1}, counts)

    def test_the_tunnel_between_nodes(self):
        counts = self.counted("10.244.1.5", "10.244.2.7", (15008, 40000), b"\x17\x03\x03")
        self.assertEqual({"tunnel": 1, "between_pods": 0, "opened": 0, "marked": 0}, counts)

    def test_a_plain_connection_is_opened_by_its_first_syn_alone(self):
        opened = [self.counted("10.244.1.5", "10.244.2.7", ports, b"", flags=flags)["opened"] for ports, flags in
                  (((1, 80), wire.SYN), ((1, 80), wire.SYN | wire.ACK), ((1, 80), wire.ACK), ((1, 15008), wire.SYN))]
        self.assertEqual([1, 0, 0, 0], opened)

    def test_what_is_no_tcp_payload_is_not_counted(self):
        nothing = {"tunnel": 0, "between_pods": 0, "opened": 0, "marked": 0}
        between = ("10.244.1.5", "10.244.2.7", (1, 15008))
        self.assertEqual(nothing, self.counted(*between, b""))
        self.assertEqual(nothing, self.counted(*between, b"", padding=b"secret"))
        self.assertEqual(nothing, self.counted(*between, b"secret", protocol=17))
        self.assertEqual(nothing, self.counted(*between, b"secret", ether_type=0x86dd))


class FailuresTest(unittest.TestCase):
    REPORT = {"requests": 10, "ok": 10, "status": {"200": 10}, "errors": {"reset": 0, "timeout": 0},
              "first_errors": []}

    def test_none(self):
        self.assertEqual({}, load.failures(self.REPORT))

    def test_a_lost_request_and_a_bad_status_are(self):
        self.assertEqual({"errors": {"reset": 1}, "status": {"200": 10}, "first": []},
                         load.failures({**self.REPORT, "requests": 11, "errors": {"reset": 1, "timeout": 0}}))
        self.assertEqual({"errors": {}, "status": {"200": 9, "503": 1}, "first": []},
                         load.failures({**self.REPORT, "ok": 9, "status": {"200": 9, "503": 1}}))

    def test_a_kept_connection_that_ends_between_requests_is_none(self):
        self.assertEqual({}, load.failures({**self.REPORT, "errors": {"reset": 1, "timeout": 0}}))


if __name__ == "__main__":
    unittest.main()
