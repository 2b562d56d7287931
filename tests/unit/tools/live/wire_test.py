import json
import socket
import struct
import unittest

import wire

CARD = b"4111"
CART, PAY = "10.244.1.11", "10.244.2.10"


def tcp(source_port, destination_port, payload):
    return struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 1, 5 << 4, 0x18, 100, 0, 0) + payload


def frame4(source, destination, segment, padding=b""):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return bytes(12) + b"\x08\x00" + header + segment + padding


def frame6(source, destination, segment):
    header = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + socket.inet_pton(socket.AF_INET6, source) + \
        socket.inet_pton(socket.AF_INET6, destination)
    return bytes(12) + b"\x86\xdd" + header + segment


def report_of(*frames):
    report = wire.Report()
    for frame in frames:
        report.add(frame, CARD)
    return json.loads(report.line())


class Tap(unittest.TestCase):
    def test_a_readable_answer_is_counted_for_client_and_server(self):
        seen = report_of(frame4(CART, PAY, tcp(40000, 8080, b"GET /")),
                         frame4(PAY, CART, tcp(8080, 40000, b"card 4111")))
        self.assertEqual([[CART, PAY, 1, 0, ""]], seen["pairs"])
        self.assertEqual((2, 1), (seen["frames"], seen["readable"]))
        self.assertEqual([PAY, CART, "card 4111"], seen["latest"][-1])

    def test_tls_and_its_version_are_read_from_records_on_the_hbone_port(self):
        hello = b"\x16\x03\x03\x00\x40\x02" + bytes(40) + b"\x00\x2b\x00\x02\x03\x04"
        seen = report_of(frame6("fd44::b", "fd44::a", tcp(40000, 15008, b"\x17\x03\x03\x00\x05abcde")),
                         frame6("fd44::a", "fd44::b", tcp(15008, 40000, hello)))
        self.assertEqual([["fd44::b", "fd44::a", 0, 2, "1.3"]], seen["pairs"])

    def test_other_ports_carry_no_tls_for_us(self):
        seen = report_of(frame4(CART, PAY, tcp(40000, 8080, b"\x17\x03\x03\x00\x05abcde")))
        self.assertEqual([[CART, PAY, 0, 0, ""]], seen["pairs"])

    def test_what_is_not_tcp_with_payload_is_left_out(self):
        bare = frame4(CART, PAY, tcp(40000, 8080, b""), padding=b"\x00" * 6)  # an Ethernet frame's filling
        seen = report_of(bare, b"", bytes(14), bytes(60), frame4(CART, PAY, b"\x00" * 8))
        self.assertEqual((0, []), (seen["frames"], seen["pairs"]))
