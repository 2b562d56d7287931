"""variants: the ways from a client to an origin that are measured together, and the processes on each.

A group is opened once: every variant of it is alive at the same time, and close() ends what was started for it. What
cannot be had is reported as missing, with why. Blocking.
"""
import subprocess
import time
from dataclasses import dataclass

from ladder import manifests, peers, sampler

RELAY_PORT = 9000
PEER_PORT, PEER_PORTS = 9100, 10  # of the first peer, and how far the next is
START_SECONDS = 5

SAME_NODE, CROSS_NODE = "same-node", "cross-node"
GROUPS = (SAME_NODE, CROSS_NODE)
PEERS = {
    SAME_NODE: {"haproxy-http": "haproxy-http", "nginx-http": "nginx-http", "envoy-http": "envoy-http"},
    CROSS_NODE: {"haproxy-tcp": "haproxy-tcp-pair", "haproxy-h1": "haproxy-h1-pair", "haproxy-h2": "haproxy-h2-pair",
                 "nginx": "nginx-pair", "stunnel": "stunnel-pair", "envoy-http": "envoy-http-pair",
                 "envoy-hbone": "envoy-hbone-pair"},
}


@dataclass(frozen=True)
class Variant:
    name: str
    netns: str  # of the client
    url: str  # without path
    connect: str  # ADDRESS:PORT
    origin_pids: list
    proxy_pids: list  # everything between client and origin

    def enter(self, core):
        """The words before the client's command. The client dies with whoever started it."""
        return ["ip", "netns", "exec", self.netns, "setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(core)]

    def target(self, body):
        return ["--url", f"{self.url}/{body}", "--connect", self.connect]


class Group:
    """The variants of a group. `miss` is told (variant, why)."""

    def __init__(self, name, bed, folder, miss):
        self.name = name
        self.bed = bed
        self.folder = folder
        self.miss = miss
        self.variants = []
        self.running = []

    def __enter__(self):
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        """Floor first, then ours, then the peers."""
        far = self.name == CROSS_NODE
        plain, meshed = ("plain-far", "far") if far else ("plain-near", "near")
        origin = f"{self.bed.pods[plain]}:{manifests.ORIGIN_PORT}"
        self.add("none", "plain-client", f"http://{origin}", origin, plain, [])
        if far:
            both = self.bed.proxy_pids("node1", "node2")
            self.add_ours("keelson-l4", manifests.L4, meshed, both)
            self.add_ours("keelson-l7", manifests.L7_FAR, meshed, both)
        else:
            self.add_ours("direct", manifests.DIRECT, meshed, [])
            self.add_relay(origin, plain)
            self.add_ours("keelson-l7", manifests.L7_NEAR, meshed, self.bed.proxy_pids("node1"))
        for number, (variant, name) in enumerate(PEERS[self.name].items()):
            self.add_peer(variant, name, plain, origin, PEER_PORT + number * PEER_PORTS)

    def close(self):
        for running in self.running:
            running.stop()
        self.running = []

    def add(self, name, client, url, connect, origin, proxy_pids):
        self.variants.append(
            Variant(name, self.bed.netns(client), url, connect, self.bed.origin_pids(origin), proxy_pids))

    def add_ours(self, name, service, origin, proxy_pids):
        self.add(name, "client", f"http://{service}", f"{self.bed.service_address(service)}:80", origin, proxy_pids)

    def add_relay(self, origin, pod):
        program = self.bed.bin / "null-relay"
        if not program.exists():
            self.miss("relay", f"{program} is not built")
            return
        listen = f"127.0.0.1:{RELAY_PORT}"
        relay = Relay(["ip", "netns", "exec", self.bed.netns("plain-client"), "setpriv", "--pdeathsig", "KILL",
                       str(program), "--listen", listen, "--to", origin])
        self.running.append(relay)
        relay.wait_ready()
        self.add("relay", "plain-client", f"http://{origin}", listen, pod, [relay.process.pid])

    def add_peer(self, variant, name, pod, origin, port):
        peer = next(peer for peer in peers.PEERS if peer.name == name)
        why = peers.missing(peer)
        if why:
            self.miss(variant, why)
            return
        where = [self.bed.netns("plain-client")] + ([self.bed.netns(pod)] if peer.kind == "pair" else [])
        try:
            running = peer.start(where, origin, port, self.folder)
        except peers.PeerFailed as failed:
            self.miss(variant, str(failed))
            return
        self.running.append(running)
        pids = [pid for first in running.pids for pid in sampler.family(first)]
        self.add(variant, "plain-client", running.client_url, running.client_connect, pod, pids)


class Relay:
    """The null relay as a process of this one."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def wait_ready(self):
        """Until it listens: its namespace's table of sockets says so, and no connection has to be spent."""
        deadline = time.monotonic() + START_SECONDS
        local = f":{RELAY_PORT:04X} "
        while self.process.poll() is None and time.monotonic() < deadline:
            with open(f"/proc/{self.process.pid}/net/tcp", encoding="ascii") as table:
                if any(local in line and " 0A " in line for line in table):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"null-relay does not listen after {START_SECONDS} s")

    def stop(self):
        self.process.kill()
        self.process.wait()
