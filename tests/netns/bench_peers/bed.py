"""Bed: two network namespaces, an nginx as origin in one of them, and a TLS client in the other.

For the test beside it. Everything is named keelson-bench-peers-*; down() leaves nothing, up() begins with it.
"""
import os
import pathlib
import select
import subprocess
import tempfile
import time

A, B = "keelson-bench-peers-a", "keelson-bench-peers-b"
ADDRESS_A, ADDRESS_B = "10.99.7.1", "10.99.7.2"
ORIGIN = f"{ADDRESS_B}:8080"
BODIES = {"1k": b"x" * 1024, "64k": b"y" * 65536}
PATIENCE = 10

ORIGIN_CONF = """\
daemon off;
master_process off;
pid pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{ listen {origin}; root .; }}
}}
"""
H2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # preface, empty SETTINGS
H1_HELLO = b"GET /1k HTTP/1.1\r\nHost: svc-0500.shop\r\n\r\n"


class Bed:
    def __init__(self):
        self.origin = None
        self.temporary = tempfile.TemporaryDirectory(prefix="keelson-bench-peers-")
        self.folder = pathlib.Path(self.temporary.name)

    def up(self):
        remove_namespaces()
        for words in (f"netns add {A}", f"netns add {B}", f"-n {A} link add node type veth peer name node netns {B}"):
            ip(*words.split())
        for namespace, address in ((A, ADDRESS_A), (B, ADDRESS_B)):
            ip("-n", namespace, "address", "add", f"{address}/30", "dev", "node")
            for device in ("lo", "node"):
                ip("-n", namespace, "link", "set", device, "up")
        home = self.folder / "origin"
        home.mkdir()
        for name, body in BODIES.items():
            (home / name).write_bytes(body)
        (home / "origin.conf").write_text(ORIGIN_CONF.format(origin=ORIGIN).replace("root .", f"root {home}"))
        self.origin = subprocess.Popen(inside(B, "nginx", "-p", home, "-e", "stderr", "-c", home / "origin.conf"))

    def down(self):
        if self.origin:
            self.origin.kill()
            self.origin.wait()
        remove_namespaces()
        self.temporary.cleanup()

    @staticmethod
    def get(connect, url):
        """(status, body) of a request from the client's namespace."""
        done = subprocess.run(inside(A, "curl", "-s", "-m", PATIENCE, "--noproxy", "*", "-w", "%{stderr}%{http_code}",
                                     "--connect-to", f"::{connect}", url), capture_output=True)
        return done.stderr.decode(), done.stdout

    @staticmethod
    def page(namespace, port, path):
        """What a peer shows of its counters."""
        return subprocess.run(inside(namespace, "curl", "-s", "-m", PATIENCE, "--noproxy", "*",
                                     f"http://127.0.0.1:{port}{path}"), capture_output=True, text=True).stdout


def speak_tls(connect, protocol, authority, leaf=None):
    """(first bytes that a TLS server answers to a hello in `protocol`, what openssl says of the session).

    No bytes where the server ended the connection, or said nothing for the time of our patience.
    """
    words = ["openssl", "s_client", "-connect", connect, "-CAfile", authority, "-brief"]
    words += ["-alpn", protocol] if protocol else []
    words += ["-cert", leaf.certificate, "-key", leaf.key] if leaf else []
    client = subprocess.Popen(inside(A, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        client.stdin.write(H2_HELLO if protocol == "h2" else H1_HELLO)
        client.stdin.flush()
        ready = select.select([client.stdout], [], [], PATIENCE)[0]
        got = os.read(client.stdout.fileno(), 65536) if ready else b""
    except BrokenPipeError:
        got = b""
    finally:
        client.kill()
        said = client.communicate()[1].decode(errors="replace")
    return got, said


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def inside(namespace, *words):
    return ["ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", *map(str, words)]


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def remove_namespaces():
    for namespace in (A, B):
        if os.path.exists(f"/run/netns/{namespace}"):
            ip("netns", "delete", namespace)
