"""Lab: starts, changes and ends the lab of a run, through the programs `lab` and `keelsonctl`.

Owns the lifeline: the lab's supervisor removes everything when this process is gone, however it ended.
Blocking; any thread. Does not judge what it sees.
"""
import json
import os
import pathlib
import subprocess
import threading
from dataclasses import dataclass

ROOT = pathlib.Path("/run/keelson-lab")
NODES = ("node1", "node2")


@dataclass(frozen=True)
class Pod:
    namespace: str
    node: str
    addresses: tuple


class Lab:
    def __init__(self, bin_dir):
        self.bin = bin_dir
        self.lifeline = None

    def up(self, manifests):
        """Empty when the lab is up, else why not."""
        report_read, report_write = os.pipe()
        lifeline_read, lifeline_write = os.pipe()
        supervisor = subprocess.Popen(
            [self.bin / "lab", "supervise", "--manifests", manifests, "--report-fd", str(report_write),
             "--lifeline-fd", str(lifeline_read)],
            pass_fds=(report_write, lifeline_read), start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        threading.Thread(target=supervisor.wait, daemon=True).start()  # no zombie for `lab down` to wait for
        os.close(report_write)
        os.close(lifeline_read)
        with os.fdopen(report_read) as report:
            text = report.read()
        if text != "up":
            os.close(lifeline_write)
            return text or f"{self.bin}/lab cannot be run"
        self.lifeline = lifeline_write
        return ""

    @property
    def is_ours(self):
        """It is up, and this run started it."""
        return self.lifeline is not None

    def down(self):
        """Empty when nothing of the lab is left, else what is."""
        code, text = self.lab("down")
        os.close(self.lifeline)
        self.lifeline = None
        left = [name for name in run("ip", "netns")[1].split() if name.startswith("keelson-lab-")]
        return text if code != 0 else ", ".join(left)

    def lab(self, *arguments, timeout=60):
        return run(self.bin / "lab", *arguments, timeout=timeout)

    def ctl(self, node, *arguments):
        return run(self.bin / "keelsonctl", "--node", node, *arguments)

    def status(self, node):
        try:
            return json.loads(self.ctl(node, "status", "-o", "json")[1])
        except ValueError:
            return {}

    def is_whole(self, node, pods_min=0):
        """The agent answers, has a proxy, and every pod that should be in the mesh is: at least so many."""
        status = self.status(node)
        pods = status.get("pods", {})
        return bool(status.get("ready")) and status.get("proxy", {}).get("connected", False) and \
            pods_min <= pods.get("ready", -1) == pods.get("meshed")

    def pods(self):
        """name -> Pod, as the lab tells."""
        found = {}
        for line in self.lab("status")[1].split("\n\n")[0].splitlines()[1:]:
            name, namespace, node, _, ip4, ip6 = line.split()[:6]
            found[name] = Pod(namespace, node, (ip4, ip6))
        return found

    def pids(self):
        """process -> pid, "-" while it does not run: "agent@node1", "pod:web/main"."""
        lines = self.lab("status")[1].split("\n\n")[-1].splitlines()
        return dict(line.split()[:2] for line in lines[1:])

    def pod_pids(self):
        """The processes of all pods: the same means that none was restarted."""
        return {name: pid for name, pid in self.pids().items() if name.startswith("pod:")}

    @staticmethod
    def log_file(node, component):
        return ROOT / node / "logs" / f"{component}.log"

    @staticmethod
    def load_socket(node, pod):
        return ROOT / node / "pods" / pod / "load.sock"


def run(*command, timeout=30):
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, start_new_session=True)
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} did not end within {timeout} s"
    return done.returncode, done.stdout.strip()
