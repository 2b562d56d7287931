"""Nodes: starts, stops and enters the namespaces of a node and runs its programs there.

A node is process 1 (node.sh) in namespaces of its own and in a control group of its own; its programs are started into
both from outside, each in a folder `system/NAME` of the v2 hierarchy, so that each can be ended alone.
"""
import os
import subprocess
import time

from harness import cgroups, node_files, services
from harness.command import attempt, run
from harness.trouble import Trouble
from harness.versions import HERE

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
# Waits for its place: a process that was moved into its groups before it does anything cannot be lost sight of.
GATE = 'read -r _ <&"$1" || exit 125; eval "exec $1<&-"; shift; exec "$@"'
RUNC_WITHOUT_LIMITS = HERE / "runc-without-limits"


class Nodes:
    def __init__(self, layout, is_unified, proxy_mode="nftables"):
        self._layout, self._is_unified, self._proxy_mode = layout, is_unified, proxy_mode
        self._hierarchies = cgroups.hierarchies()
        if not self._hierarchies or not self._hierarchies[0].is_v2:
            raise Trouble("no cgroup2 is mounted on this machine: mount one (mount -t cgroup2 cgroup2 FOLDER)")
        self._v2 = self._hierarchies[0].path / layout.prefix

    @property
    def v2(self):
        """The cluster's folder in the v2 hierarchy."""
        return self._v2

    @property
    def has_controllers(self):
        """The v2 hierarchy can limit CPU and memory (it cannot where v1 hierarchies have the controllers)."""
        available = (self._hierarchies[0].path / "cgroup.controllers").read_text().split()
        return {"cpu", "memory"} <= set(available)

    def make_cgroups(self, record):
        for hierarchy in reversed(self._hierarchies):  # v2 last, to be removed first: that ends the processes
            top = hierarchy.path / self._layout.prefix
            record.add("cgroup", top)
            cgroups.make(top, hierarchy)
        for node in self._layout.nodes:
            self._make_groups_of(node)
        cgroups.make(self._v2 / "outside", self._hierarchies[0])

    def _make_groups_of(self, node):
        for hierarchy in self._hierarchies:
            cgroups.make(hierarchy.path / self._layout.prefix / node.name, hierarchy)

    def write_files(self, node):
        for folder in ("upper", "work"):
            (node.disk / folder).mkdir(parents=True)
        contents = node_files.files(self._layout, node, self._proxy_mode, self.has_controllers or not self._is_unified)
        node_files.write(node.disk / "upper", contents)
        script = node.disk / "upper" / node_files.RUNC_WITHOUT_LIMITS.lstrip("/")
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_bytes(RUNC_WITHOUT_LIMITS.read_bytes())
        script.chmod(0o755)

    def start(self, node, shared, pause):
        """Process 1 of the node; returns when its root is there."""
        (node.disk / "up").unlink(missing_ok=True)
        command = ["nsenter", f"--net=/run/netns/{node.netns}", "unshare", "--fork", "--kill-child", "--pid", "--mount",
                   "--uts", "--ipc", "--cgroup", "bash", str(HERE / "node.sh"), node.name, str(node.disk),
                   ":".join(str(folder) for folder in shared), self._cgroup_argument(), str(pause)]
        groups = [hierarchy.path / self._layout.prefix / node.name for hierarchy in self._hierarchies]
        process = self._start(groups, command, node.folder / "node.log")
        until = time.monotonic() + START_SECONDS_MAX
        while not (first := self._first_pid(node)):
            if process.poll() is not None or time.monotonic() > until:
                raise Trouble(f"{node.name} does not start, see {node.folder}/node.log:\n"
                              + (node.folder / "node.log").read_text()[-2000:])
            time.sleep(0.02)
        # The waiting parent of process 1 leaves the node's folder: inner folders of cgroup v2 hold no process.
        cgroups.enter(self._v2 / "outside", process.pid)
        (node.folder / "pid").write_text(str(first))

    def _cgroup_argument(self):
        v1 = [hierarchy for hierarchy in self._hierarchies if not hierarchy.is_v2]
        if self._is_unified or not v1:
            return "unified"
        return ":".join(f"{hierarchy.path.name}={hierarchy.options}" for hierarchy in v1)

    def _first_pid(self, node):
        """0 until node.sh is through and nothing but process 1 is left of it."""
        group = self._v2 / node.name / "system" / "init"
        is_through = (node.disk / "up").exists() and (node.disk / "up").read_text()
        alone = cgroups.pids(group) if is_through else []
        return alone[0] if len(alone) == 1 else 0

    def enter_command(self, node, command):
        """What runs a command inside all namespaces of a node."""
        pid = (node.folder / "pid").read_text()
        path = f"{self._layout.programs}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
        environment = ["env", "-u", "KUBECONFIG", "NO_PROXY=*", f"PATH={path}"]
        return ["nsenter", "-a", "-t", pid, *environment, *map(str, command)]

    def inside(self, node, command):
        """The same for callers that are not of the cluster yet: also enters the node's control group."""
        group = self._v2 / node.name / "system" / "commands"
        group.mkdir(parents=True, exist_ok=True)
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        return ["bash", "-c", enter, str(group), *self.enter_command(node, command)]

    def start_program(self, node, name, *flags):
        command = [*services.command(self._layout, node, name), *flags]
        group = self._v2 / node.name / "system" / name
        group.mkdir(parents=True, exist_ok=True)
        groups = [group, *(hierarchy.path / self._layout.prefix / node.name for hierarchy in self._hierarchies[1:])]
        self._start(groups, self.enter_command(node, command), node.folder / f"{name}.log")

    def stop_program(self, node, name):
        """Asks it to end, then makes it."""
        group = self._v2 / node.name / "system" / name
        for pid in cgroups.pids(group):
            try:
                os.kill(pid, 15)
            except ProcessLookupError:
                continue
        until = time.monotonic() + STOP_SECONDS_MAX
        while cgroups.pids(group) and time.monotonic() < until:
            time.sleep(0.05)
        self.kill_program(node, name)

    def kill_program(self, node, name):
        """Ends it at once: it says good-bye to nobody."""
        if problem := cgroups.kill(self._v2 / node.name / "system" / name):
            raise Trouble(f"{name} on {node.name} does not end: {problem}")

    def is_running(self, node, name):
        return bool(cgroups.pids(self._v2 / node.name / "system" / name))

    def is_up(self, node):
        return bool(cgroups.pids(self._v2 / node.name / "system" / "init"))

    def stop(self, node):
        """Ends all processes of a node at once, as a power cut does: its disk stays, and nothing else of it."""
        for hierarchy in self._hierarchies:
            if problem := cgroups.remove(hierarchy.path / self._layout.prefix / node.name):
                raise Trouble(f"{node.name} does not end: {problem}")
        self._make_groups_of(node)
        attempt("ip", "-n", node.netns, "link", "del", "cni0")  # there is none before the first pod
        run("ip", "netns", "exec", node.netns, "nft", "flush", "ruleset")

    def _start(self, groups, command, log):
        log.parent.mkdir(parents=True, exist_ok=True)
        read_end, write_end = os.pipe()
        with open(log, "ab") as file:
            process = subprocess.Popen(["bash", "-c", GATE, "gate", str(read_end), *command],
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=file, pass_fds=(read_end,),
                                       start_new_session=True)
        os.close(read_end)
        try:
            for group in groups:
                cgroups.enter(group, process.pid)
            os.write(write_end, b"\n")
        finally:
            os.close(write_end)
        return process
