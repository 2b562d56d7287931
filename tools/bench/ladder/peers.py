"""Peers: the proxies that Keelson is measured against, as processes in given network namespaces.

Their configuration is in ../peers; the README there says what work each does. A Running peer owns its processes:
they end with stop(), and also when the thread that started them does (parent-death signal), so start peers from a
thread that outlives them. Blocking. Does not measure, and installs nothing: missing() says what a machine lacks.
"""
import pathlib
import subprocess
import time
from dataclasses import dataclass, field

from ladder import certificates, peer_programs
from ladder.template import render

TEMPLATES = pathlib.Path(__file__).resolve().parents[1] / "peers"
SERVICES = tuple(f"svc-{number:04}" for number in range(1000))
HOST = "svc-0500.shop"  # the service that is asked
PORTS = 3  # that one peer takes, from `port` on: node A, node B, what it counts
READY_SECONDS = 30
LOG_LINES = 15


class PeerFailed(Exception):
    """A peer did not start or did not answer; the text has the end of its log."""


@dataclass(frozen=True)
class Peer:
    name: str
    program: str
    kind: str  # hop: one process | pair: one on each node, mTLS between
    layer: str  # l4: bytes | http: requests, routed
    between: str  # ALPN name of what the nodes speak; empty: the bytes as they are
    files: tuple  # per node the templates, the one the program is started with first
    remarks: str = ""

    def start(self, where, origin, port, folder, core=1, made=None):
        """A Running peer that has answered one request.

        `where`: the namespace of each node (hop: one, pair: two; A first). `origin`: ADDRESS:PORT. Node A listens on
        127.0.0.1:port; node B on the origin's address, port + 1. Configuration and logs lie in folder/NAME; the
        certificates in folder/certificates, unless others are `made`.
        """
        made = made or (certificates.make(pathlib.Path(folder) / "certificates") if self.kind == "pair" else None)
        running = Running(self, pathlib.Path(folder) / self.name, where[0], f"127.0.0.1:{port}")
        try:
            for node in reversed(range(len(self.files))):  # B before A
                words = self.configure(node, running.folder, self.values(node, origin, port, made))
                running.add(node, where[node], words, core)
            running.wait_ready()
        except BaseException:
            running.stop()
            raise
        return running

    def values(self, node, origin, port, made):
        """What the templates of a node are filled in with, but for its folder."""
        a, b = f"127.0.0.1:{port}", f"{origin.rpartition(':')[0]}:{port + 1}"
        way = [a, origin] if self.kind == "hop" else [a, b, origin]
        found = {"origin": origin, "between": self.between, "stats_port": port + 2}
        for name, address in zip(("listen", "next"), way[node:]):
            found[f"{name}_address"], _, found[f"{name}_port"] = address.rpartition(":")
        return found | (tls_values(node, made) if self.kind == "pair" else {})

    def configure(self, node, folder, values):
        """Writes the files of a node below `folder`; the command that starts it."""
        own = folder / "ab"[node]
        own.mkdir(parents=True, exist_ok=True)
        for name in self.files[node]:
            text = (TEMPLATES / name).read_text()
            (own / name).write_text(render(text, values | {"folder": own}, {"service": SERVICES}))
        return peer_programs.command(self.program, own, own / self.files[node][0])


@dataclass
class Running:
    """The processes of a started peer, and what its client connects to."""
    peer: Peer
    folder: pathlib.Path
    client_namespace: str
    client_connect: str  # ADDRESS:PORT in the client's namespace
    client_url: str = f"http://{HOST}"  # a path follows
    processes: dict = field(default_factory=dict)  # node (0 is A) -> process

    @property
    def pids(self):
        """Of every process, node A first; what works beside them are their threads."""
        return [self.processes[node].pid for node in sorted(self.processes)]

    def add(self, node, namespace, words, core):
        with open(self.folder / "ab"[node] / "log", "wb") as log:
            self.processes[node] = subprocess.Popen(
                ["ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(core),
                 *words], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def wait_ready(self):
        """Until a request through it was answered 200."""
        deadline = time.monotonic() + READY_SECONDS
        seen = ""
        while all(process.poll() is None for process in self.processes.values()):
            seen = self.ask("/1k")
            if seen == "200":
                return
            if time.monotonic() > deadline:
                raise PeerFailed(f"{self.peer.name} answered {seen} for {READY_SECONDS} s:\n{self.log_end()}")
            time.sleep(0.05)
        raise PeerFailed(f"{self.peer.name} ended by itself:\n{self.log_end()}")

    def ask(self, path):
        """Status of one request from the client's namespace, 000 where there was no answer."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.client_namespace, "curl", "-s", "-m", "5", "--noproxy", "*", "-o", "/dev/null",
             "-w", "%{http_code}", "--connect-to", f"::{self.client_connect}", self.client_url + path],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout

    def log_end(self):
        """The last lines of each node's log."""
        return "\n".join(f"{log}: {line}" for log in sorted(self.folder.glob("?/log"))
                         for line in log.read_text(errors="replace").splitlines()[-LOG_LINES:])

    def stop(self):
        """Ends every process; asks first. Nothing is left to wait for."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def tls_values(node, made):
    """The names that a node expects are fixed, whatever certificate the other one was given."""
    own, account = ((made.client, "server"), (made.server, "client"))[node]
    uri = certificates.uri_of(account)
    return {"ca": made.authority, "certificate": own.certificate, "key": own.key,
            "certificate_and_key": own.certificate_and_key, "other_dns": certificates.dns_of(account),
            "other_uri": uri, "other_uri_der_hex": certificates.uri_der_hex(uri)}


def missing(peer):
    """Why it cannot be had on this machine, or None."""
    return peer_programs.missing(peer.program)


def version(peer):
    return peer_programs.version(peer.program)


HAPROXY_NAMES = "A compares the DNS name, B the bytes of the URI name, once per connection."
PEERS = (
    Peer("haproxy-http", "haproxy", "hop", "http", "", (("haproxy-http.cfg", "haproxy-routes.map"),)),
    Peer("nginx-http", "nginx", "hop", "http", "", (("nginx-http.conf",),), "Counts per server, not per service."),
    Peer("envoy-http", "envoy", "hop", "http", "", (("envoy-http.yaml",),)),
    Peer("haproxy-tcp-pair", "haproxy", "pair", "l4", "",
         (("haproxy-tcp-a.cfg",), ("haproxy-tcp-b.cfg",)), HAPROXY_NAMES),
    Peer("haproxy-h1-pair", "haproxy", "pair", "http", "http/1.1",
         (("haproxy-http-a.cfg", "haproxy-routes.map"), ("haproxy-http-b.cfg",)), HAPROXY_NAMES),
    Peer("haproxy-h2-pair", "haproxy", "pair", "http", "h2",
         (("haproxy-http-a.cfg", "haproxy-routes.map"), ("haproxy-http-b.cfg",)), HAPROXY_NAMES),
    Peer("nginx-pair", "nginx", "pair", "http", "http/1.1", (("nginx-http-a.conf",), ("nginx-http-b.conf",)),
         "A compares the DNS name, B no name: any certificate of the authority. Counts per server, not per service."),
    Peer("stunnel-pair", "stunnel", "pair", "l4", "", (("stunnel-a.conf",), ("stunnel-b.conf",)),
         "Both compare the DNS name. A thread per connection, on one core, whose run time "
         "goes with it; counts nothing."),
    Peer("envoy-http-pair", "envoy", "pair", "http", "h2", (("envoy-http-a.yaml",), ("envoy-http-b.yaml",))),
    Peer("envoy-hbone-pair", "envoy", "pair", "l4", "h2", (("envoy-hbone-a.yaml",), ("envoy-hbone-b.yaml",))),
)
