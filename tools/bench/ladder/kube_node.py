"""kube_node: one node beside the stand-in API server, in namespaces of its own: kube-standin, hold, and agents.

`with KubeNode(bin_dir, folder) as node: node.generate(...); node.start_agent("a")`. Every process ends with the
thread that made the node, however that ended, and the namespaces with them: the maps, links and the bpffs too.
Blocking; one thread.
"""
import ctypes
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from urllib.parse import urlsplit

from ladder.mesh import MeshError, end

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
NODE = "node-0"  # as kube-standin calls the first one that it makes up
PATIENCE = 120  # seconds for an answer of the control API


def socket_in(pid, address):
    """A connected TCP socket of the network namespace of a process."""
    made = []

    def dial():
        with open(f"/proc/{pid}/ns/net", "rb") as namespace:
            if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.create_connection(address, PATIENCE))

    thread = threading.Thread(target=dial)  # only this thread moves
    thread.start()
    thread.join()
    if not made:
        raise MeshError(f"nobody answers at {address} in the namespace of process {pid}")
    made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made[0]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("agent", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class KubeNode:
    def __init__(self, bin_dir, folder):
        self.bin = bin_dir
        self.folder = folder
        self.processes = []
        self.room = None  # holds the namespaces
        self.agent = None
        self.api = self.control = None  # connections to the stand-in
        self.token = ""

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        for name in ("standin", "run", "bpf"):
            (self.folder / name).mkdir(parents=True)
        script = f"ip link set lo up && mount -t bpf bpf {self.folder}/bpf && echo up && exec sleep infinity"
        self.room = self.keep(["unshare", "--net", "--mount", "sh", "-c", script])
        if self.room.stdout.readline() != "up\n":
            raise MeshError("no namespaces: unshare, ip or mount failed")
        standin = self.inside(self.bin / "kube-standin", "serve", "--dir", self.folder / "standin")
        line = standin.stdout.readline()
        if not line.startswith("ready "):
            raise MeshError("kube-standin did not start")
        ready = json.loads(line.removeprefix("ready "))
        self.token = ready["token"]
        self.control = self.connect(ready["control"])
        self.api = self.connect(ready["api"])
        self.inside(self.bin / "keelson-hold", "--run-dir", self.folder / "run")

    def down(self):
        for connection in (self.api, self.control):
            if connection:
                connection.close()
        for process in reversed(self.processes):
            end(process)
        self.processes = []

    def keep(self, words):
        """A process that lives until down()."""
        process = subprocess.Popen([*ENDS_WITH_US, *map(str, words)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes.append(process)
        return process

    def inside(self, *words):
        return self.keep(["nsenter", "-t", self.room.pid, "-n", "-m", *words])

    def connect(self, url):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
        connection.sock = socket_in(self.room.pid, (parts.hostname, parts.port))
        if parts.scheme == "https":
            trust = ssl.create_default_context(cafile=str(self.folder / "standin/ca.crt"))
            connection.sock = trust.wrap_socket(connection.sock, server_hostname=parts.hostname)
        return connection

    @staticmethod
    def ask(connection, method, path, body=None, **headers):
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise MeshError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text) if text else None

    def steer(self, method, path, body=None):
        return self.ask(self.control, method, "/standin/" + path, body)

    def read(self, path):
        return self.ask(self.api, "GET", path, Authorization="Bearer " + self.token)

    def write(self, path, value):
        return self.ask(self.api, "PUT", path, value, Authorization="Bearer " + self.token)

    def start_agent(self, name):
        """A new agent, whose maps and state are those of earlier ones with this name."""
        state = self.folder / f"state-{name}"
        state.mkdir(exist_ok=True)
        self.agent = self.inside(
            self.bin / "keelson-agent", "--node", NODE, "--kubeconfig", self.folder / "standin/kubeconfig",
            "--run-dir", self.folder / "run", "--pin-dir", self.folder / "bpf" / name, "--state-dir", state,
            "--metrics-address", "off", "--runtime-socket", "off", "--log-level", "warn")
        return self.agent.pid

    def stop_agent(self):
        end(self.agent)
        self.processes.remove(self.agent)
        self.agent = None

    def forget(self, name):
        """The maps of an agent that has ended."""
        shutil.rmtree(self.pins(name))

    def pins(self, name):
        """The folder of its pins, as it is seen from here."""
        return f"/proc/{self.room.pid}/root{self.folder}/bpf/{name}"

    def tell(self, path):
        """(HTTP status, text) of the agent's answer; (0, "") when it does not answer."""
        connection = UnixConnection(self.folder / "run/agent.sock")
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def text(self, path):
        status, text = self.tell(path)
        if status != 200:
            raise MeshError(f"the agent answers {path} with {status}")
        return text

    def status(self):
        return json.loads(self.text("/v1/status"))

    def wait_ready(self, seconds, pause):
        """Until the agent says that all that it follows is in the kernel."""
        deadline = time.monotonic() + seconds
        while self.tell("/readyz")[0] != 200:
            if time.monotonic() > deadline:
                raise MeshError(f"the agent is not ready after {seconds} s: {self.tell('/readyz')[1]}")
            if self.agent.poll() is not None:
                raise MeshError(f"the agent has ended with {self.agent.returncode}")
            time.sleep(pause)
