"""bed: the lab of the ladder: two nodes, meshed and unmeshed pods, 1,000 routed Services, one congestion control.

Owns a Mesh (which see for how it ends). Blocking; one thread.
"""
import pathlib

from ladder import manifests, sampler
from ladder.mesh import Mesh

PREFIX = "keelson-bench"
WANTED_CONGESTION_CONTROL = "cubic"
FALLBACK_CONGESTION_CONTROL = "reno"  # always there, and allowed in every namespace
ALLOWED = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def choose_congestion_control(allowed):
    """A namespace may only be given one that is allowed to unprivileged users, whoever asks."""
    return WANTED_CONGESTION_CONTROL if WANTED_CONGESTION_CONTROL in allowed.split() else FALLBACK_CONGESTION_CONTROL


class Bed:
    def __init__(self, bin_dir, folder, prefix=PREFIX):
        self.bin = pathlib.Path(bin_dir)
        self.folder = folder
        self.congestion_control = choose_congestion_control(ALLOWED.read_text())
        self.mesh = Mesh(bin_dir, prefix, options=(
            "--proxy-workers", "1", "--sysctl", f"ipv4/tcp_congestion_control={self.congestion_control}"))
        self.nodes = {name: node for name, _, node, _ in manifests.PODS}
        self.pods = {}  # name -> address
        self.started = {}  # process -> pid

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.mesh.down()
            raise
        return self

    def __exit__(self, *_):
        self.mesh.down()

    def up(self):
        self.folder.mkdir(parents=True)
        manifests.write(self.folder)
        self.mesh.up(self.folder)
        self.pods = self.mesh.pods()
        self.started = self.mesh.pids()

    def netns(self, pod):
        return self.mesh.netns(self.nodes[pod], pod)

    def origin_pids(self, pod):
        return sampler.family(self.started[f"pod:{pod}/origin"])

    def proxy_pids(self, *nodes):
        return [self.started[f"proxy@{node}"] for node in nodes]

    def service_address(self, service):
        return self.mesh.service_address("bench", service)

    def restarted(self):
        """Processes that are not the ones that the bed started with."""
        now = self.mesh.pids()
        return sorted(name for name, pid in self.started.items() if now.get(name) != pid)
