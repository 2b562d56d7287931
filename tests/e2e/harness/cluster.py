"""Cluster: brings two nodes up and takes everything down again, also what a run that crashed left behind.

Blocking; one command at a time works on a cluster (its lock file). Owns no process: the nodes live on until `down`.
"""
import concurrent.futures
import contextlib
import fcntl
import json
import os
import shutil

from harness import crds, images, keys, network
from harness.command import attempt, run
from harness.kubectl import Kubectl
from harness.layout import API_SERVICE_IP, STATE
from harness.nodes import Nodes
from harness.programs import OF_A_CLUSTER, Programs, cache_folder
from harness.record import Record
from harness.services import CONTROL_PLANE, EVERY_NODE
from harness.trouble import Trouble
from harness.versions import HERE, ROOT

NEEDED = ["/bin/busybox", "bash", "bpftool", "cc", "containerd", "conntrack", "ctr", "curl", "ip", "ipset", "iptables",
          "jq", "mount", "nft", "nsenter", "openssl", "readelf", "runc", "socat", "unshare", "zstd"]
KUBE_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
API_SECONDS_MAX, NODE_SECONDS_MAX, DNS_SECONDS_MAX, IMPORT_SECONDS_MAX = 90, 90, 90, 120
WRAPPER = """\
#!/bin/sh
# {name} for the end-to-end cluster "{cluster}"; gone with `tests/e2e/cluster down`.
echo $$ > {outside}/cgroup.procs || exit 1
exec nsenter --net=/run/netns/{netns} env NO_PROXY='*' KUBECONFIG={kubeconfig} {environment}{program} "$@"
"""


class Cluster:
    def __init__(self, layout, progress, is_unified=False, proxy_mode="nftables"):
        self.layout, self._progress = layout, progress
        self.record = Record(layout.record_file)
        self.nodes = Nodes(layout, is_unified, proxy_mode)
        self.kubectl = Kubectl(layout.bin / "kubectl")
        self._settings = {"cgroups": "unified" if is_unified else "hybrid", "kube-proxy": proxy_mode}

    @property
    def is_up(self):
        """It came up whole, and its nodes still run."""
        return (self.layout.state / "up.json").exists() and all(map(self.nodes.is_up, self.layout.nodes))

    def helm(self, *arguments, seconds_max=120):
        """Standard output of the real helm."""
        return run(self.layout.bin / "helm", *arguments, seconds_max=seconds_max)

    def on_node(self, node, *command, seconds_max=60):
        """Exit status, standard output and standard error of a command in all namespaces of a node."""
        return attempt(*self.nodes.inside(node, command), seconds_max=seconds_max)

    @property
    def settings(self):
        return json.loads((self.layout.state / "up.json").read_text())

    def up(self):
        check_machine()
        built = Programs(self._progress).provide(OF_A_CLUSTER)
        gateway_api = crds.gateway_api(cache_folder())
        with self._lock():
            if self.is_up:
                raise Trouble(f"cluster {self.layout.name} is up already: use it, or `tests/e2e/cluster down` first")
            self._remove_leftovers()
            self._make_state(built)
            self._start_nodes()
            self._start_kubernetes()
            self._add_ons(gateway_api)
            (self.layout.state / "up.json").write_text(json.dumps(self._settings))
        self._progress.tell("up")

    def down(self):
        with self._lock():
            self.record.remove_all()
        self._progress.tell("down, nothing left")

    @contextlib.contextmanager
    def _lock(self):
        STATE.mkdir(parents=True, exist_ok=True)
        with open(self.layout.lock_file, "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.samestat(os.fstat(file.fileno()), os.stat(self.layout.lock_file)):
                    raise BlockingIOError  # the one before removed it just now
            except (BlockingIOError, FileNotFoundError):
                raise Trouble(f"another command works on cluster {self.layout.name}, it locks {self.layout.lock_file}: "
                              "wait for it, or choose another --name") from None
            yield
            if not self.record.entries():
                self.layout.lock_file.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    STATE.rmdir()  # other clusters keep it

    def _remove_leftovers(self):
        if self.record.entries():
            self._progress.tell("removing what an earlier run left")
            self.record.remove_all()

    def _make_state(self, built):
        layout = self.layout
        with self._progress.step("keys, images, network"):
            self.record.add("tmpfs", layout.state)
            layout.state.mkdir(parents=True)
            run("mount", "-t", "tmpfs", "-o", "mode=755,size=75%", layout.prefix, layout.state)
            for folder in (layout.bin, layout.programs):
                folder.mkdir()
            keys.make(layout)
            pause = images.build_pause(ROOT / "build" / "e2e")
            images.build(layout.images, pause, built["coredns"])
            network.make(layout, self.record)
            self.nodes.make_cgroups(self.record)
            self._link_programs(built, pause)
            self._write_wrappers(built)

    def _link_programs(self, built, pause):
        shutil.copy(pause, self.layout.programs / "pause")
        for name in KUBE_PROGRAMS:
            (self.layout.programs / name).symlink_to(built["kube"])
        (self.layout.programs / "etcd").symlink_to(built["etcd"])

    def _write_wrappers(self, built):
        helm_folder = self.layout.state / "helm"
        homes = "".join(f"HELM_{kind}_HOME={helm_folder} " for kind in ("CACHE", "CONFIG", "DATA"))
        tools = (("kubectl", self.layout.programs / "kubectl", ""), ("helm", built["helm"], homes))
        for name, program, environment in tools:
            path = self.layout.bin / name
            path.write_text(WRAPPER.format(
                name=name, cluster=self.layout.name, outside=self.nodes.v2 / "outside",
                netns=self.layout.control_plane.netns, kubeconfig=self.layout.kubeconfig("admin"),
                environment=environment, program=program))
            path.chmod(0o755)

    def _shared(self):
        layout = self.layout
        return [layout.pki, layout.kubeconfig(""), layout.programs, layout.images, cache_folder() / "bin"]

    def _start_nodes(self):
        with self._progress.step("starting nodes: " + ", ".join(node.name for node in self.layout.nodes)):
            for node in self.layout.nodes:
                self.nodes.write_files(node)
                self.nodes.start(node, self._shared(), self.layout.programs / "pause")
                self.nodes.start_program(node, "containerd")

    def restart_node(self, node):
        """Power off and on: every process ends at once, the disk stays."""
        self.nodes.stop(node)
        self.nodes.start(node, self._shared(), self.layout.programs / "pause")
        of_control_plane = CONTROL_PLANE if node == self.layout.control_plane else ()
        for name in ("containerd", *of_control_plane):
            self.nodes.start_program(node, name)
        self._wait_for_runtime(node)  # a kubelet that finds none ends, and nothing here starts it again
        for name in ("kubelet", "kube-proxy"):
            self.nodes.start_program(node, name)

    @contextlib.contextmanager
    def without_api_server(self):
        """API server and controller manager are gone while the block lasts.

        A controller manager that elects its leader, as clusters have it, ends when it cannot renew its lease, and
        judges the nodes anew when it is back. The one here elects none: left alone it takes all nodes for lost, by
        what it knew before, and calls every pod not ready; then no Service has an endpoint, with or without a mesh.
        """
        first = self.layout.control_plane
        for name in ("kube-controller-manager", "kube-apiserver"):
            self.nodes.stop_program(first, name)
        try:
            yield
        finally:
            self.nodes.start_program(first, "kube-apiserver")
            self._progress.wait("the API server", API_SECONDS_MAX, self.is_api_ready)
            self.nodes.start_program(first, "kube-controller-manager")  # ends when nobody answers it for 10 s

    def _start_kubernetes(self):
        first = self.layout.control_plane
        for name in ("etcd", "kube-apiserver"):
            self.nodes.start_program(first, name)
        with self._progress.step("importing images while the API server starts"):
            for node in self.layout.nodes:
                self._wait_for_runtime(node)
            self.import_images(sorted(self.layout.images.glob("*.tar")))
            self._progress.wait("the API server", API_SECONDS_MAX, self.is_api_ready)
        for name in ("kube-controller-manager", "kube-scheduler"):
            self.nodes.start_program(first, name)
        for node in self.layout.nodes:
            for name in ("kubelet", "kube-proxy"):
                self.nodes.start_program(node, name)

    def _wait_for_runtime(self, node):
        self._progress.wait(f"containerd on {node.name}", NODE_SECONDS_MAX, lambda: self._has_runtime(node))

    def _has_runtime(self, node):
        code, _, err = attempt(*self.nodes.inside(node, ["ctr", "version"]), seconds_max=10)
        return code == 0, err.strip()[-200:]

    def is_api_served(self, node):
        """Whether the API server's Service answers on a node, and why not."""
        url = f"https://{API_SERVICE_IP}/readyz"
        code, _, err = self.on_node(node, "curl", "-sk", "-o", "/dev/null", "-m", "2", url)
        return code == 0, err.strip()

    def is_api_ready(self):
        """Whether the API server answers, and why not; Trouble when it or its store has ended."""
        first = self.layout.control_plane
        for name in ("etcd", "kube-apiserver"):
            if not self.nodes.is_running(first, name):
                raise Trouble(f"{name} ended, see {first.folder}/{name}.log")
        code, _, err = self.kubectl.attempt("get", "--raw", "/readyz", seconds_max=10)
        return code == 0, err.strip()[-200:]

    def import_images(self, archives):
        """Docker or OCI archives, into both nodes at once."""
        def import_one(node):
            command = self.nodes.inside(node, ["ctr", "-n", "k8s.io", "images", "import", "-"])
            for archive in archives:
                # The file is the machine's: a node sees its own root.
                with open(archive, "rb") as file:
                    code, _, error = attempt(*command, stdin=file, seconds_max=IMPORT_SECONDS_MAX)
                if code != 0:
                    raise Trouble(f"containerd on {node.name} does not take {archive}: {error.strip()}")

        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(import_one, node) for node in self.layout.nodes]:
                done.result()

    def _add_ons(self, gateway_api):
        with self._progress.step("CoreDNS, Gateway API CRDs, nodes ready"):
            self.kubectl.apply(HERE / "manifests" / "coredns.yaml", gateway_api)
            for node in self.layout.nodes:
                self._progress.wait(f"{node.name} to register", NODE_SECONDS_MAX, lambda n=node: self._is_registered(n))
                spec = {"spec": {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]}}
                self.kubectl("patch", "node", node.name, "-p", json.dumps(spec))
            self._progress.wait("the nodes to be ready", NODE_SECONDS_MAX, self._are_nodes_ready)
            self._progress.wait("CoreDNS", DNS_SECONDS_MAX, self._has_dns)

    def _is_registered(self, node):
        code, _, err = self.kubectl.attempt("get", "node", node.name)
        return code == 0, err.strip()

    def _are_nodes_ready(self):
        reasons = []
        for node in self.kubectl.json("get", "nodes")["items"]:
            ready = [c for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
            if not ready or ready[0]["status"] != "True":
                reasons.append(f"{node['metadata']['name']}: {ready[0]['message'] if ready else 'no status'}")
        return not reasons, "; ".join(reasons)

    def _has_dns(self):
        status = self.kubectl.json("-n", "kube-system", "get", "deployment", "coredns")["status"]
        return status.get("readyReplicas", 0) >= 1, f"{status.get('readyReplicas', 0)} of 1 ready"

    def missing_programs(self):
        """["kubelet on node2", ...]: what should run and does not."""
        wanted = [(self.layout.control_plane, name) for name in CONTROL_PLANE]
        wanted += [(node, name) for node in self.layout.nodes for name in EVERY_NODE]
        return [f"{name} on {node.name}" for node, name in wanted if not self.nodes.is_running(node, name)]


def check_machine():
    if os.geteuid() != 0:
        raise Trouble("the end-to-end tests need root: they make namespaces, mounts and control groups")
    if not os.path.exists("/proc/sys/net/bridge"):
        raise Trouble("this kernel does not filter bridged packets, which Services need: modprobe br_netfilter")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise Trouble(f"missing programs: {', '.join(missing)}: run tools/setup tests/e2e/packages.txt")
