"""Tap on the link between the nodes: wire.py INTERFACE TEXT

Prints a JSON line a quarter second: {"frames": with payload, "readable": frames that show TEXT, "pairs":
[[client, server, readable, TLS records, TLS version of a ServerHello]], "latest": [[source, destination,
start of the payload]]}. Ends when nobody reads.
"""
import json
import select
import socket
import sys
import time

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, TCP = 3, 0x0800, 0x86DD, 6
HBONE_PORT = 15008
PERIOD = 0.25
LATEST_MAX, SHOWN_BYTES = 8, 160
SUPPORTED_VERSION_TLS13 = b"\x00\x2b\x00\x02\x03\x04"  # extension supported_versions, RFC 8446 4.2.1


def tcp_of(frame):
    """(source, source port, destination, destination port, payload) of a TCP frame, or None."""
    kind, packet = int.from_bytes(frame[12:14], "big"), frame[14:]
    if kind == ETH_P_IP and packet[9:10] == bytes([TCP]):
        header = (packet[0] & 15) * 4
        segment = packet[header:int.from_bytes(packet[2:4], "big")]
        ends = socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20])
    elif kind == ETH_P_IPV6 and packet[6:7] == bytes([TCP]):
        segment = packet[40:40 + int.from_bytes(packet[4:6], "big")]
        ends = socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40])
    else:
        return None
    if len(segment) < 20:
        return None
    ports = int.from_bytes(segment[0:2], "big"), int.from_bytes(segment[2:4], "big")
    return ends[0], ports[0], ends[1], ports[1], segment[(segment[12] >> 4) * 4:]


class Report:
    def __init__(self):
        self.frames = self.readable = 0
        self.pairs, self.latest = {}, []

    def add(self, frame, text):
        found = tcp_of(frame)
        if not found or not found[4]:
            return
        source, source_port, destination, destination_port, payload = found
        is_readable = text in payload
        self.frames += 1
        self.readable += is_readable
        is_answer = source_port < destination_port  # servers have the low port
        pair = self.pairs.setdefault((destination, source) if is_answer else (source, destination), [0, 0, ""])
        pair[0] += is_readable
        if HBONE_PORT in (source_port, destination_port) and payload[0] in (20, 22, 23):
            pair[1] += 1
            if payload[0] == 22 and payload[5:6] == b"\x02" and SUPPORTED_VERSION_TLS13 in payload:
                pair[2] = "1.3"
        self.latest.append([source, destination, payload[:SHOWN_BYTES].decode("latin-1")])
        del self.latest[:-LATEST_MAX]

    def line(self):
        return json.dumps({"frames": self.frames, "readable": self.readable, "latest": self.latest,
                           "pairs": [[*ends, *seen] for ends, seen in self.pairs.items()]})


def main():
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sniffer.bind((sys.argv[1], 0))
    text = sys.argv[2].encode()
    report, due = Report(), time.monotonic() + PERIOD
    while True:
        if select.select([sniffer], [], [], max(0, due - time.monotonic()))[0]:
            report.add(sniffer.recv(65535), text)
        if time.monotonic() >= due:
            print(report.line(), flush=True)
            report, due = Report(), time.monotonic() + PERIOD


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
