"""Feed: the threads that bring observations into a Book: load clients, flow events of both agents, access
logs of both proxies, the tap on the link. Each survives the end of what it reads from and starts again.
"""
import json
import pathlib
import socket
import subprocess
import threading
import time

from live.book import Call
from live.lab import NODES

DEMO = pathlib.Path(__file__).resolve().parent.parent / "demo"
CARD = "4111-1111-1111-1111"  # what must never be readable between the nodes
RETRY = 0.1


class Feed:
    def __init__(self, lab, book, loaded_pods):
        self.lab, self.book = lab, book
        self.is_over = threading.Event()
        self.children = {}
        jobs = [(self.read_load, pod) for pod in loaded_pods]
        jobs += [(self.read_flows, node) for node in NODES] + [(self.read_access_log, node) for node in NODES]
        jobs.append((self.read_wire, NODES[1]))
        self.threads = [threading.Thread(target=self.keep, args=job, daemon=True) for job in jobs]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over.set()
        for child in list(self.children.values()):
            child.terminate()
        for thread in self.threads:
            thread.join(2)

    def keep(self, read, what):
        while not self.is_over.is_set():
            try:
                read(what)
            except OSError:
                pass  # not there yet, or gone: the next turn tells
            self.is_over.wait(RETRY)

    def lines_of(self, command):
        """JSON objects that a command prints, until it ends."""
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        self.children[threading.get_ident()] = child
        with child:
            for line in child.stdout:
                if self.is_over.is_set():
                    break
                yield json.loads(line)
            child.terminate()

    def read_load(self, pod):
        with socket.socket(socket.AF_UNIX) as load:
            load.settimeout(1)
            load.connect(str(self.lab.load_socket(self.book.pods[pod].node, pod)))
            for line in load.makefile():
                report = json.loads(line)
                self.book.add_calls((report["from"], report["to"]), report["waiting"],
                                    [Call(*call) for call in report["done"]])
                if self.is_over.is_set():
                    break

    def read_flows(self, node):
        began = time.monotonic()
        self.book.observing(node, began)  # speaks for silence only after a while: see Book
        try:
            for flow in self.lines_of([self.lab.bin / "keelsonctl", "--node", node, "observe", "-f", "--last", "0",
                                       "-o", "json"]):
                self.book.add_flow(flow, time.monotonic())
        finally:
            self.book.observing(node, None)
            self.is_over.wait(max(0.0, began + RETRY - time.monotonic()))

    def read_access_log(self, node):
        with open(self.lab.log_file(node, "proxy"), encoding="utf-8", errors="replace") as log:
            while not self.is_over.is_set():
                line = log.readline()
                if not line:
                    self.is_over.wait(RETRY)
                elif line.startswith("{") and line.endswith("}\n"):
                    self.book.add_access(json.loads(line), time.monotonic())

    def read_wire(self, node):
        for report in self.lines_of([self.lab.bin / "lab", "exec", node, "--", "/usr/bin/python3", DEMO / "wire.py",
                                     "eth0", CARD]):
            self.book.add_frames(report, time.monotonic())
