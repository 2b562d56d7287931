"""instructions: user instructions of one routed HTTP/1.1 request, ours and HAProxy's, counted by callgrind.

Ours on in-memory streams (tests/instructions), without system calls, which are HAProxy's advantage of some hundred
instructions here; HAProxy under callgrind over loopback in a network namespace of its own, 1,000 routes, 8 connections,
N and 3N requests, the difference over 2N. Blocking.
"""
import contextlib
import subprocess

from budgets import callgrind
from ladder import manifests, mesh, peers

NAME = "instructions"
DESCRIPTION = "user instructions of a routed request, ours and HAProxy's"
NAMESPACE = "keelson-bench-count"
PEER = "haproxy-http"
PORT = 9000
REQUESTS = 1000
CONNECTIONS = 8
REPEATS = {"quick": 1, "full": 3}
READY_SECONDS = 60  # under callgrind


@contextlib.contextmanager
def namespace():
    """A network namespace with loopback only; whatever is in it when it ends was started here."""
    do("ip", "netns", "add", NAMESPACE)
    try:
        do("ip", "-n", NAMESPACE, "link", "set", "lo", "up")
        yield
    finally:
        do("ip", "netns", "del", NAMESPACE)


def do(*words):
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL, capture_output=True)


@contextlib.contextmanager
def process(*words):
    """A process in the namespace that is asked to end, and waited for; it ends with this one too."""
    started = subprocess.Popen(["ip", "netns", "exec", NAMESPACE, "setpriv", "--pdeathsig", "KILL",
                                *(str(word) for word in words)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        mesh.end(started)


def answers(client):
    """Whether a request through the peer is answered."""
    done = subprocess.run(client + ["--requests", "1", "--connections", "1"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    return '"ok":1,' in done.stdout


def count_peer(peer, client_program, folder, requests):
    """User instructions of a process that served so many requests (and one before)."""
    values = peer.values(0, f"127.0.0.1:{manifests.ORIGIN_PORT}", PORT, None)
    words = peer.configure(0, folder, values)
    out = folder / f"callgrind.{requests}"
    client = ["ip", "netns", "exec", NAMESPACE, str(client_program), "--url", f"http://{peers.HOST}/1k",
              "--connect", f"127.0.0.1:{PORT}", "--closed"]
    with process("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *words):
        if not mesh.Mesh.holds(lambda: answers(client), READY_SECONDS):
            raise peers.PeerFailed(f"{peer.name} under callgrind did not answer within {READY_SECONDS} s")
        do(*client, "--requests", requests, "--connections", CONNECTIONS)
    return callgrind.parse_summary(out.read_text())


def haproxy(bench, repeats):
    """Instructions per request, a figure for each repeat; None when it cannot be had."""
    peer = next(peer for peer in peers.PEERS if peer.name == PEER)
    if why := peers.missing(peer):
        bench.miss(f"{NAME}/haproxy", why)
        return None
    folder = bench.folder / NAME
    folder.mkdir(parents=True)
    manifests.write(folder)
    figures = []
    with namespace(), process("nginx", "-p", folder, "-e", "stderr", "-c", folder / "origin.conf"):
        for _ in range(repeats):
            few, many = (count_peer(peer, bench.client, folder, factor * REQUESTS) for factor in (1, 3))
            figures.append(callgrind.per_operation(few, many, REQUESTS))
    return figures


def line(variant, samples):
    return {"id": f"{NAME}/{variant}", "group": NAME, "variant": variant, "metric": "instructions", "unit": "1",
            "samples": samples}


def run(bench):
    repeats = REPEATS[bench.mode.name]
    driver = callgrind.Driver(bench.bin_dir.parent)
    lines = [line("h1_exchange", [driver.count()["h1_exchange"] for _ in range(repeats)])]
    figures = haproxy(bench, repeats)
    return lines + ([line("haproxy", figures)] if figures else [])
