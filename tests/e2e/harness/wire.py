"""Wire: what crosses between the nodes, seen where a switch would see it: TCP payload by port, and a marker in it.

As a program in the hub's network namespace, `python3 -m harness.wire MARKER` counts until standard input ends, then
prints JSON:
{"tunnel": N, "between_pods": N, "opened": N, "marked": N, "lost": N}, packets with payload to or from the HBONE port,
else between pod addresses, SYNs of such connections, and packets with the marker's bytes; and those that the kernel
dropped because nobody read them in time.
"""
import contextlib
import ipaddress
import json
import select
import socket
import struct
import subprocess
import sys

from harness.trouble import Trouble
from harness.versions import HERE

HBONE_PORT = 15008
POD_NETWORK = ipaddress.ip_network("10.244.0.0/16")
ETH_P_ALL, ETHERNET_BYTES, IPV4, TCP = 3, 14, 0x0800, 6
SYN, ACK = 2, 16
SOL_PACKET, PACKET_STATISTICS = 263, 6  # packet(7)
SO_RCVBUFFORCE = 33  # SO_RCVBUF gives no more than net.core.rmem_max
READ_BYTES = 65536
RECEIVE_BYTES = 16 << 20


def segment_of(frame):
    """((source, destination address), (ports), flags, payload) of TCP over IPv4, else None."""
    if len(frame) < ETHERNET_BYTES + 40 or int.from_bytes(frame[12:14], "big") != IPV4:
        return None
    packet = frame[ETHERNET_BYTES:]
    header = (packet[0] & 15) * 4
    length = int.from_bytes(packet[2:4], "big")
    if packet[9] != TCP or len(packet) < header + 20:
        return None
    segment = packet[header:length]
    ports = int.from_bytes(segment[0:2], "big"), int.from_bytes(segment[2:4], "big")
    return (packet[12:16], packet[16:20]), ports, segment[13], segment[(segment[12] >> 4) * 4:]


def count(frame, marker, counts):
    found = segment_of(frame)
    if found is None:
        return
    addresses, ports, flags, data = found
    is_tunnel = HBONE_PORT in ports
    is_plain = not is_tunnel and all(ipaddress.ip_address(address) in POD_NETWORK for address in addresses)
    counts["opened"] += is_plain and flags & (SYN | ACK) == SYN
    if data:
        counts["tunnel"] += is_tunnel
        counts["between_pods"] += is_plain
        counts["marked"] += marker in data


def watch(marker):
    counts = {"tunnel": 0, "between_pods": 0, "opened": 0, "marked": 0}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as packets:
        packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        if (given := packets.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)) < RECEIVE_BYTES:
            print(f"the kernel gives {given} bytes to receive into, not {RECEIVE_BYTES}")
            return
        print("watching", flush=True)
        while True:
            readable, _, _ = select.select([packets, sys.stdin], [], [])
            if sys.stdin in readable:
                break
            count(packets.recv(READ_BYTES), marker, counts)
        _, lost = struct.unpack("II", packets.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(json.dumps({**counts, "lost": lost}))


@contextlib.contextmanager
def watching(layout, marker):
    """Gives a dict that holds the counts once the block has ended."""
    command = ["ip", "netns", "exec", layout.hub_netns, "env", f"PYTHONPATH={HERE}", sys.executable, "-B", "-m",
               "harness.wire", marker]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if (said := process.stdout.readline().strip()) != "watching":
                raise Trouble(f"nothing watches what crosses between the nodes: {said or 'the program ended'}")
            counts = {}
            yield counts
            process.stdin.close()
            counts.update(json.loads(process.stdout.read()))
        finally:
            process.kill()


if __name__ == "__main__":
    watch(sys.argv[1].encode())
