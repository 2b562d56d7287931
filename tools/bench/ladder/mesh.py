"""mesh: a lab of a scenario's own, under a prefix of its own: up, commands in its pods, objects, down.

Owns the lifeline: the lab's supervisor removes everything when this process is gone, however it ended.
Blocking; one thread. Does not measure anything.
"""
import json
import os
import pathlib
import subprocess
import threading
import time

from ladder import sampler

READY_SECONDS = 30


class MeshError(Exception):
    """The lab, or something in it, is not as it should be; says what."""


class Mesh:
    """`with Mesh(bin_dir, "keelson-lab-x") as mesh: mesh.up(folder)`; what is left goes at the end."""

    def __init__(self, bin_dir, prefix, nodes=("node1", "node2"), options=()):
        self.bin = pathlib.Path(bin_dir)
        self.prefix = prefix
        self.nodes = nodes
        self.options = options
        self.root = pathlib.Path("/run") / prefix
        self.lifeline = None
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def up(self, manifests):
        """Returns when every pod of `manifests` is ready and the agents have a proxy."""
        report_read, report_write = os.pipe()
        lifeline_read, self.lifeline = os.pipe()
        supervisor = subprocess.Popen(
            [self.bin / "lab", "--prefix", self.prefix, "supervise", "--nodes", ",".join(self.nodes), *self.options,
             "--manifests", manifests, "--report-fd", str(report_write), "--lifeline-fd", str(lifeline_read)],
            pass_fds=(report_write, lifeline_read), start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"KEELSON_BIN": str(self.bin)})  # also where that is a folder of links
        threading.Thread(target=supervisor.wait, daemon=True).start()  # no zombie for `lab down` to wait for
        os.close(report_write)
        os.close(lifeline_read)
        with os.fdopen(report_read) as report:
            text = report.read()
        if text != "up":
            raise MeshError(f"lab {self.prefix}: {text or 'did not start'}")
        for node in self.nodes:
            self.wait(lambda: self.is_whole(node), f"{node} is not ready")

    def down(self):
        for process in self.started:
            end(process)
        self.started = []
        if self.lifeline is None:
            return
        subprocess.run([self.bin / "lab", "--prefix", self.prefix, "down"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
        os.close(self.lifeline)
        self.lifeline = None

    def netns(self, node, pod=""):
        return "-".join(part for part in (self.prefix, node, pod) if part)

    def argv(self, node, pod, *command, cpu=None, priority=None):
        """The command that runs `command` as a process of a pod (pod "": of the node).

        The network namespace is enough: the kernel programs know a pod by it.
        """
        words = ["ip", "netns", "exec", self.netns(node, pod)]
        if cpu is not None:
            words += ["taskset", "-c", str(cpu)]
        if priority is not None:
            words += ["chrt", "-f", str(priority)]
        return words + [str(word) for word in command]

    def run(self, node, pod, *command, timeout=120, **where):
        """Standard output of a command in a pod that ended well."""
        done = subprocess.run(self.argv(node, pod, *command, **where), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise MeshError(f"{pod or node}: {command[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def start(self, node, pod, *command, keep_output=False, **where):
        """A process in a pod, which lives until down() or end(); with keep_output its output and error are pipes."""
        stream = subprocess.PIPE if keep_output else subprocess.DEVNULL
        process = subprocess.Popen(self.argv(node, pod, *command, **where), stdin=subprocess.DEVNULL,
                                   stdout=stream, stderr=stream, text=True, start_new_session=True)
        self.started.append(process)
        return process

    def put(self, name, text):
        """Gives both agents an object file; the CLOCK_MONOTONIC nanoseconds of its arrival."""
        temporary = self.root / "scratch" / name
        temporary.write_text(text)
        arrival = time.monotonic_ns()
        os.rename(temporary, self.root / "objects" / name)
        return arrival

    def drop(self, name):
        arrival = time.monotonic_ns()
        (self.root / "objects" / name).unlink()
        return arrival

    def pods(self):
        """name -> address, as the lab tells."""
        lines = self.lab("status").split("\n\n")[0].splitlines()[1:]
        return {line.split()[0]: line.split()[4] for line in lines}

    def service_address(self, ns, service):
        """A Service's first ClusterIP, from the name resolution that the pods of its namespace get."""
        for line in (self.root / "hosts" / ns).read_text().splitlines():
            address, *names = line.split()
            if service in names:
                return address
        raise MeshError(f"the lab has no Service {ns}/{service}")

    def trim_logs(self):
        """Empties the proxies' access logs: they are in memory, and load writes tens of megabytes in seconds."""
        for node in self.nodes:
            os.truncate(self.root / node / "logs" / "proxy.log", 0)

    def pids(self):
        """process -> pid: "agent@node1", "proxy@node1", "pod:web/main"."""
        lines = self.lab("status").split("\n\n")[-1].splitlines()[1:]
        return {name: int(pid) for name, pid in (line.split()[:2] for line in lines) if pid != "-"}

    def status(self, node):
        done = subprocess.run([self.bin / "keelsonctl", "--run-dir", self.root / node / "run", "-o", "json", "status"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {}

    def is_whole(self, node):
        status = self.status(node)
        pods = status.get("pods", {})
        return bool(status.get("ready")) and status.get("proxy", {}).get("connected", False) and \
            pods.get("ready", -1) == pods.get("meshed")

    def metrics(self, node):
        """Text of the agent's /metrics."""
        return self.run(node, "", "curl", "-sS", "-m", "5", "http://127.0.0.1:15020/metrics")

    def lab(self, *arguments):
        done = subprocess.run([self.bin / "lab", "--prefix", self.prefix, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise MeshError(f"lab {arguments[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def restart_proxies(self):
        """Returns when every node has a new proxy that its agent knows."""
        before = self.pids()
        proxies = [f"proxy@{node}" for node in self.nodes]
        for node in self.nodes:
            self.lab("kill", "proxy", node)

        def are_new():
            now = self.pids()
            return all(now.get(proxy, before[proxy]) != before[proxy] for proxy in proxies) and \
                all(self.is_whole(node) for node in self.nodes)

        self.wait(are_new, "the proxies are not back")

    def pin(self, core, *processes):
        """Every thread of these processes of the lab onto one core."""
        pids = self.pids()
        for process in processes:
            sampler.pin(pids[process], core)

    @staticmethod
    def holds(condition, seconds):
        """Whether `condition()` holds before so many seconds have passed."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def wait(self, condition, what, seconds=READY_SECONDS):
        if not self.holds(condition, seconds):
            raise MeshError(f"{what} after {seconds} s")


def end(process):
    """Ends a process that was started here, and waits for it."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
