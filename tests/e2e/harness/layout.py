"""Layout: the names and addresses of one cluster. Two clusters with different names share nothing.

Addresses exist only inside the cluster's own network namespaces, so that every cluster may have the same.
"""
import pathlib
import re
from dataclasses import dataclass

from harness.trouble import Trouble

STATE = pathlib.Path("/run/keelson-e2e")
SERVICE_CIDR, POD_CIDR = "10.96.0.0/16", "10.244.0.0/16"
API_SERVICE_IP, DNS_IP = "10.96.0.1", "10.96.0.10"
HUB_IP = "10.99.0.254"
API_PORT = 6443
NAME_LENGTH_MAX = 20


@dataclass(frozen=True)
class Node:
    number: int
    netns: str
    folder: pathlib.Path  # its logs and configuration
    disk: pathlib.Path    # what survives a restart of the node

    @property
    def name(self):
        return f"node{self.number}"

    @property
    def ip(self):
        return f"10.99.0.{self.number}"

    @property
    def pod_cidr(self):
        return f"10.244.{self.number}.0/24"


@dataclass(frozen=True)
class Layout:
    name: str

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name) or len(self.name) > NAME_LENGTH_MAX:
            raise Trouble(f"'{self.name}' is no cluster name: a-z, 0-9 and '-', at most {NAME_LENGTH_MAX}")

    @property
    def prefix(self):
        """Begins the name of everything that can be seen from outside: namespaces, cgroups."""
        return f"keelson-e2e-{self.name}"

    @property
    def state(self):
        return STATE / self.name

    @property
    def record_file(self):
        return STATE / f"{self.name}.record"

    @property
    def lock_file(self):
        return STATE / f"{self.name}.lock"

    @property
    def pki(self):
        return self.state / "pki"

    @property
    def bin(self):
        """kubectl and helm for this cluster."""
        return self.state / "bin"

    @property
    def programs(self):
        """The programs of the nodes by their own names."""
        return self.state / "programs"

    @property
    def images(self):
        return self.state / "images"

    @property
    def hub_netns(self):
        return f"{self.prefix}-hub"

    def kubeconfig(self, user):
        return self.state / "kubeconfig" / user

    @property
    def nodes(self):
        return [Node(number, f"{self.prefix}-node{number}", self.state / f"node{number}",
                     self.state / f"node{number}" / "disk") for number in (1, 2)]

    @property
    def control_plane(self):
        return self.nodes[0]

    def node(self, name):
        for node in self.nodes:
            if node.name == name:
                return node
        raise Trouble(f"no node '{name}' in cluster {self.name}: there are {', '.join(n.name for n in self.nodes)}")
