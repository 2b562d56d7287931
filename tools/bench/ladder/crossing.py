"""crossing: a lab of two nodes with nginx on one and clients on the other, and what keelson-load says between them.

Owns a Mesh. Services `l4` (no route: mutual TLS and nothing else) and `l7` (a route) lead to the origin. Blocking.
"""
import json
import pathlib
import subprocess

from ladder import exposition, manifests, objects, sampler
from ladder.mesh import Mesh, MeshError

NEAR, FAR = "node1", "node2"
ORIGIN = "origin"
SERVICES = ("l4", "l7")
BODIES = manifests.BODIES


def origin_name(ns):
    """A lab has one pod of a name, whatever its namespace."""
    return f"{ORIGIN}-{ns}"


def origin_pod(ns, node):
    command = ("nginx", "-p", ".", "-e", "stderr", "-c", "$(KEELSON_MANIFESTS)/origin.conf")
    return objects.pod(ns, origin_name(ns), node, command, port=manifests.ORIGIN_PORT, service_account=ORIGIN)


def write_origin(folder):
    """What nginx answers with, beside the manifests."""
    (folder / "www").mkdir(parents=True)
    for name, size in BODIES.items():
        (folder / "www" / name).write_bytes(b"x" * size)
    (folder / "origin.conf").write_text(manifests.ORIGIN_CONF.format(port=manifests.ORIGIN_PORT, folder=folder))


class Crossing:
    """`clients`: pod -> namespace, all on the near node; each of `namespaces` has an origin and the two Services."""

    def __init__(self, bench, prefix, clients, namespaces=("shop",), origin_node=FAR, workers=1):
        self.client = bench.bin_dir / "keelson-load"
        self.clients, self.namespaces, self.origin_node = clients, namespaces, origin_node
        self.folder = pathlib.Path(bench.folder) / prefix
        nodes = (NEAR, FAR) if origin_node == FAR else (NEAR,)
        self.mesh = Mesh(bench.bin_dir, prefix, nodes=nodes, options=("--proxy-workers", str(workers)))
        self.addresses = {}  # (namespace, Service) -> address

    def __enter__(self):
        try:
            write_origin(self.folder)
            (self.folder / "objects.yaml").write_text(self.manifest())
            self.mesh.up(self.folder)
            self.addresses = {(ns, name): self.mesh.service_address(ns, name)
                              for ns in self.namespaces for name in SERVICES}
        except BaseException:
            self.mesh.down()
            raise
        return self

    def __exit__(self, *_):
        self.mesh.down()

    def manifest(self):
        found = [objects.namespace(ns) for ns in sorted({*self.namespaces, *self.clients.values()})]
        for ns in self.namespaces:
            found += [objects.account(ns, ORIGIN), origin_pod(ns, self.origin_node), objects.route(ns, "l7")]
            found += [objects.service(ns, name, origin_name(ns), target=manifests.ORIGIN_PORT) for name in SERVICES]
        for pod, ns in self.clients.items():
            found += [objects.account(ns, pod), objects.pod(ns, pod, NEAR, service_account=pod)]
        return objects.document(*found)

    def origin_pids(self, ns):
        return sampler.family(self.pid(f"pod:{origin_name(ns)}/main"))

    def pid(self, process):
        return self.mesh.pids()[process]

    def arguments(self, pod, service, options, path):
        """keelson-load for a pod's requests to a Service of its own namespace."""
        ns = self.clients[pod]
        return (self.client, "--url", f"http://{service}.{ns}/{path}",
                "--connect", f"{self.addresses[ns, service]}:80", *options)

    def load(self, pod, service, *options, path="1k", **where):
        """The report of a keelson-load in a pod that ran to its end."""
        return json.loads(self.mesh.run(NEAR, pod, *self.arguments(pod, service, options, path), **where))

    def start_load(self, pod, service, *options, path="1k", **where):
        """A keelson-load that runs on; its standard output and error are pipes."""
        return self.mesh.start(NEAR, pod, *self.arguments(pod, service, options, path), keep_output=True, **where)

    def proxy_counter(self, node, name):
        """Of the proxy of a node, as its agent reports it; a new report comes every few seconds."""
        return exposition.total(self.mesh.metrics(node), name)


def ended(process, seconds=60):
    """The report of a load that was started and now comes to its end."""
    try:
        text, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise MeshError(f"keelson-load did not end within {seconds} s") from None
    if process.returncode != 0:
        raise MeshError(f"keelson-load ended with {process.returncode}")
    return json.loads(text)
